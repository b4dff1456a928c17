"""Relations → clusters: constrained average-link agglomeration over verified edges.

Connected components would chain: one item that resembles two stories would make them one. Here
two groups merge only while some relation joins them and the mean score over *all* pairs across
them, a missing relation counting as 0, is at least `link`: a bridge item cannot join two stories
whose other members do not know each other (average-link agglomeration, Sokal & Michener 1958). Nor do two
groups merge whose relations all hang on a single item of a group of several: it is a bridge, a cut
vertex of the graph of relations, and the others were compared and found to be nothing to that story. A weak
relation is set aside where it is contested: an item that resembles two stories about equally tells
neither. Copies count as one item, so that 300
copies of one text do not outvote the rest; and an excerpt counts as part of the item that
holds it best, because two excerpts from the ends of one article have nothing in common. A round-up of
several stories is a bridge, too: where a part has company that its container does not know, it is
weighed like any other item.

Editors' decisions are hard constraints (must-link and cannot-link of Wagstaff & al. 2001, "Constrained
K-means Clustering with Background Knowledge"): no two groups merge that hold a pair which must be
apart, and groups that hold a pair which must be together end as one, though they do not weigh in
one another's means: who says that two items tell one story says so of their stories.
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
    joining = [found for found in _uncontested(relations, thresholds) if found.a in known and found.b in known]
    bonds = _Bonds(known, constraints)
    units = _Units(known, bonds)
    units.merge_copies(joining)
    units.merge_excerpts(joining)
    related = (found for found in relations if not found.kind.joins and found.a in known and found.b in known)
    _Groups(units, bonds, [*joining, *related]).agglomerate(thresholds.link)
    members: dict[str, list[str]] = defaultdict(list)
    for item_id in sorted(known):
        members[bonds.find(item_id)].append(item_id)
    return sorted(map(tuple, members.values()))


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


class _Partition:
    """Disjoint sets of ids, each of which goes by its least id."""

    def __init__(self, ids: set[str]) -> None:
        self.leader = {one: one for one in ids}

    def find(self, one: str) -> str:
        """What the set of `one` goes by."""
        leader = self.leader
        while leader[one] != one:
            leader[one] = one = leader[leader[one]]
        return one

    def merge(self, left: str, right: str) -> tuple[str, str]:
        """Make two sets one; returns what it goes by, and what one of them went by before."""
        keep, gone = sorted((self.find(left), self.find(right)))
        self.leader[gone] = keep
        return keep, gone


class _Bonds(_Partition):
    """Who is bound to be in one cluster: by decision at first, then by all that is merged.

    `enemies` are, for each set, the sets that it must not come together with.
    """

    def __init__(self, item_ids: set[str], constraints: Constraints) -> None:
        super().__init__(item_ids)
        self.enemies: dict[str, set[str]] = defaultdict(set)
        for group in constraints.together:
            inside = sorted(item_ids.intersection(group))
            for item_id in inside[1:]:
                super().merge(inside[0], item_id)
        for pair in constraints.apart:
            if item_ids.issuperset(pair):
                left, right = map(self.find, pair)
                if left != right:
                    self.enemies[left].add(right)
                    self.enemies[right].add(left)

    def permit(self, left: str, right: str) -> bool:
        """Whether two items may be in one cluster."""
        return not self.enemies or self.find(right) not in self.enemies.get(self.find(left), ())

    def merge(self, left: str, right: str) -> tuple[str, str]:
        keep, gone = super().merge(left, right)
        if keep != gone:
            for other in self.enemies.pop(gone, set()):
                self.enemies[other].discard(gone)
                self.enemies[other].add(keep)
                self.enemies[keep].add(other)
        return keep, gone


class _Units(_Partition):
    """What counts as one item: copies, and excerpts with what holds them."""

    def __init__(self, item_ids: set[str], bonds: _Bonds) -> None:
        super().__init__(item_ids)
        self.bonds = bonds

    def _merge_permitted(self, left: str, right: str) -> None:
        if self.find(left) != self.find(right) and self.bonds.permit(left, right):
            self.merge(left, right)
            self.bonds.merge(left, right)

    def merge_copies(self, joining: Iterable[Relation]) -> None:
        """Copies, edited ones included: who printed whose text is no matter of degree."""
        copies = [found for found in joining if found.kind in COPIES]
        if self.bonds.enemies:  # else the order is the same to the result
            copies.sort(key=_strongest_first)
        for found in copies:
            self._merge_permitted(found.a, found.b)

    def merge_excerpts(self, joining: Iterable[Relation]) -> None:
        """Each excerpt with its best container."""
        excerpts = [found for found in joining if found.kind is Kind.EXCERPT]
        alike: dict[str, dict[str, float]] = {name: {} for found in excerpts for name in (found.a, found.b)}
        for found in joining if excerpts else ():
            for here, other in ((found.a, found.b), (found.b, found.a)):
                if here in alike:
                    alike[here][other] = found.score
        best: dict[str, tuple[float, str]] = {}
        for found in excerpts:
            part = str(found.evidence["contained"])
            whole = found.other(part)
            if not self._has_company(part, whole, alike):
                candidate = (-found.score, self.find(whole))
                part = self.find(part)
                if part != candidate[1] and self.bonds.permit(part, candidate[1]):
                    best[part] = min(best.get(part, candidate), candidate)
        for _, part, whole in sorted((score, part, whole) for part, (score, whole) in best.items()):
            self._merge_permitted(part, whole)

    def _has_company(self, part: str, whole: str, alike: dict[str, dict[str, float]]) -> bool:
        """Whether some other text is twice as much like the part as like the whole, or more."""
        return any(
            2 * alike[whole].get(other, 0.0) <= score and self.find(other) not in (self.find(part), self.find(whole))
            for other, score in alike[part].items()
        )


def _strongest_first(found: Relation) -> tuple[float, str, str]:
    return -found.score, found.a, found.b


class _Groups:
    """Groups of units, the sums of the scores between them, and which of them a joining relation links.

    `touching[g][h]` are the units of group g that have a relation, of whatever kind, with one of group h.
    """

    def __init__(self, units: _Units, bonds: _Bonds, relations: Iterable[Relation]) -> None:
        self.bonds = bonds
        self.size = {item_id: 1 for item_id in units.leader if units.find(item_id) == item_id}
        # totals[g][h]: sum of the scores between groups g and h, at first the best relation of two units
        self.totals: dict[str, dict[str, float]] = defaultdict(dict)
        self.linked: dict[str, set[str]] = defaultdict(set)
        self.touching: dict[str, dict[str, set[str]]] = defaultdict(dict)
        for found in relations:
            left, right = units.find(found.a), units.find(found.b)
            if left != right:
                self.touching[left][right], self.touching[right][left] = {left}, {right}
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
            if not self.bonds.permit(left, right) or self._is_bridged(left, right):
                continue
            self.bonds.merge(left, right)
            self._merge(left, right)
            for other in self.linked[left]:
                if (mean := self._mean(left, other)) >= link:
                    heapq.heappush(queue, (-mean, min(left, other), max(left, other)))

    def _mean(self, left: str, right: str) -> float:
        return self.totals[left][right] / (self.size[left] * self.size[right])

    def _is_bridged(self, left: str, right: str) -> bool:
        """Whether all that speaks for two groups hangs on one unit of a group of several."""
        return any(
            self.size[one] > 1 and len(self.touching[one][other]) < 2 for one, other in ((left, right), (right, left))
        )

    def _merge(self, keep: str, gone: str) -> None:
        self.size[keep] += self.size.pop(gone)
        for other, total in self.totals.pop(gone).items():
            del self.totals[other][gone]
            if other != keep:
                self.totals[keep][other] = self.totals[other][keep] = self.totals[keep].get(other, 0.0) + total
        for other, units in self.touching.pop(gone).items():
            theirs = self.touching[other].pop(gone)
            if other != keep:
                self.touching[keep][other] = self.touching[keep].get(other, set()) | units
                self.touching[other][keep] = self.touching[other].get(keep, set()) | theirs
        for other in self.linked.pop(gone):
            self.linked[other].discard(gone)
            if other != keep:
                self.linked[keep].add(other)
                self.linked[other].add(keep)
