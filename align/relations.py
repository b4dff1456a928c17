"""Neighbours → relations: what two items are to one another, with a score and the evidence.

Copies and excerpts are decided by overlap of word sequences: that is exact. Everything else is
decided by a small logistic model over evidence that two items show by themselves (which sentences
find a counterpart, which names and numbers recur), never by one similarity: among stories about the
same governments in the same week the vectors of different stories lie as close as translations.
A relation depends on its two items alone, so it is the same in any order of arrival.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np

from align.records import Evidence, Item, ItemVectors, Kind, Relation, Vectors
from align.values import numbers
from align.vectors import full_text

CANDIDATE_FLOOR = 0.30
"""Least cosine between any two views that makes two items worth comparing, inclusive."""
NEAREST = 64
"""How many nearest items are compared at most, of those less similar than ALWAYS."""
ALWAYS = 0.60
"""Cosine from which on every item is compared, however many there are, inclusive."""
NEAR_OVERLAP = 0.50
"""Least share of either text's shingles in the other that makes an edited copy, inclusive: one word in seven may differ."""
CONTAINED = 0.75
"""Least share of the shorter text's shingles that makes it an excerpt, inclusive."""
EXCERPT_SIZE = 0.8
"""An excerpt has fewer shingles than this share of the longer text's; above, it is a copy with a sentence more or less."""
EXCERPT_SHINGLES = 12
"""Fewest shingles a text must have to be called an excerpt: less is a phrase."""
JOINS = 0.35
"""Least probability that makes a relation join, inclusive."""
RELATED_SIMILARITY = 0.45
"""Least story similarity of two items that are related without telling one story, inclusive."""
TRANSLATED = 0.62
"""Least mean sentence match, both ways, that makes a cross-language relation a translation, inclusive."""
SHOWN_SENTENCES = 3

_MODEL = Path(__file__).with_name("verifier.json")
_SPACED = re.compile(r"[^\W_]+(?:[.,'’\-][^\W_]+)*")
_WIDE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uac00-\ud7af]")
_NAME = re.compile(r"(?<![.!?»“”\"„'’:]\s)(?<!^)(?<![\w])[A-ZÀ-Ý][\wÀ-ÿ]{2,}(?:[-'’][\wÀ-ÿ]+)*")


class TokenReader(Protocol):
    """What gives the pieces of texts and their vectors: a ``StaticEncoder``."""

    def token_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """The piece ids of each text."""
        ...

    def rows(self, ids: Sequence[int]) -> Vectors:
        """(len(ids), d) piece vectors, not normalised."""
        ...


