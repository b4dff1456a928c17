"""Groups of items → clusters with ids that last, and the history of what became of them.

A new cluster's id is made from the least item id in it, so the same input read in one go gives the
same ids. From then on the id is kept: of the parts that a cluster falls into the largest keeps it;
where several clusters come together, the oldest id stays and the others redirect to it. A part that
splits off takes back the id that it had before it was merged, if it had one.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from align.digests import digest_of
from align.errors import NotFoundError
from align.history import record_change, record_membership
from align.store import Store


def resolve_cluster(store: Store, cluster: str) -> str:
    """The id that `cluster` goes by today: its own, or the one that it redirects to. Raises NotFoundError."""
    passed = cluster
    while row := store.execute("SELECT redirect FROM cluster WHERE id = ?", (passed,)).fetchone():
        if row[0] is None:
            return passed
        passed = row[0]
    raise NotFoundError(f"no cluster {cluster!r} in {store.path.parent}; `samestory clusters` lists them")


def rename_clusters(store: Store, groups: Sequence[tuple[str, ...]], why: str) -> None:
    """Put `groups`, which hold every item of any cluster that they touch, under their ids, and write the history.

    Called inside ``store.writing()``; `why` is what the history says of it.
    """
    before = store.clusters_of([item_id for group in groups for item_id in group])
    sizes = Counter(cluster for cluster, _ in store.members(sorted(set(before.values()))))
    changed = [group for group in groups if not _is_as_before(group, before, sizes)]
    if changed:
        _write(store, _named(store, changed, before), before, why)


def drop_emptied(store: Store, why: str) -> None:
    """End the clusters whose items were all deleted, and write the history of the deleted items."""
    gone = store.execute(
        """
        SELECT item, id FROM (
            SELECT item, cluster AS id, row_number() OVER (PARTITION BY item ORDER BY since DESC) AS latest
            FROM membership WHERE item IN (SELECT item FROM touched)
        ) AS held WHERE latest = 1 AND id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM item WHERE item.id = held.item)
        """
    ).fetchall()
    by_cluster: dict[str, list[str]] = defaultdict(list)
    for item_id, cluster in gone:
        by_cluster[cluster].append(item_id)
    for cluster, items in sorted(by_cluster.items()):
        what = (
            "shrank" if store.execute("SELECT 1 FROM item WHERE cluster = ? LIMIT 1", (cluster,)).fetchone() else "gone"
        )
        number = record_change(store, cluster, what, why, items)
        record_membership(store, ((item_id, None) for item_id in items), number)


@dataclass
class _Named:
    """A group with its id; `heirs` are the older clusters that live on in it, `new` whether the id is."""

    cluster: str
    items: tuple[str, ...]
    heirs: list[str] = field(default_factory=list)
    new: bool = False


def _is_as_before(group: tuple[str, ...], before: dict[str, str], sizes: Mapping[str, int]) -> bool:
    cluster = before.get(group[0])
    if cluster is None or any(before.get(item_id) != cluster for item_id in group):
        return False
    return sizes[cluster] == len(group)


def _named(store: Store, groups: Sequence[tuple[str, ...]], before: dict[str, str]) -> list[_Named]:
    parts: dict[str, Counter[int]] = defaultdict(Counter)
    for number, group in enumerate(groups):
        for item_id in group:
            if item_id in before:
                parts[before[item_id]][number] += 1
    heirs: dict[int, list[tuple[int, str]]] = defaultdict(list)
    for cluster, counts in parts.items():
        largest = max(counts.values())
        tied = [number for number, count in counts.items() if count == largest]
        heir = (
            tied[0]
            if len(tied) == 1
            else min(tied, key=lambda number: (_entered(store, cluster, groups[number]), groups[number]))
        )
        age = int(store.execute("SELECT number FROM cluster WHERE id = ?", (cluster,)).fetchone()[0])
        heirs[heir].append((age, cluster))
    named = []
    used = {cluster for found in heirs.values() for _, cluster in found}
    for number, group in enumerate(groups):
        ages = sorted(heirs.get(number, ()))
        cluster = ages[0][1] if ages else _fresh_id(store, group, used)
        used.add(cluster)
        named.append(_Named(cluster, group, [old for _, old in ages[1:]], not ages))
    return named


def _entered(store: Store, cluster: str, group: tuple[str, ...]) -> int:
    """When the first item of `group` came into `cluster`, as a change's number."""
    return min(
        (
            row[0]
            for item_id in group
            for row in store.execute(
                "SELECT since FROM membership WHERE item = ? AND cluster = ? ORDER BY since DESC LIMIT 1",
                (item_id, cluster),
            )
        ),
        default=0,
    )


def _fresh_id(store: Store, group: tuple[str, ...], used: set[str]) -> str:
    """The id that most of the group's items had before it was merged or emptied; else one made from the least item id."""
    earlier: Counter[str] = Counter()
    for item_id in group:
        for (cluster,) in store.execute("SELECT DISTINCT cluster FROM membership WHERE item = ?", (item_id,)):
            if cluster is not None and cluster not in used and _is_free(store, cluster):
                earlier[cluster] += 1
    if earlier:
        return min(earlier, key=lambda cluster: (-earlier[cluster], cluster))
    for attempt in itertools.count():
        cluster = "c" + digest_of("cluster", group[0], attempt)[:12]
        if cluster not in used and not store.execute("SELECT 1 FROM cluster WHERE id = ?", (cluster,)).fetchone():
            return cluster
    raise AssertionError("itertools.count() ends nowhere")


def _is_free(store: Store, cluster: str) -> bool:
    return store.execute("SELECT 1 FROM item WHERE cluster = ? LIMIT 1", (cluster,)).fetchone() is None


def _write(store: Store, named: Sequence[_Named], before: dict[str, str], why: str) -> None:
    number = 0
    moves: list[tuple[str, str | None]] = []
    left: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for found in named:
        for item_id in found.items:
            old = before.get(item_id)
            if old is not None and old != found.cluster and old not in found.heirs:
                left[old][found.cluster].append(item_id)
    for found in sorted(named, key=lambda entry: entry.cluster):
        came = [item_id for item_id in found.items if before.get(item_id) != found.cluster]
        moves += [(item_id, found.cluster) for item_id in came]
        store.put_cluster(found.cluster, came)
        if found.new:
            store.execute(
                "INSERT INTO cluster (id) VALUES (?) ON CONFLICT (id) DO UPDATE SET redirect = NULL", (found.cluster,)
            )
            number = record_change(store, found.cluster, "created", why, came)
            continue
        merged = [item_id for item_id in came if before.get(item_id) in found.heirs]
        if found.heirs:
            store.executemany(
                "UPDATE cluster SET redirect = ? WHERE id = ?", ((found.cluster, old) for old in found.heirs)
            )
            number = record_change(store, found.cluster, "merged", why, merged, found.heirs)
        if grown := [item_id for item_id in came if item_id not in set(merged)]:
            number = record_change(store, found.cluster, "grew", why, grown)
    born = {found.cluster for found in named if found.new}
    for old, parts in sorted(left.items()):
        if off := {cluster: items for cluster, items in parts.items() if cluster in born}:
            number = record_change(store, old, "split", why, (item for items in off.values() for item in items), off)
        if moved := {cluster: items for cluster, items in parts.items() if cluster not in born}:
            number = record_change(
                store, old, "shrank", why, (item for items in moved.values() for item in items), moved
            )
    record_membership(store, moves, number)
