"""Neighbours → relations: what two items are to one another, with a score and the evidence.

Two steps. A *comparison* is what a pair shows by itself: which sentences find a counterpart, which words,
names and numbers recur, how much of one text stands in the other. It depends on the two items alone. A
*relation* is the decision: copies and excerpts by overlap of word sequences, which is exact, everything
else by the verifier, which also asks how the pair compares with its two items' other neighbours. Among
stories about the same governments in the same week the vectors of different stories lie as close as
translations: no one similarity tells them apart, being each other's best match does.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from align.describing import Described, TokenReader
from align.records import Evidence, Kind, Relation, Vectors
from align.verifier import FEATURES, FLOOR_LOGIT, Verifier

NEAR_OVERLAP = 0.50
"""Least share of either text's shingles in the other that makes an edited copy, inclusive: one word in seven may differ."""
CONTAINED = 0.75
"""Least share of the shorter text's shingles that makes it an excerpt, inclusive."""
EXCERPT_SIZE = 0.8
"""An excerpt has fewer shingles than this share of the longer text's; above, it is a copy with a sentence more or less."""
EXCERPT_SHINGLES = 12
"""Fewest shingles a text must have to be called an excerpt: less is a phrase."""
OVERLAP_SIMILARITY = 0.6
"""Least similarity of some two sentences of texts whose shingles are compared: copies and excerpts have sentences all but equal."""
UNDATED = 1.0
"""Days that two items are taken to be apart where the date of one is not known: what speaks neither for one story nor against it."""
UNDATED_PAIR = ("undated", 1.0)
"""Stands in the `extra` of a comparison of two items of which one has no date."""
MOST_APART = 15.0
"""More days than this say no more than this many."""
JOINS = 0.6
"""Least probability that makes a relation join, inclusive.

Where most items have no other version, the best match of each is a stranger: on held-out topics without dates, thinned out
to single items for the most part, clusters have a B-cubed precision of 93.5 percent at 0.35 and of 96.6 here.
"""
UNDATED_JOINS = 0.8
"""The same for two items of which one has no date, inclusive: on the same thinned topics a precision of 98.2 percent, 95.9 at 0.6."""
TRANSLATED = 0.62
"""Least mean sentence match, both ways, that makes a cross-language relation a translation, inclusive."""


@dataclass(frozen=True)
class Comparison:
    """What the items `a` < `b` show of one another by themselves.

    `features` are rounded to four decimals and in the order of ``verifier.FEATURES``; `logit` is the
    verifier's first opinion of them. `copy` is exact, near or excerpt where overlap decides, with its
    `overlap` in [0, 1] and evidence.
    """

    a: str
    b: str
    langs: tuple[str, str]
    features: tuple[float, ...]
    logit: float
    copy: Kind | None = None
    overlap: float = 0.0
    extra: tuple[tuple[str, str | float], ...] = ()

    def other(self, item_id: str) -> str:
        """The id at the other end."""
        return self.b if item_id == self.a else self.a

    def lang_of(self, item_id: str) -> str:
        """The language of one of the two."""
        return self.langs[0] if item_id == self.a else self.langs[1]


def number_weight(found: Iterable[float]) -> float:
    """How much numbers tell of a story: a small count or a year is in every other text, 4,100 hectares is not."""
    return sum(
        0.2 if value <= 12 and float(value).is_integer() else 0.3 if value <= 31 or 1990 <= value <= 2039 else 1.0
        for value in found
    )


def time_apart(left: float | None, right: float | None) -> float:
    """log2(1 + days) between two moments in days, in [0, 4]."""
    days = UNDATED if left is None or right is None else min(abs(left - right), MOST_APART)
    return math.log2(1.0 + days)


def _coverage(
    own: Vectors, own_weights: Vectors, others: Vectors, weights: Vectors, starts: NDArray[np.int64]
) -> tuple[Vectors, Vectors, Vectors]:
    """How well the rows of one text find counterparts in each of c others, and theirs in it.

    `own` (m, d) with `own_weights` (m,) summing to 1; `others` (n, d) the rows of all others end to end,
    text i from ``starts[i]``, with `weights` (n,) summing to 1 in each. Returns (c,) the weighted mean of
    the best cosines of `own`'s rows, (c,) that of the other's rows, and (c,) the best cosine of all.
    """
    cosines = others @ own.T  # (n, m)
    forward = np.maximum.reduceat(cosines, starts, axis=0)  # (c, m)
    backward = np.add.reduceat(cosines.max(axis=1) * weights, starts)  # (c,)
    return forward @ own_weights, backward, forward.max(axis=1)


