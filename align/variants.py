"""Clusters → variants: what each member of a story is to the item that was asked about."""

from __future__ import annotations

from collections.abc import Sequence

from align.records import Item, Kind, Relation, Variant
from align.store import Store


def variants_of(store: Store, item_id: str, mates: Sequence[Item], direct: dict[str, Relation]) -> list[Variant]:
    """An item's variants among `mates`, best first. `direct` holds its own relations by the other item's id."""
    found = []
    paths: dict[str, tuple[float, tuple[str, ...]]] | None = None
    for mate in mates:
        relation = direct.get(mate.id)
        if relation is not None and relation.kind.joins:
            found.append(Variant(mate, relation.kind, relation.score, relation.evidence))
            continue
        if paths is None:
            paths = _strongest_paths(store, item_id, mates, direct)
        score, through = paths.get(mate.id, (0.0, ()))
        found.append(Variant(mate, Kind.SAME_STORY, score, {"rule": "cluster", "through": list(through)}))
    return sorted(found, key=lambda variant: (-variant.score, variant.item.id))


def _strongest_paths(
    store: Store, item_id: str, mates: Sequence[Item], direct: dict[str, Relation]
) -> dict[str, tuple[float, tuple[str, ...]]]:
    """item → (weakest score, items between) of the path from `item_id` whose weakest relation is strongest."""
    inside = {mate.id for mate in mates}
    best: dict[str, tuple[float, tuple[str, ...]]] = {}
    open_paths: list[tuple[float, str, tuple[str, ...]]] = [
        (relation.score, other, ()) for other, relation in direct.items() if relation.kind.joins and other in inside
    ]
    while open_paths:
        open_paths.sort(key=lambda path: (-path[0], path[1]))
        score, here, through = open_paths.pop(0)
        if here in best:
            continue
        best[here] = (score, through)
        for relation in store.relations_of(here):
            other = relation.other(here)
            if relation.kind.joins and other in inside and other not in best and other != item_id:
                open_paths.append((min(score, relation.score), other, (*through, here)))
    return best