def _comparable(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


@dataclass(frozen=True, eq=False)
class Described:
    """An item with all that comparing it needs; each part is worked out once, when first asked for.

    `token_vectors` (t, d) are the lengths-carrying piece vectors of the text, `token_ids` the pieces:
    evidence below the sentence.
    """

    item: Item
    vectors: ItemVectors
    token_ids: tuple[int, ...]
    token_vectors: Vectors  # (t, d) of distinct tokens, of unit length
    token_weights: Vectors  # (t,) summing to 1

    @cached_property
    def comparable(self) -> str:
        """The body's letters, digits and signs, NFKC, case-folded, white space unified."""
        return _comparable(self.item.text)

    @cached_property
    def shingles(self) -> frozenset[int]:
        """Hashes of the text's word trigrams, or of five characters in a row where words are not spaced."""
        text = _comparable(full_text(self.item))
        if len(_WIDE.findall(text)) > 0.3 * len(text):
            signs = "".join(character for character in text if character.isalnum())
            return frozenset(hash(signs[start : start + 5]) for start in range(max(1, len(signs) - 4)))
        words = _SPACED.findall(text)
        return frozenset(hash(tuple(words[start : start + 3])) for start in range(max(1, len(words) - 2)))

    @cached_property
    def numbers(self) -> frozenset[float]:
        """The values of the numbers in title and text."""
        return numbers(full_text(self.item), self.item.lang)

    @cached_property
    def names(self) -> frozenset[str]:
        """Capitalised words inside sentences, lower-cased: names, in scripts that have capitals."""
        return frozenset(
            name.lower().removesuffix("'s").removesuffix("’s") for name in _NAME.findall(full_text(self.item))
        )

    @cached_property
    def sentence_weights(self) -> Vectors:
        """(n,) the sentences' shares of the text, by the square root of their lengths; a title counts as a sentence."""
        lengths = np.sqrt([max(end - start, 1) for start, end in self.vectors.sentence_spans]).astype(np.float32)
        return np.asarray(lengths / lengths.sum(), dtype=np.float32)


def _share(part: frozenset[int], whole: frozenset[int]) -> float:
    return len(part & whole) / len(part) if part else 0.0


def number_weight(found: frozenset[float]) -> float:
    """How much numbers tell of a story: a small count or a year is in every other text, 4,100 hectares is not."""
    return sum(
        0.2 if value <= 12 and value.is_integer() else 0.3 if value <= 31 or 1990 <= value <= 2039 else 1.0
        for value in found
    )


FEATURES = ("story", "lead", "short_covered", "long_covered", "tokens_covered", "numbers_agree", "numbers_shared")


def features(left: Described, right: Described) -> dict[str, float]:
    """The evidence of one pair as numbers, the same whichever item comes first.

    `story` is the cosine of the story views, `lead` the better cosine of one item's lead and the other's
    story. `short_covered` and `long_covered` say how well the sentences of the shorter and of the longer
    text find a counterpart in the other: the mean, by sentence length, of their best cosines.
    `tokens_covered` is the same for the words of the shorter text, by the weight that training gave each.
    `numbers_agree` is the weight of the numbers both have over that of the text that has fewer, plus one;
    `numbers_shared` is their weight through log1p.
    """
    if (len(left.item.text), right.item.id) > (len(right.item.text), left.item.id):
        left, right = right, left
    # left is the shorter from here on
    views = left.vectors.views @ right.vectors.views.T  # (2, 2)
    sentences = left.vectors.sentences @ right.vectors.sentences.T  # (n_left, n_right)
    tokens = left.token_vectors @ right.token_vectors.T  # (t_left, t_right)
    shared = number_weight(left.numbers & right.numbers)
    fewer = min(number_weight(left.numbers), number_weight(right.numbers))
    return {
        "story": float(views[0, 0]),
        "lead": float(max(views[0, 1], views[1, 0])),
        "short_covered": float(sentences.max(axis=1) @ left.sentence_weights),
        "long_covered": float(sentences.max(axis=0) @ right.sentence_weights),
        "tokens_covered": float(tokens.max(axis=1) @ left.token_weights),
        "numbers_agree": shared / (fewer + 1.0),
        "numbers_shared": math.log1p(shared),
    }


@dataclass(frozen=True)
class Verifier:
    """Logistic models over `FEATURES`: one for pairs in one language, one for pairs across."""

    weights: dict[str, dict[str, float]]

    def probability(self, found: dict[str, float], across: bool) -> float:
        """Probability in (0, 1) that a pair with this evidence tells one story."""
        weights = self.weights["across" if across else "within"]
        logit = weights["bias"] + sum(weights[name] * found[name] for name in FEATURES)
        return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, logit))))


@lru_cache(maxsize=1)
def load_verifier() -> Verifier:
    """The fitted verifier that ships beside this file."""
    return Verifier(json.loads(_MODEL.read_text(encoding="utf-8"))["weights"])