def features(left: Described, others: Sequence[Described], tokens: TokenReader) -> NDArray[np.float64]:
    """The evidence of `left` with each of `others`, as numbers: (len(others), len(FEATURES)), rounded to four decimals.

    The same whichever item comes first. `tokens` gives the vectors of the pieces.

    `story`: cosine of the story views. `lead`: the better cosine of one item's lead and the other's story.
    `short_covered`, `long_covered`: how well the sentences of the shorter and of the longer text find a
    counterpart in the other, the mean of their best cosines by sentence length. `best`: the best cosine of
    two sentences. `short_words`, `long_words`: the same coverage for the heaviest words. `numbers_agree`:
    the weight of the numbers both have over that of the text that has fewer, plus one; `numbers_shared`:
    their weight through log1p. `names_agree`, `names_shared`: the same for names, by their sound (``align.names``).
    `time_apart`: log2(1 + days) between their publication.
    """
    views = np.stack([other.vectors.views for other in others])  # (c, 2, d)
    own = left.vectors.views
    story = views[:, 0] @ own[0]
    lead = np.maximum(views[:, 0] @ own[1], views[:, 1] @ own[0])
    counts = np.array([len(other.vectors.sentences) for other in others])
    forward, backward, best = _coverage(
        left.vectors.sentences,
        left.sentence_weights,
        np.concatenate([other.vectors.sentences for other in others]),
        np.concatenate([other.sentence_weights for other in others]),
        np.concatenate([[0], np.cumsum(counts)[:-1]]),
    )
    counts = np.array([len(other.traits.keywords) for other in others])
    word_forward, word_backward, _ = _coverage(
        tokens.unit_rows(left.traits.keywords),
        left.traits.weights,
        tokens.unit_rows(np.concatenate([other.traits.keywords for other in others])),
        np.concatenate([other.traits.weights for other in others]),
        np.concatenate([[0], np.cumsum(counts)[:-1]]),
    )
    table = np.empty((len(others), len(FEATURES)))
    own_numbers = number_weight(left.numbers)
    for row, other in enumerate(others):
        shorter = (left.traits.length, other.id) <= (other.traits.length, left.id)
        shared = number_weight(left.numbers & other.numbers)
        names = len(left.names & other.names)
        table[row] = (
            story[row],
            lead[row],
            *((forward[row], backward[row]) if shorter else (backward[row], forward[row])),
            best[row],
            *((word_forward[row], word_backward[row]) if shorter else (word_backward[row], word_forward[row])),
            shared / (min(own_numbers, number_weight(other.numbers)) + 1.0),
            math.log1p(shared),
            names / (min(len(left.names), len(other.names)) + 1.0),
            math.log1p(names),
            time_apart(left.day, other.day),
        )
    return table.round(4)


def compare(left: Described, others: Sequence[Described], tokens: TokenReader, verifier: Verifier) -> list[Comparison]:
    """`left` with each of `others`, none of which is `left` itself."""
    if not others:
        return []
    table = features(left, others, tokens)
    logits = verifier.first(table, [(left.lang, other.lang) for other in others])
    best = FEATURES.index("best")
    found = []
    for other, row, logit in zip(others, table.tolist(), logits.tolist(), strict=True):
        copy = _copy(left, other) if row[best] >= OVERLAP_SIMILARITY else None
        a, b = (left, other) if left.id < other.id else (other, left)
        kind, overlap, extra = copy or (None, 0.0, ())
        if a.day is None or b.day is None:
            extra = (*extra, UNDATED_PAIR)
        found.append(Comparison(a.id, b.id, (a.lang, b.lang), tuple(row), round(logit, 4), kind, overlap, extra))
    return found


def identical(left: Described, right: Described) -> Comparison:
    """The comparison of two items with the same body: of 300 copies no pair needs more evidence than that."""
    a, b = (left, right) if left.id < right.id else (right, left)
    return Comparison(a.id, b.id, (a.lang, b.lang), (), -FLOOR_LOGIT, Kind.EXACT, 1.0)


