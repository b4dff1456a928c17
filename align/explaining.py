"""Relations → what a person is shown of them: the sentences that match, the values that agree or changed, names, time.

Worked out when asked for, from what is stored: among 100,000 items nearly no relation is ever looked at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from align.differences import QuantityDifference, differences
from align.instants import days_apart, timestamp
from align.records import Evidence, Item, ItemVectors, Kind, Variant, Vectors
from align.sentences import Alignment, Bead
from align.sounds import names_in
from align.store import Store
from align.vectors import full_text

SHOWN_SENTENCES = 3
COUNTERPART = 0.45
"""Least cosine, inclusive, of two sentences whose numbers are compared: below, they speak of different things."""

Side = tuple[Item, ItemVectors]


def explained(store: Store, item: Item, vectors: ItemVectors | None, variant: Variant) -> Variant:
    """The variant with the evidence that a person can check.

    `vectors` are those of `item`, where it is not stored. ``days_apart`` is the time between the two,
    where both are dated. ``sentences`` are the best matching, side `a` from the item with the smaller id. ``numbers`` compares
    numbers, percentages, money and dates by value in sentences that match: lists ``agree`` ("12,000 = 1.2万")
    and ``changed`` ("12 → 17", from the earlier item to the later, from `item` to the variant where that is not known). ``names``
    recur, in whatever script. Copies that are exact, and variants joined through others alone, stay as they are.
    """
    if variant.kind is Kind.EXACT or "features" not in variant.evidence:
        return variant
    dimension = int(store.setting("dimension") or 0)
    held = [
        vectors if vectors is not None and one.id == item.id else store.vectors_by_id(one.id, dimension)
        for one in (item, variant.item)
    ]
    sides = list(zip((item, variant.item), held, strict=True))
    return replace(variant, evidence={**variant.evidence, **_shown(sides[0], sides[1])})


def _shown(own: Side, other: Side) -> Mapping[str, object]:
    shown: Evidence = {}
    days = days_apart(own[0].published, other[0].published)
    if days is not None:
        shown["days_apart"] = round(days, 2)
    left, right = sorted((own, other), key=lambda side: side[0].id)
    pairs = _matching(left[1].sentences, right[1].sentences)
    texts = _sentences(left), _sentences(right)
    shown["sentences"] = [
        {"a": texts[0][a], "b": texts[1][b], "similarity": round(similarity, 4)}
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
    names, others = (names_in(full_text(item), item.lang) for item, _ in (left, right))
    if recurring := {names[key] if names[key] == others[key] else f"{names[key]} = {others[key]}" for key in names.keys() & others.keys()}:  # fmt: skip
        shown["names"] = sorted(recurring)
    return shown


def _sentences(side: Side) -> list[str]:
    text = full_text(side[0])
    return [text[start:end] for start, end in side[1].sentence_spans]


def _in_order(own: Side, other: Side) -> tuple[Side, Side]:
    """The earlier side first, as far as both are dated."""
    moments = own[0].published, other[0].published
    swapped = None not in moments and timestamp(str(moments[1])) < timestamp(str(moments[0]))
    return (other, own) if swapped else (own, other)


def _matching(left: Vectors, right: Vectors) -> list[tuple[int, int, float]]:
    """Pairs of sentences, the best matching first, each sentence used once: (a, b, cosine)."""
    similarity = left @ right.T
    found = []
    for _ in range(min(similarity.shape)):
        a, b = (int(place) for place in np.unravel_index(int(similarity.argmax()), similarity.shape))
        found.append((a, b, float(similarity[a, b])))
        similarity[a, :] = similarity[:, b] = -2.0
    return found


def _compared(earlier: Side, later: Side, pairs: Sequence[tuple[int, int, float]]) -> Sequence[QuantityDifference]:
    """The quantities of the `pairs` of sentences that match, compared by value."""
    beads = tuple(Bead((a,), (b,), similarity) for a, b, similarity in sorted(pairs) if similarity >= COUNTERPART)
    langs = earlier[0].lang, later[0].lang
    texts = tuple(_sentences(earlier)), tuple(_sentences(later))
    return differences(Alignment(langs, *texts, beads, ())).quantities
