"""Edited copies and excerpts planted among real texts, and how many of them are found: part of ``samestory eval``."""

from __future__ import annotations

import random
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from align.embedding import Encoder
from align.figures import Figure
from align.records import Document, Form, Item, Kind

EDITED = 0.15
"""Share of a copy's words that are edited: replaced by a word of another text, dropped or said twice."""
EXCERPT_WORDS = 40
"""Least words of an excerpt, in Japanese twice as many signs; it is cut in front of a sentence and ends with one."""
OVERLAPS = (Kind.EXACT, Kind.NEAR, Kind.EXCERPT)

_WIDE = re.compile(r"[一-龥々]+|[ぁ-ん]+|[ァ-ヴー]+|\w+|\W")
"""What counts as a word in a text whose words are not spaced: a run of one kind of sign."""
_SENTENCE_END = re.compile(r"(?<=[。！？])|(?<=[.!?])\s+")


@dataclass(frozen=True)
class Planted:
    """`documents` with what was planted; `made_from`: planted name → the name of its text; `kinds`: planted name → "copy" or "excerpt"."""

    documents: tuple[Document, ...]
    made_from: dict[str, str]
    kinds: dict[str, str]


def plant(texts: Sequence[Item], seed: int) -> Planted:
    """An edited copy of each of `texts`, and an excerpt of each that is at least twice as long as one must be.

    The texts must be of different content. The same seed plants the same.
    """
    chance = random.Random(seed)
    words = {lang: [word for item in texts if item.lang == lang for word in words_of(item.text, lang) if word.isalnum()] for lang in {item.lang for item in texts}}  # fmt: skip
    documents, made_from, kinds = [], {}, {}

    def put(name: str, title: str, text: str) -> None:
        documents.append(Document(name, name, Form.ARTICLE, f"{title}\n\n{text}" if title else text, title, external_id=name))  # fmt: skip

    for item in texts:
        put(item.id, item.title, item.text)
        made = {"copy": edited(item.text, item.lang, words[item.lang], chance), "excerpt": cut(item.text, item.lang, chance)}  # fmt: skip
        for kind, text in made.items():
            if text:
                name = f"{item.id}.planted-{kind}"
                put(name, "", text)
                made_from[name], kinds[name] = item.id, kind
    return Planted(tuple(documents), made_from, kinds)


def words_of(text: str, lang: str) -> list[str]:
    """The words of a text and what stands between them, in order; of Japanese its runs of one kind of sign."""
    return _WIDE.findall(text) if lang == "ja" else re.findall(r"\S+|\s+", text)


def edited(text: str, lang: str, others: Sequence[str], chance: random.Random) -> str:
    """`text` with `EDITED` of its words, at random places, replaced by one of `others`, dropped or said twice."""
    parts = words_of(text, lang)
    places = [place for place, part in enumerate(parts) if any(sign.isalnum() for sign in part)]
    for place in chance.sample(places, int(EDITED * len(places))):
        parts[place] = chance.choice((chance.choice(others), "", f"{parts[place]}{'' if lang == 'ja' else ' '}{parts[place]}"))  # fmt: skip
    return "".join(parts)


def cut(text: str, lang: str, chance: random.Random) -> str | None:
    """Consecutive sentences of `text` of just at least ``EXCERPT_WORDS``; None where it has not twice as many words."""
    sentences = [sentence for sentence in _SENTENCE_END.split(text.replace("\n\n", " ")) if sentence.strip()]
    sizes = [_size(sentence, lang) for sentence in sentences]
    if sum(sizes) < 2 * EXCERPT_WORDS:
        return None
    last = max(start for start in range(len(sizes)) if sum(sizes[start:]) >= EXCERPT_WORDS)
    start = chance.randint(0, last)
    end = next(end for end in range(start, len(sizes) + 1) if sum(sizes[start:end]) >= EXCERPT_WORDS)
    return ("" if lang == "ja" else " ").join(sentences[start:end])


def _size(text: str, lang: str) -> float:
    return sum(map(str.isalnum, text)) / 2 if lang == "ja" else len(text.split())


def evaluate_planted(encoder: Encoder, texts: Sequence[Item], name: str, seed: int = 17) -> list[Figure]:
    """Plant, read all into a throw-away index, and count.

    A planted text is found where it is exact, near or excerpt to the one it was made from. Precision is the share of such
    relations, among all, that join a text to what was made from it, or two that were made from one.
    """
    from align.pipeline import Pipeline

    planted = plant(texts, seed)
    with tempfile.TemporaryDirectory() as scratch, Pipeline(Path(scratch), encoder) as pipeline:
        pipeline.ingest_documents(planted.documents)
        document = {item.id: item.document for item in pipeline.items()}
        pairs = {
            frozenset((document[found.a], document[found.b]))
            for found in pipeline.store.relations()
            if found.kind in OVERLAPS
        }
    right = sum(len({planted.made_from.get(one, one) for one in pair}) == 1 for pair in pairs)
    figures = []
    for kind, about in (("copy", "copies with 15 % of words edited"), ("excerpt", "excerpts of 40 words")):
        names = [planted_name for planted_name, of in planted.kinds.items() if of == kind]
        hits = sum(frozenset((one, planted.made_from[one])) in pairs for one in names)
        figures.append(Figure(name, f"{len(names)} {about}, found", 100 * hits / max(len(names), 1), "%", 100.0))
    return [*figures, Figure(name, "precision", 100 * right / max(len(pairs), 1), "%", 99.0)]