def _copy(left: Described, right: Described) -> tuple[Kind, float, tuple[tuple[str, str | float], ...]] | None:
    """Near or excerpt by overlap, in one language; else None."""
    if left.lang != right.lang:
        return None
    fewer, more = sorted((left, right), key=lambda entry: (len(entry.shingles), entry.id))
    common = len(fewer.shingles & more.shingles)
    inside, outside = common / max(len(fewer.shingles), 1), common / max(len(more.shingles), 1)
    shorter = len(fewer.shingles) < EXCERPT_SIZE * len(more.shingles)
    if outside >= NEAR_OVERLAP and inside >= NEAR_OVERLAP and not (shorter and inside >= CONTAINED):
        return Kind.NEAR, round(inside, 4), (("changed", round(1.0 - outside, 4)),)
    if inside >= CONTAINED and len(fewer.shingles) >= EXCERPT_SHINGLES:
        return Kind.EXCERPT, round(inside, 4), (("contained", fewer.id), ("share_of_longer", round(outside, 4)))
    return None


def margins(comparisons: Sequence[Comparison], context: Sequence[Comparison] | None = None) -> NDArray[np.float64]:
    """How far each pair stands above its items' other neighbours: (n, 5), in logits.

    A rival of the pair (i, j) seen from i is another neighbour of i that is not, by first opinion, of j's
    story. The columns are the pair's own logit; the smaller and the larger of its two sides' margins over
    the best rival in the other item's language; the same over the best rival in any. No rival counts as
    one at the floor, ``verifier.FLOOR_LOGIT``. `context` must hold every pair of the items of `comparisons`,
    which stand for themselves where it is left out.
    """
    logit: dict[tuple[str, str], float] = {}
    near: dict[str, list[tuple[float, str, str]]] = defaultdict(list)
    for found in comparisons if context is None else context:
        logit[found.a, found.b] = logit[found.b, found.a] = found.logit
        near[found.a].append((found.logit, found.b, found.langs[1]))
        near[found.b].append((found.logit, found.a, found.langs[0]))
    for neighbours in near.values():
        neighbours.sort(reverse=True)

    def rivals(item: str, other: str, lang: str) -> tuple[float, float]:
        in_lang = in_any = FLOOR_LOGIT
        for value, rival, rival_lang in near[item]:
            if rival == other or logit.get((other, rival), FLOOR_LOGIT) >= 0.0:
                continue
            in_any = max(in_any, value)
            if rival_lang == lang:
                return max(value, FLOOR_LOGIT), in_any
        return in_lang, in_any

    table = np.empty((len(comparisons), 5))
    for row, found in enumerate(comparisons):
        from_a = rivals(found.a, found.b, found.langs[1])
        from_b = rivals(found.b, found.a, found.langs[0])
        own = found.logit
        lang_margins = own - from_a[0], own - from_b[0]
        any_margins = own - from_a[1], own - from_b[1]
        table[row] = own, min(lang_margins), max(lang_margins), min(any_margins), max(any_margins)
    return table


def settle(
    comparisons: Sequence[Comparison],
    verifier: Verifier,
    joins: float = JOINS,
    context: Sequence[Comparison] | None = None,
) -> list[Relation]:
    """The relation of every pair, decided with its `margins` in `context`, in the order given."""
    table = margins(comparisons, context)
    return [
        _relation(pair, row, probability, joins)
        for pair, row, probability in zip(comparisons, table.tolist(), verifier.settled(table).tolist(), strict=True)
    ]


def _relation(pair: Comparison, margin: Sequence[float], probability: float, joins: float) -> Relation:
    if pair.copy is Kind.EXACT:
        return Relation(pair.a, pair.b, Kind.EXACT, 1.0, {"rule": "overlap", "overlap": 1.0})
    shown = dict(zip(FEATURES, pair.features, strict=True))
    evidence: Evidence = {
        "rule": "verifier" if pair.copy is None else "overlap",
        "similarity": shown["story"],
        "probability": round(probability, 4),
        "margin": round(margin[1], 2),
        "features": shown,
    }
    if pair.copy is not None:
        evidence |= {"overlap": pair.overlap, **dict(pair.extra)}
        return Relation(pair.a, pair.b, pair.copy, round(max(probability, pair.overlap), 4), evidence)
    if UNDATED_PAIR in pair.extra:
        evidence["undated"] = True
        joins = max(joins, UNDATED_JOINS)
    kind = Kind.RELATED
    if probability >= joins:
        covered = min(shown["short_covered"], shown["long_covered"])
        across = pair.langs[0] != pair.langs[1]
        kind = Kind.TRANSLATION if across and covered >= TRANSLATED else Kind.SAME_STORY
    return Relation(pair.a, pair.b, kind, round(probability, 4), evidence)
