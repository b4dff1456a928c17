"""Groups of items → clusters with ids that last."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence

from align.ingesting import digest_of
from align.records import Cluster
from align.store import Store


def name_clusters(store: Store, groups: Sequence[tuple[str, ...]]) -> list[Cluster]:
    """Clusters with ids: a group keeps the id that most of its items had, the rest get one from their first item."""
    claims: list[tuple[int, str, int]] = []
    for number, group in enumerate(groups):
        held = Counter(filter(None, map(store.cluster_of, group)))
        claims += [(-count, cluster, number) for cluster, count in held.items()]
    names: dict[int, str] = {}
    used: set[str] = set()
    for _, cluster, number in sorted(claims):
        if number not in names and cluster not in used:
            names[number] = cluster
            used.add(cluster)
    named = []
    for number, group in enumerate(groups):
        if number not in names:
            for attempt in itertools.count():
                name = "c" + digest_of("cluster", group[0], attempt)[:12]
                if name not in used and not any(item.id not in group for item in store.cluster_items(name)):
                    break
            names[number] = name
            used.add(name)
        named.append(Cluster(names[number], group))
    return named
