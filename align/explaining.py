"""Relations → what a person is shown of them: the sentences that match, the numbers and names that recur.

Worked out when asked for, from what is stored: among 100,000 items nearly no relation is ever looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from align.describing import names_in
from align.records import Evidence, Item, ItemVectors, Kind, Variant
from align.store import Store
from align.values import numbers
from align.vectors import full_text

SHOWN_SENTENCES = 3


def explained(store: Store, item: Item, vectors: ItemVectors | None, variant: Variant) -> Variant:
    """The variant with the evidence that a person can check, in ``sentences``, ``numbers`` and ``names``.

    `vectors` are those of `item`, where it is not stored. In ``sentences`` side `a` is the item with the
    smaller id. Copies that are exact, and variants joined through others alone, stay as they are.
    """
    if variant.kind is Kind.EXACT or "features" not in variant.evidence:
        return variant
    dimension = int(store.setting("dimension") or 0)
    held = [
        vectors if vectors is not None and one.id == item.id else store.vectors_by_id(one.id, dimension)
        for one in (item, variant.item)
    ]
    sides = sorted(zip((item, variant.item), held, strict=True), key=lambda side: side[0].id)
    return replace(variant, evidence={**variant.evidence, **_shown(*sides)})


def _shown(left: tuple[Item, ItemVectors], right: tuple[Item, ItemVectors]) -> Mapping[str, object]:
    texts = full_text(left[0]), full_text(right[0])
    shown: Evidence = {"sentences": _matching_sentences(texts, left[1], right[1])}
    shared_numbers = numbers(texts[0], left[0].lang) & numbers(texts[1], right[0].lang)
    shared_names = set(names_in(texts[0])) & set(names_in(texts[1]))
    if shared_numbers:
        shown["numbers"] = sorted(shared_numbers)
    if shared_names:
        shown["names"] = sorted(shared_names)
    return shown


def _matching_sentences(texts: tuple[str, str], left: ItemVectors, right: ItemVectors) -> list[Evidence]:
    """The best-matching sentence pairs, each sentence used once: text and similarity."""
    similarity = left.sentences @ right.sentences.T
    shown: list[Evidence] = []
    for _ in range(min(SHOWN_SENTENCES, *similarity.shape)):
        a, b = np.unravel_index(int(similarity.argmax()), similarity.shape)
        value = float(similarity[a, b])
        (a_start, a_end), (b_start, b_end) = left.sentence_spans[int(a)], right.sentence_spans[int(b)]
        shown.append({"a": texts[0][a_start:a_end], "b": texts[1][b_start:b_end], "similarity": round(value, 4)})
        similarity[a, :] = similarity[:, b] = -2.0
    return shown
