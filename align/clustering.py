"""Relations → clusters: constrained average-link agglomeration over verified edges.

Connected components would chain: one item that resembles two stories would make them one. Here
two groups merge only while some relation joins them and the mean score over *all* pairs across
them, a missing relation counting as 0, is at least `link`: a bridge item cannot join two stories
whose other members do not know each other (average-link agglomeration, Sokal & Michener 1958). A weak
relation is set aside where it is contested: an item that resembles two stories about equally tells
neither. Copies count as one item, so that 300
copies of one text do not outvote the rest; and an excerpt counts as part of the item that
holds it best, because two excerpts from the ends of one article have nothing in common.

Editors' decisions are hard constraints (Wagstaff & al. 2001, COP-KMEANS: must-link and cannot-link):
what must be together is one item from the start, and no two groups merge that hold a pair which must
be apart.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Sequence

from align.records import Constraints, Kind, Relation
from align.thresholds import Thresholds

COPIES = (Kind.EXACT, Kind.NEAR)
"""Kinds that make two items one text."""


def cluster_items(
    item_ids: Sequence[str],
    relations: Iterable[Relation],
    thresholds: Thresholds = Thresholds(),  # noqa: B008 - frozen
    constraints: Constraints = Constraints(),  # noqa: B008 - frozen
) -> list[tuple[str, ...]]:
    """Groups of `item_ids` that tell one story, single items included.

    Only a relation whose kind joins brings groups together; the scores of related items count in the
    mean, and related items that are not in `item_ids` contest. Relations count as they are: decay them
    before (``thresholds.judged``). `constraints` come before any relation; items of theirs that are
    not in `item_ids` are passed over. The result does not depend on the order of anything:
    ties are broken by id. It depends on each connected part alone (connected by joining relations and
    `together`), so parts can be clustered one at a time. Groups are sorted inside and among one another. Time is
    O(e log e) in the number e of relations, but for items with very many of them.
    """
    relations = list(relations)
    known = set(item_ids)
    joining = _uncontested(relations, thresholds)
    units = _Units(known, constraints)
    units.merge_copies(joining)
    units.merge_excerpts(joining)
    related = (found for found in relations if not found.kind.joins and found.a in known and found.b in known)
    groups = _Groups(units, [*joining, *related])
    groups.agglomerate(thresholds.link)
    return sorted(tuple(sorted(group)) for group in groups.members.values())


def _uncontested(relations: list[Relation], thresholds: Thresholds) -> list[Relation]:
    """The joining relations, without a weak one whose item resembles an item of another story about as much.

    Two items are of another story, here, where no joining relation links them. Only weak relations
    contest one another: what a sure one says of the rest is left to the average.
    """

    def is_weak(found: Relation) -> bool:
        return found.score < thresholds.sure and found.kind not in COPIES and found.kind is not Kind.EXCERPT

    weak: dict[str, list[tuple[float, str]]] = defaultdict(list)
    for found in filter(is_weak, relations):
        weak[found.a].append((found.score, found.b))
        weak[found.b].append((found.score, found.a))
    joined = {(found.a, found.b) for found in relations if found.kind.joins} if weak else set()

    def contested(found: Relation) -> bool:
        return is_weak(found) and any(
            rival != other
            and score > found.score - thresholds.margin
            and (rival, other) not in joined
            and (other, rival) not in joined
            for item_id in (found.a, found.b)
            for other in (found.other(item_id),)
            for score, rival in weak[item_id]
        )

    return [found for found in relations if found.kind.joins and not contested(found)]


class _Units:
    """What counts as one item: what must be together, copies, and excerpts with what holds them.

    A unit goes by the least id in it. `enemies` are the units that it must not come together with.
    """

    def __init__(self, item_ids: set[str], constraints: Constraints) -> None:
        self.leader = {item_id: item_id for item_id in item_ids}
        self.enemies: dict[str, set[str]] = defaultdict(set)
        for group in constraints.together:
            inside = sorted(item_ids.intersection(group))
            for item_id in inside[1:]:
                self.merge(inside[0], item_id)
        for left, right in constraints.apart:
            if left in item_ids and right in item_ids and self.find(left) != self.find(right):
                self.enemies[self.find(left)].add(self.find(right))
                self.enemies[self.find(right)].add(self.find(left))

    def find(self, item_id: str) -> str:
        leader = self.leader
        while leader[item_id] != item_id:
            leader[item_id] = item_id = leader[leader[item_id]]
        return item_id

    def merge(self, left: str, right: str) -> None:
        """Make the units of two items one, unless they must be apart."""
        keep, gone = sorted((self.find(left), self.find(right)))
        if keep != gone and gone not in self.enemies.get(keep, ()):
            self.leader[gone] = keep
            merge_enemies(self.enemies, keep, gone)

    def merge_copies(self, joining: Iterable[Relation]) -> None:
        """Copies, edited ones included: who printed whose text is no matter of degree."""
        copies = [found for found in joining if found.kind in COPIES]
        if self.enemies:  # else the order is the same to the result
            copies.sort(key=_strongest_first)
        for found in copies:
            self.merge(found.a, found.b)

    def merge_excerpts(self, joining: Iterable[Relation]) -> None:
        """Each excerpt with its best container."""
        best: dict[str, tuple[float, str]] = {}
        for found in joining:
            if found.kind is Kind.EXCERPT:
                part = str(found.evidence["contained"])
                candidate = (-found.score, self.find(found.other(part)))
                part = self.find(part)
                if part != candidate[1] and candidate[1] not in self.enemies.get(part, ()):
                    best[part] = min(best.get(part, candidate), candidate)
        for _, part, whole in sorted((score, part, whole) for part, (score, whole) in best.items()):
            self.merge(part, whole)


def merge_enemies(enemies: dict[str, set[str]], keep: str, gone: str) -> None:
    """`keep` takes over the enemies of `gone`, which is no more."""
    for other in enemies.pop(gone, set()):
        enemies[other].discard(gone)
        enemies[other].add(keep)
        enemies[keep].add(other)


def _strongest_first(found: Relation) -> tuple[float, str, str]:
    return -found.score, found.a, found.b


class _Groups:
    """Groups of units, the sums of the scores between them, and which of them a joining relation links."""

    def __init__(self, units: _Units, relations: Iterable[Relation]) -> None:
        self.members: dict[str, list[str]] = defaultdict(list)
        for item_id in sorted(units.leader):
            self.members[units.find(item_id)].append(item_id)
        self.size = dict.fromkeys(self.members, 1)
        self.enemies = units.enemies
        # totals[g][h]: sum of the scores between groups g and h, at first the best relation of two units
        self.totals: dict[str, dict[str, float]] = defaultdict(dict)
        self.linked: dict[str, set[str]] = defaultdict(set)
        for found in relations:
            left, right = units.find(found.a), units.find(found.b)
            if left != right:
                if found.score >= self.totals[left].get(right, 0.0):
                    self.totals[left][right] = self.totals[right][left] = found.score
                if found.kind.joins:
                    self.linked[left].add(right)
                    self.linked[right].add(left)

    def agglomerate(self, link: float) -> None:
        """Merge the two groups with the highest mean score, as long as it is at least `link`."""
        queue = [
            (-self.totals[left][right], left, right)
            for left, others in self.linked.items()
            for right in others
            if left < right and self.totals[left][right] >= link
        ]
        heapq.heapify(queue)
        while queue:
            negative, left, right = heapq.heappop(queue)
            # An entry is outdated where one side is no more or has grown since.
            if left not in self.size or right not in self.size or self._mean(left, right) != -negative:
                continue
            if right in self.enemies.get(left, ()):
                continue
            self._merge(left, right)
            for other in self.linked[left]:
                if (mean := self._mean(left, other)) >= link:
                    heapq.heappush(queue, (-mean, min(left, other), max(left, other)))

    def _mean(self, left: str, right: str) -> float:
        return self.totals[left][right] / (self.size[left] * self.size[right])

    def _merge(self, keep: str, gone: str) -> None:
        self.size[keep] += self.size.pop(gone)
        self.members[keep] += self.members.pop(gone)
        merge_enemies(self.enemies, keep, gone)
        for other, total in self.totals.pop(gone).items():
            del self.totals[other][gone]
            if other != keep:
                self.totals[keep][other] = self.totals[other][keep] = self.totals[keep].get(other, 0.0) + total
        for other in self.linked.pop(gone):
            self.linked[other].discard(gone)
            if other != keep:
                self.linked[keep].add(other)
                self.linked[other].add(keep)
