"""Two versions of a story, sentence by sentence: what both say, what one leaves out, where their figures differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from align.embedding import Encoder
from align.records import Item
from align.splitting import split_sentences
from align.values import numbers
from align.vectors import full_text

MATCHED = 0.45
"""Least cosine of two sentences that say the same, inclusive."""
MUTUAL = 0.3
"""Least cosine of two sentences that are each other's best counterpart, inclusive."""
SAME_STATEMENT = 0.5
"""Least cosine of two sentences whose figures must agree, inclusive."""


@dataclass(frozen=True)
class Difference:
    """A pair of sentences, `a` and `b` by index, that say the same with other figures: those of either side alone."""

    a: int
    b: int
    values_a: tuple[float, ...]
    values_b: tuple[float, ...]


@dataclass(frozen=True)
class Comparison:
    """The sentences of two texts, title first. `match_of_b` is, for each sentence of b, its counterpart's index in a, or None.

    `only_a` and `only_b` are the sentences without any counterpart.
    """

    a: tuple[str, ...]
    b: tuple[str, ...]
    match_of_b: tuple[int | None, ...]
    only_a: tuple[int, ...]
    only_b: tuple[int, ...]
    differences: tuple[Difference, ...]


def sentences_of(item: Item) -> list[str]:
    """The title, if there is one, and the sentences of the text."""
    body = [item.text[start:end] for start, end in split_sentences(item.text, item.lang)]
    return [item.title, *body] if item.title.strip() else body


def compare_items(a: Item, others: Sequence[Item], encoder: Encoder) -> list[Comparison]:
    """`a` compared with each of `others`; every text is embedded once."""
    texts = [sentences_of(item) for item in (a, *others)]
    rows = encoder.encode([sentence for text in texts for sentence in text])
    bounds = np.cumsum([0, *map(len, texts)])
    own = rows[: bounds[1]]
    found = []
    for place, other in enumerate(others, 1):
        similarity = own @ rows[bounds[place] : bounds[place + 1]].T  # (n_a, n_b)
        found.append(_comparison(a, other, texts[0], texts[place], similarity))
    return found


def _comparison(a: Item, b: Item, in_a: list[str], in_b: list[str], similarity: np.ndarray) -> Comparison:
    best_of_b = similarity.argmax(axis=0)
    best_of_a = similarity.argmax(axis=1)

    def says_the_same(i: int, j: int) -> bool:
        return bool(similarity[i, j] >= MATCHED or (similarity[i, j] >= MUTUAL and best_of_a[i] == j))

    match_of_b = tuple(int(i) if says_the_same(int(i), j) else None for j, i in enumerate(best_of_b))
    only_a = tuple(int(i) for i in np.flatnonzero(similarity.max(axis=1) < MATCHED) if i not in match_of_b)
    only_b = tuple(j for j, i in enumerate(match_of_b) if i is None)
    whole_a, whole_b = numbers(full_text(a), a.lang), numbers(full_text(b), b.lang)
    differences = []
    for j, i in enumerate(match_of_b):
        if i is None or similarity[i, j] < SAME_STATEMENT:
            continue
        left = numbers(in_a[i], a.lang) - whole_b
        right = numbers(in_b[j], b.lang) - whole_a
        if left and right:
            differences.append(Difference(i, j, tuple(sorted(left)), tuple(sorted(right))))
    return Comparison(tuple(in_a), tuple(in_b), match_of_b, only_a, only_b, tuple(differences))
