"""Fit the verifier: ``python -m training.verifier``.

Labelled pairs come from two places, neither of which anything is measured on: the stories in
``training/stories`` (natively written versions, several stories about the same cast), and windows of
consecutive sentences of the parallel news and encyclopedic corpora, where a window and its translation,
cut at random, are one story and the window next to it, from the same article, is another.
"""

from __future__ import annotations

import argparse
import itertools
import json
import lzma
import random
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from align.embedding import StaticEncoder, load_encoder
from align.language import identify_language
from align.reading import read
from align.records import Document, Item, ItemVectors, Rejection
from align.relations import CANDIDATE_FLOOR, FEATURES, JOINS, Described, describe, features, relate
from align.segmenting import segment, segment_texts
from align.vectors import vectorise
from training.pairs import log

WINDOW_CORPORA = ("wmt_newstest.en-de", "wmt_newstest.en-it", "wmt_newstest.de-it", "wmt_newstest.en-ja", "kyoto_wiki.en-ja", "opennmt_wmt_sample.en-de")
WINDOWS_EACH = 250

Pair = tuple[Described, Described, bool, float]
"""Two items, whether they tell one story, and the pair's weight in the fit."""


def _item(item_id: str, lang: str, title: str, text: str, published: str | None = None) -> Item:
    return Item(item_id, item_id, lang, 1.0, title, text, None, None, published, 0, len(text))


def _described(items: list[Item], encoder: StaticEncoder) -> list[Described]:
    vectors: list[ItemVectors] = vectorise(items, encoder)
    return describe(items, vectors, encoder)


def story_pairs(folder: Path, encoder: StaticEncoder) -> list[Pair]:
    """Every pair of items in the story files that the index would propose; the story is the id up to its first dot."""
    items = []
    for document in read([folder]):
        if isinstance(document, Rejection):
            raise SystemExit(f"{document.path}:{document.line}: {document.reason}")
        items.append(_from_document(document))
    described = _described(items, encoder)
    pairs = []
    for left, right in itertools.combinations(described, 2):
        if float((left.vectors.views @ right.vectors.views.T).max()) >= CANDIDATE_FLOOR:
            pairs.append((left, right, _story(left.item) == _story(right.item), 1.0))
    return pairs


def _from_document(document: Document) -> Item:
    ((title, text),) = segment_texts(document, segment(document))
    lang, _ = identify_language(f"{title}\n{text}")
    return _item(document.external_id or document.name, lang, title, text, document.published)


def _story(item: Item) -> str:
    return item.id.split(".")[0]


def window_pairs(data: Path, encoder: StaticEncoder, seed: int) -> list[Pair]:
    """Windows of consecutive sentences: a translation cut at random (one story), the next window and the nearest others (not)."""
    chance = random.Random(seed)
    pairs: list[Pair] = []
    for corpus in WINDOW_CORPORA:
        source_lang, target_lang = corpus.split(".")[1].split("-")
        with lzma.open(data / f"{corpus}.tsv.xz", "rt", encoding="utf-8") as handle:
            rows = [tuple(line.rstrip("\n").split("\t")) for line in itertools.islice(handle, 60_000)]
        rows = [row for row in rows if len(row) == 2 and len(row[0]) > 20]
        lefts, rights = [], []
        for number in range(min(WINDOWS_EACH, len(rows) // 30)):
            start = chance.randrange(0, len(rows) - 30)
            first, second = rows[start : start + chance.randint(4, 12)], None
            second = rows[start + len(first) : start + len(first) + chance.randint(4, 12)]
            for half, window in enumerate((first, second)):
                lefts.append(_cut(f"{corpus}.{number}.{half}.a", source_lang, [row[0] for row in window], chance))
                rights.append(_cut(f"{corpus}.{number}.{half}.b", target_lang, [row[1] for row in window], chance))
        left, right = _described(lefts, encoder), _described(rights, encoder)
        similarity = np.stack([entry.vectors.views[0] for entry in left]) @ np.stack([entry.vectors.views[0] for entry in right]).T
        for number in range(len(left)):
            pairs.append((left[number], right[number], True, 1.0))
            neighbour = number ^ 1
            nearest = [other for other in np.argsort(-similarity[number])[:4].tolist() if other // 2 != number // 2][:2]
            pairs += [(left[number], right[other], False, 1.0) for other in {neighbour, *nearest}]
            pairs += [(left[number], left[neighbour], False, 0.5)]
    return pairs


def _cut(item_id: str, lang: str, sentences: list[str], chance: random.Random) -> Item:
    """A version of a text: some sentences dropped, now and then the order changed, sometimes only a teaser of it."""
    kept = [sentence for sentence in sentences if chance.random() > 0.25] or sentences[:1]
    if chance.random() < 0.2:
        kept = kept[:2]
    if chance.random() < 0.3:
        head, tail = kept[:1], kept[1:]
        chance.shuffle(tail)
        kept = head + tail
    title = kept.pop(0) if len(kept) > 2 and len(kept[0]) < 120 and chance.random() < 0.7 else ""
    return _item(item_id, lang, title, ("" if lang == "ja" else " ").join(kept))


def table(pairs: list[Pair]) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], NDArray[np.float64]]:
    """Evidence (n, features), label (n,), across languages (n,), weight (n,)."""
    rows = [features(left, right) for left, right, _, _ in pairs]
    return (
        np.array([[row[name] for name in FEATURES] for row in rows]),
        np.array([same for _, _, same, _ in pairs]),
        np.array([left.item.lang != right.item.lang for left, right, _, _ in pairs]),
        np.array([weight for _, _, _, weight in pairs]),
    )
