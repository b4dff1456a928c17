"""Relations → clusters: constrained average-link agglomeration over verified edges.

Connected components would chain: one item that resembles two stories would make them one. Here
two groups merge only while the mean score over *all* pairs across them, a missing relation counting
as 0, is at least `LINK`: a bridge item cannot join two stories whose other members do not know each
other (average-link agglomeration, Sokal & Michener 1958). Exact copies count as one item, so that
300 copies of one text do not outvote the rest; and an excerpt counts as part of the item that
holds it best, because two excerpts from the ends of one article have nothing in common.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Sequence

from align.records import Kind, Relation

LINK = 0.5
"""Least mean score across two groups that merge them, inclusive."""


def cluster_items(item_ids: Sequence[str], relations: Iterable[Relation], link: float = LINK) -> list[tuple[str, ...]]:
    """Groups of `item_ids` that tell one story, single items included.

    Only relations whose kind joins count. The result does not depend on the order of the items or
    relations: ties are broken by id. Groups are sorted inside and among one another. Time is
    O(e log e) in the number e of relations.
    """
    joining = [found for found in relations if found.kind.joins]
    leader = _attach_excerpts(_exact_groups(item_ids, joining), joining)
    members: dict[str, list[str]] = defaultdict(list)
    for item_id in sorted(item_ids):
        members[leader[item_id]].append(item_id)
    # totals[g][h]: sum of the scores between groups g and h, over the copies' best relation.
    totals: dict[str, dict[str, float]] = defaultdict(dict)
    for found in joining:
        left, right = leader[found.a], leader[found.b]
        if left != right:
            best = max(found.score, totals[left].get(right, 0.0))
            totals[left][right] = totals[right][left] = best
    size = dict.fromkeys(members, 1)
    queue = [(-score, left, right) for left in totals for right, score in totals[left].items() if left < right]
    heapq.heapify(queue)
    while queue:
        negative, left, right = heapq.heappop(queue)
        if left not in size or right not in size:
            continue
        mean = totals[left][right] / (size[left] * size[right])
        if mean != -negative:
            continue  # an outdated entry: one side has grown since
        if mean < link:
            break
        keep, gone = (left, right)
        size[keep] += size.pop(gone)
        members[keep] += members.pop(gone)
        for other, total in totals.pop(gone).items():
            totals[other].pop(gone, None)
            if other != keep:
                totals[keep][other] = totals[other][keep] = totals[keep].get(other, 0.0) + total
        for other, total in totals[keep].items():
            pair = (keep, other) if keep < other else (other, keep)
            heapq.heappush(queue, (-total / (size[keep] * size[other]), *pair))
    return sorted(tuple(sorted(group)) for group in members.values())


def _exact_groups(item_ids: Sequence[str], relations: Iterable[Relation]) -> dict[str, str]:
    """item → the least id among its exact copies. Equality is transitive, so components are right here."""
    leader = {item_id: item_id for item_id in item_ids}

    def find(item_id: str) -> str:
        while leader[item_id] != item_id:
            leader[item_id] = item_id = leader[leader[item_id]]
        return item_id

    for found in relations:
        if found.kind is Kind.EXACT:
            left, right = sorted((find(found.a), find(found.b)))
            leader[right] = left
    return {item_id: find(item_id) for item_id in item_ids}


def _attach_excerpts(leader: dict[str, str], relations: Iterable[Relation]) -> dict[str, str]:
    """`leader`, with each excerpt led by the leader of its best container, which is no excerpt of it in turn."""
    best: dict[str, tuple[float, str]] = {}
    for found in relations:
        if found.kind is Kind.EXCERPT:
            part = str(found.evidence["contained"])
            whole = found.other(part)
            if leader[part] != leader[whole]:
                candidate = (-found.score, leader[whole])
                best[leader[part]] = min(best.get(leader[part], candidate), candidate)

    def follow(item_id: str) -> str:
        passed = {item_id}
        while item_id in best and best[item_id][1] not in passed:
            item_id = best[item_id][1]
            passed.add(item_id)
        # Copies that hold one another's text form a ring: its least id leads.
        return min(passed & best.keys()) if item_id in best else item_id

    return {item_id: follow(found) for item_id, found in leader.items()}
