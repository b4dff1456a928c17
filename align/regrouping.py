"""Stored relations → stored clusters, for the items whose clusters wait to be worked out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from align.clustering import cluster_items
from align.decisions import constraints, decisions
from align.naming import drop_emptied, rename_clusters
from align.records import Constraints, Relation
from align.store import Store
from align.thresholds import NAMES, Thresholds, judged, thresholds_of

BULK = 20_000
"""From so many touched items on, all relations are read at once: a scan is faster than so many questions."""


def stored_thresholds(store: Store) -> Thresholds:
    """The thresholds that this index clusters by."""
    return thresholds_of(store.settings(NAMES))


def regroup(store: Store, why: str, everything: bool = False) -> None:
    """Work out the clusters of all items that were touched, or of `everything`, and write what changed to the history.

    Called inside ``store.writing()``. The result is the same as clustering all items at once, because
    clusters depend on each connected part alone: that is all that is read, unless very many items were touched.
    """
    touched = store.touched()
    thresholds, held = stored_thresholds(store), constraints(decisions(store))
    drop_emptied(store, why)
    if everything or len(touched) > BULK:
        reach = [row[0] for row in store.execute("SELECT id FROM item WHERE related = 1")]
        relations: Iterable[Relation] = store.edges()
    else:
        reach, relations = _connected(store, touched, thresholds, held)
    relations = judged(relations, store.published(reach), thresholds)
    rename_clusters(store, cluster_items(reach, relations, thresholds, held), why)
    store.execute("DELETE FROM touched")


def _connected(
    store: Store, touched: set[str], thresholds: Thresholds, held: Constraints
) -> tuple[list[str], list[Relation]]:
    """The items that joining relations, decisions or a common cluster connect to touched ones, and all their relations."""
    together: dict[str, set[str]] = defaultdict(set)
    for group in held.together:
        for item_id in group:
            together[item_id].update(group)
    reach: set[str] = set()
    clusters: set[str | None] = {None}
    relations: dict[tuple[str, str], Relation] = {}
    # What a touched item is only related to may be contested by it.
    near = touched | store.partners(touched)
    while near:
        found = store.held(sorted(near - reach))
        reach |= found.keys()
        near = {mate for item_id in found.keys() & together.keys() for mate in together[item_id]}
        fresh = set(found.values()) - clusters
        clusters |= fresh
        near.update(item_id for _, item_id in store.members(sorted(filter(None, fresh))))
        for edge in store.edges_of(*sorted(found)):
            relations[edge.a, edge.b] = edge
            if edge.kind.joins or edge.score >= thresholds.joins:
                near.update((edge.a, edge.b))
        near -= reach
    return sorted(reach), list(relations.values())
