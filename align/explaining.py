"""Relations → what a person is shown of them: the sentences that match, the values that agree or changed, names, time.

Worked out when asked for, from what is stored: among 100,000 items nearly no relation is ever looked at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from align.differences import QuantityDifference, compare_quantities
from align.instants import days_apart, timestamp
from align.quantities import Quantity
from align.records import Evidence, Item, ItemVectors, Kind, Variant, Vectors
from align.sentences import Bead
from align.sounds import names_in
from align.store import Store
from align.vectors import full_text
from align.versions import local_day, quantities_of_item

SHOWN_SENTENCES = 3
COUNTERPART = 0.45
"""Least cosine, inclusive, of two sentences whose numbers are compared: below, they speak of different things."""


@dataclass(frozen=True, eq=False)
class _Side:
    """An item with what its evidence is made of; what is not kept is worked out when first asked for."""

    item: Item
    vectors: Vectors  # of its sentences
    spans: Sequence[tuple[int, int]]
    kept: Sequence[Sequence[Quantity]] | None = None

    @cached_property
    def sentences(self) -> list[str]:
        text = full_text(self.item)
        return [text[start:end] for start, end in self.spans]

    @cached_property
    def quantities(self) -> Sequence[Sequence[Quantity]]:
        return self.kept if self.kept is not None else quantities_of_item(self.item, self.spans)

    @cached_property
    def names(self) -> dict[str, str]:
        return names_in(full_text(self.item), self.item.lang)


class Explainer:
    """Adds to the variants of one item, whose `vectors` are given where it is not stored, the evidence that a person can check."""

    def __init__(self, store: Store, item: Item, vectors: ItemVectors | None = None) -> None:
        self.store = store
        self.item = item
        self._vectors = vectors
        self._dimension = int(store.setting("dimension") or 0)

    @cached_property
    def _own(self) -> _Side:
        if self._vectors is None:
            return self._stored(self.item)
        return _Side(self.item, self._vectors.sentences, self._vectors.sentence_spans)

    def _stored(self, item: Item) -> _Side:
        return _Side(item, *self.store.sentences_by_id(item.id, self._dimension))

    def explained(self, variant: Variant) -> Variant:
        """The variant with more evidence; copies that are exact, and variants joined through others alone, stay as they are.

        ``days_apart`` is the time between the two, where both are dated. ``sentences`` are the best matching, side `a` from
        the item with the smaller id. ``numbers`` compares numbers, percentages, money and dates by value in sentences that
        match: lists ``agree`` ("12,000 = 1.2万") and ``changed`` ("12 → 17", from the earlier item to the later, from the
        item asked for to the variant where that is not known). ``names`` recur, in whatever script.
        """
        if variant.kind is Kind.EXACT or "features" not in variant.evidence:
            return variant
        return replace(variant, evidence={**variant.evidence, **_shown(self._own, self._stored(variant.item))})


def _shown(own: _Side, other: _Side) -> Mapping[str, object]:
    shown: Evidence = {}
    days = days_apart(own.item.published, other.item.published)
    if days is not None:
        shown["days_apart"] = round(days, 2)
    left, right = sorted((own, other), key=lambda side: side.item.id)
    pairs = _matching(left.vectors, right.vectors)
    shown["sentences"] = [
        {"a": left.sentences[a], "b": right.sentences[b], "similarity": round(similarity, 4)}
        for a, b, similarity in pairs[:SHOWN_SENTENCES]
    ]
    earlier, later = _in_order(own, other)
    compared = _compared(earlier, later, pairs if earlier is left else [(b, a, found) for a, b, found in pairs])
    agree = [
        f"{found.a.text} = {found.b.text}" for found in compared if found.verdict == "agree" and found.a and found.b
    ]
    changed = [
        f"{found.a.text} → {found.b.text}"
        for found in compared
        if found.verdict == "contradict" and found.a and found.b
    ]
    if agree or changed:
        shown["numbers"] = {"agree": list(dict.fromkeys(agree)), "changed": list(dict.fromkeys(changed))}
    names, others = left.names, right.names
    if recurring := {names[key] if names[key] == others[key] else f"{names[key]} = {others[key]}" for key in names.keys() & others.keys()}:  # fmt: skip
        shown["names"] = sorted(recurring)
    return shown


def _in_order(own: _Side, other: _Side) -> tuple[_Side, _Side]:
    """The earlier side first, as far as both are dated."""
    moments = own.item.published, other.item.published
    swapped = None not in moments and timestamp(str(moments[1])) < timestamp(str(moments[0]))
    return (other, own) if swapped else (own, other)


def _matching(left: Vectors, right: Vectors) -> list[tuple[int, int, float]]:
    """Pairs of sentences, the best matching first, each sentence used once: (a, b, cosine)."""
    # Rounded, so that of equally good ones the first is taken: the last bits depend on what was embedded beside.
    similarity = (left @ right.T).round(4)
    found = []
    for _ in range(min(similarity.shape)):
        a, b = (int(place) for place in np.unravel_index(int(similarity.argmax()), similarity.shape))
        found.append((a, b, float(similarity[a, b])))
        similarity[a, :] = similarity[:, b] = -2.0
    return found


def _compared(earlier: _Side, later: _Side, pairs: Sequence[tuple[int, int, float]]) -> Sequence[QuantityDifference]:
    """The quantities of the `pairs` of sentences that match, compared by value."""
    beads = [Bead((a,), (b,), similarity) for a, b, similarity in sorted(pairs) if similarity >= COUNTERPART]
    return compare_quantities(
        beads, (earlier.quantities, later.quantities), (local_day(earlier.item), local_day(later.item)), missing=False
    )