def relate(left: Described, right: Described, verifier: Verifier) -> Relation | None:
    """The relation of two items, or None where they have too little in common to be related."""
    if left.item.id > right.item.id:
        left, right = right, left
    if left.comparable == right.comparable:
        # Of 300 copies each pair is a relation: no evidence beyond the fact is worth storing 45,000 times.
        return Relation(left.item.id, right.item.id, Kind.EXACT, 1.0, {"rule": "overlap", "overlap": 1.0})
    copy = _copy(left, right)
    found = features(left, right)
    across = left.item.lang != right.item.lang
    probability = verifier.probability(found, across)
    evidence: Evidence = {"similarity": round(found["story"], 4)}
    if copy is not None:
        kind, overlap, extra = copy
        score = max(probability, overlap)
        evidence |= {"rule": "overlap", "overlap": round(overlap, 4), **extra}
    elif probability >= JOINS:
        both = min(found["short_covered"], found["long_covered"])
        kind = Kind.TRANSLATION if across and both >= TRANSLATED else Kind.SAME_STORY
        score = probability
        evidence |= {"rule": "verifier"}
    elif found["story"] >= RELATED_SIMILARITY:
        kind, score = Kind.RELATED, probability
        evidence |= {"rule": "verifier"}
    else:
        return None
    evidence |= {
        "probability": round(probability, 4),
        "features": {name: round(value, 3) for name, value in found.items()},
    }
    if kind.joins:
        evidence["sentences"] = _matching_sentences(left, right)
        if shared := sorted(left.numbers & right.numbers):
            evidence["numbers"] = shared
        if names := sorted(left.names & right.names):
            evidence["names"] = names
    return Relation(left.item.id, right.item.id, kind, round(score, 4), evidence)


def _copy(left: Described, right: Described) -> tuple[Kind, float, Evidence] | None:
    """Near or excerpt by overlap, in one language; else None."""
    if left.item.lang != right.item.lang:
        return None
    fewer, more = (left, right) if len(left.shingles) <= len(right.shingles) else (right, left)
    inside, outside = _share(fewer.shingles, more.shingles), _share(more.shingles, fewer.shingles)
    shorter = len(fewer.shingles) < EXCERPT_SIZE * len(more.shingles)
    if outside >= NEAR_OVERLAP and inside >= NEAR_OVERLAP and not (shorter and inside >= CONTAINED):
        return Kind.NEAR, inside, {"changed": round(1.0 - outside, 4)}
    if inside >= CONTAINED and len(fewer.shingles) >= EXCERPT_SHINGLES:
        return Kind.EXCERPT, inside, {"contained": fewer.item.id, "share_of_longer": round(outside, 4)}
    return None


def _matching_sentences(left: Described, right: Described) -> list[Evidence]:
    """The best-matching sentence pairs, each sentence used once: text, offsets and similarity."""
    similarity = left.vectors.sentences @ right.vectors.sentences.T
    shown: list[Evidence] = []
    texts = [full_text(described.item) for described in (left, right)]
    for _ in range(min(SHOWN_SENTENCES, *similarity.shape)):
        a, b = np.unravel_index(int(similarity.argmax()), similarity.shape)
        value = float(similarity[a, b])
        (a_start, a_end), (b_start, b_end) = left.vectors.sentence_spans[a], right.vectors.sentence_spans[b]
        shown.append({"a": texts[0][a_start:a_end], "b": texts[1][b_start:b_end], "similarity": round(value, 4)})
        similarity[a, :] = similarity[:, b] = -2.0
    return shown


def describe(items: Sequence[Item], vectors: Sequence[ItemVectors], tokens: TokenReader) -> list[Described]:
    """`items` with their vectors and token evidence, ready to be compared."""
    found = []
    for item, own, ids in zip(items, vectors, tokens.token_ids([full_text(item) for item in items]), strict=True):
        distinct = tuple(sorted(set(ids)))
        rows = tokens.rows(distinct)
        lengths = np.linalg.norm(rows, axis=1)
        counts = np.array([ids.count(token) for token in distinct], dtype=np.float32)
        weights = lengths * np.sqrt(counts)
        found.append(
            Described(
                item,
                own,
                distinct,
                (rows / np.maximum(lengths[:, None], 1e-12)).astype(np.float32),
                (weights / max(float(weights.sum()), 1e-12)).astype(np.float32),
            )
        )
    return found
