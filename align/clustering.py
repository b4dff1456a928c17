"""Relations → clusters: constrained average-link agglomeration over verified edges.

Connected components would chain: one item that resembles two stories would make them one. Here
two groups merge only while some relation joins them and the mean score over *all* pairs across
them, a missing relation counting as 0, is at least `LINK`: a bridge item cannot join two stories
whose other members do not know each other (average-link agglomeration, Sokal & Michener 1958). A weak
relation is set aside where it is contested: an item that resembles two stories about equally tells
neither. Copies count as one item, so that 300
copies of one text do not outvote the rest; and an excerpt counts as part of the item that
holds it best, because two excerpts from the ends of one article have nothing in common.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Sequence

from align.records import Kind, Relation

LINK = 0.35
"""Least mean score across two groups that merge them, inclusive."""
SURE = 0.8
"""A relation with this score, or above, is not contested."""
COPIES = (Kind.EXACT, Kind.NEAR)
"""Kinds that make two items one text."""
MARGIN = 0.15
"""How much a weaker relation must exceed its item's relation to another story."""


def cluster_items(item_ids: Sequence[str], relations: Iterable[Relation], link: float = LINK) -> list[tuple[str, ...]]:
    """Groups of `item_ids` that tell one story, single items included.

    Only a relation whose kind joins brings groups together; the scores of related items count in the
    mean, and related items that are not in `item_ids` contest. The result does not depend on the order of the items or relations: ties are broken by id.
    Groups are sorted inside and among one another. Time is O(e log e) in the number e of relations,
    but for items with very many of them.
    """
    relations = list(relations)
    known = set(item_ids)
    joining = [found for found in _uncontested(relations) if found.a in known and found.b in known]
    related = [found for found in relations if not found.kind.joins and found.a in known and found.b in known]
    leader = _attach_excerpts(_copy_groups(item_ids, joining), joining)
    members: dict[str, list[str]] = defaultdict(list)
    for item_id in sorted(item_ids):
        members[leader[item_id]].append(item_id)
    # totals[g][h]: sum of the scores between groups g and h, over the copies' best relation.
    totals: dict[str, dict[str, float]] = defaultdict(dict)
    linked: dict[str, set[str]] = defaultdict(set)
    for found in [*joining, *related]:
        left, right = leader[found.a], leader[found.b]
        if left != right:
            best = max(found.score, totals[left].get(right, 0.0))
            totals[left][right] = totals[right][left] = best
            if found.kind.joins:
                linked[left].add(right)
                linked[right].add(left)
    size = dict.fromkeys(members, 1)
    queue = [
        (-score, left, right)
        for left in totals
        for right, score in totals[left].items()
        if left < right and right in linked[left]
    ]
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
        for other in linked.pop(gone, set()):
            linked[other].discard(gone)
            if other != keep:
                linked[keep].add(other)
                linked[other].add(keep)
        for other in linked[keep]:
            total = totals[keep][other]
            pair = (keep, other) if keep < other else (other, keep)
            heapq.heappush(queue, (-total / (size[keep] * size[other]), *pair))
    return sorted(tuple(sorted(group)) for group in members.values())


def _uncontested(relations: list[Relation]) -> list[Relation]:
    """The joining relations, without a weak one whose item resembles an item of another story about as much.

    Two items are of another story, here, where no joining relation links them. Only weak relations
    contest one another: what a sure one says of the rest is left to the average.
    """
    weak: dict[str, list[tuple[float, str]]] = defaultdict(list)
    joined = {frozenset((found.a, found.b)) for found in relations if found.kind.joins}
    for found in relations:
        if _is_weak(found):
            weak[found.a].append((found.score, found.b))
            weak[found.b].append((found.score, found.a))

    def contested(found: Relation) -> bool:
        return _is_weak(found) and any(
            rival != other and score > found.score - MARGIN and frozenset((rival, other)) not in joined
            for item_id in (found.a, found.b)
            for other in (found.other(item_id),)
            for score, rival in weak[item_id]
        )

    return [found for found in relations if found.kind.joins and not contested(found)]


def _is_weak(found: Relation) -> bool:
    return found.score < SURE and found.kind not in COPIES and found.kind is not Kind.EXCERPT


def _copy_groups(item_ids: Sequence[str], relations: Iterable[Relation]) -> dict[str, str]:
    """item → the least id among its copies, edited ones included: who printed whose text is no matter of degree."""
    leader = {item_id: item_id for item_id in item_ids}

    def find(item_id: str) -> str:
        while leader[item_id] != item_id:
            leader[item_id] = item_id = leader[leader[item_id]]
        return item_id

    for found in relations:
        if found.kind in COPIES:
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
