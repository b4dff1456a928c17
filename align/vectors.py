"""Items → vectors: one row a sentence, and the views by which an item is found.

The story view is not the mean of all tokens: title, lead and body are embedded apart and weighted,
because the more sentences a mean holds, the more it drifts to the mean of everything.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from align.embedding import Encoder
from align.records import Item, ItemVectors, Vectors
from align.splitting import split_sentences

LEAD_SENTENCES = 2


class ViewWeights(NamedTuple):
    """How a story view is put together: weights of title, lead and body, and the power of a sentence's length in its own weight."""

    title: float = 1.0
    lead: float = 1.0
    body: float = 1.0
    length_power: float = 0.5


CHOSEN = ViewWeights()
"""Chosen by ``python -m training.documents``; the table is in docs/model.md."""


def item_sentences(item: Item) -> list[tuple[int, int]]:
    """Offsets of the sentences in ``full_text(item)``: the title first, if there is one."""
    shift = len(item.title) + 1 if item.title else 0
    title = [(0, len(item.title))] if item.title.strip() else []
    return title + [(start + shift, end + shift) for start, end in split_sentences(item.text, item.lang)]


def full_text(item: Item) -> str:
    """Title, newline, text; the text alone where there is no title."""
    return f"{item.title}\n{item.text}" if item.title else item.text


def unit(vector: Vectors) -> Vectors:
    """`vector`, or each row of it, brought to unit length."""
    lengths = np.linalg.norm(vector, axis=-1, keepdims=True)
    return np.asarray(vector / np.maximum(lengths, 1e-12), dtype=np.float32)


def story_views(sentences: Vectors, lengths: Sequence[int], has_title: bool, weights: ViewWeights = CHOSEN) -> Vectors:
    """The views (2, d) of an item: the story, and the lead alone.

    `sentences` (n, d) are its sentence vectors, title first where `has_title`; `lengths` their
    lengths in characters, which weigh the sentences of the body.
    """
    first = 1 if has_title and len(sentences) > 1 else 0
    body, sizes = sentences[first:], np.asarray(lengths[first:], dtype=np.float32) ** weights.length_power
    lead = unit((body[:LEAD_SENTENCES] * sizes[:LEAD_SENTENCES, None]).sum(axis=0))
    whole = unit((body * sizes[:, None]).sum(axis=0))
    title = sentences[0] if first else np.zeros_like(lead)
    story = unit(weights.title * title + weights.lead * lead + weights.body * whole)
    return np.stack([story, unit(title + lead)])


def vectorise(items: Sequence[Item], encoder: Encoder) -> list[ItemVectors]:
    """The vectors of `items`, all sentences encoded in one call."""
    spans = [item_sentences(item) for item in items]
    texts = [full_text(item)[start:end] for item, found in zip(items, spans, strict=True) for start, end in found]
    rows = encoder.encode(texts)
    found_vectors = []
    row = 0
    for item, found in zip(items, spans, strict=True):
        part = rows[row : row + len(found)]
        row += len(found)
        lengths = [end - start for start, end in found]
        found_vectors.append(ItemVectors(story_views(part, lengths, bool(item.title.strip())), part, tuple(found)))
    return found_vectors
