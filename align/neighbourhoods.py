"""Neighbours → pairs worth comparing, the same whatever the order of arrival.

Two items are compared when either is among the other's `NEAREST` in its language, at a cosine of at
least `FLOOR`, or when they share a key that copies and excerpts share. The first is a statement about the
items that are there, not about when they came: each item remembers the similarities of its nearest, a
newcomer that is nearer pushes the last one out, and a pair that is in neither list any more is dropped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from align.index import SLOTS
from align.records import Vectors

NEAREST = 16
"""How many neighbours in each language an item is compared with."""
FLOOR = 0.25
"""Least cosine of the story views of two items that makes them worth comparing, inclusive."""
SLACK = 1e-5
"""Two computations of one cosine may differ by this much."""
COMMON_KEY = 400
"""A key that more items share is boilerplate, and proposes nothing."""
TAIL = 100_000
"""So many keys are added to a small array before they come into the large one."""


Keys = NDArray[np.uint64]
Numbers = NDArray[np.int64]
Pairs = NDArray[np.int64]
"""(n, 2) item numbers, the smaller first."""


def pairs_of(ones: Numbers, others: Numbers) -> Pairs:
    """The pairs of items (n,) and (n,)."""
    return np.stack([np.minimum(ones, others), np.maximum(ones, others)], axis=1)


@dataclass(frozen=True, eq=False)
class Pushes:
    """Who came into which neighbourhoods in a `run`: the items (n,) that these are of, the `slots` (n,) of the newcomers, and the `similarities` (n,) of the two."""

    run: int
    numbers: Numbers
    slots: NDArray[np.int8]
    similarities: Vectors


class Neighbourhoods:
    """For each item number the similarities of its nearest in every slot: rows of shape (slots, NEAREST), -1.0 where there are fewer."""

    def __init__(self) -> None:
        self._places = np.full(256, -1, dtype=np.int64)  # by item number
        self._rows: Vectors = np.empty((0, len(SLOTS), NEAREST), dtype=np.float32)
        self._reach: Vectors = np.empty((0, len(SLOTS)), dtype=np.float32)
        self._runs: Numbers = np.empty(0, dtype=np.int64)
        self._used = 0

    def __contains__(self, number: int) -> bool:
        return bool(self.contains(np.array([number]))[0])

    def contains(self, numbers: Numbers) -> NDArray[np.bool_]:
        """Which of `numbers` (n,) have a neighbourhood."""
        inside = numbers < len(self._places)
        return inside & (self._places[np.where(inside, numbers, 0)] >= 0)

    def put(self, numbers: Numbers, rows: Vectors, runs: int | Numbers) -> None:
        """Remember the `rows` (n, slots, NEAREST) of items (n,), as they were after these `runs`: one, or (n,)."""
        if len(numbers) and int(numbers.max()) >= len(self._places):
            self._places = np.append(self._places, np.full(int(numbers.max()) + len(self._places), -1, dtype=np.int64))
        fresh = numbers[self._places[numbers] < 0]
        needed = self._used + len(fresh)
        if needed > len(self._rows):
            grown = np.full((max(256, 2 * needed), len(SLOTS), NEAREST), -1.0, dtype=np.float32)
            grown[: self._used] = self._rows[: self._used]
            more = len(grown) - len(self._rows)
            self._reach = np.append(self._reach, np.empty((more, len(SLOTS)), np.float32), axis=0)
            self._runs = np.append(self._runs, np.empty(more, np.int64))
            self._rows = grown
        self._places[fresh] = np.arange(self._used, needed)
        self._used = needed
        places = self._places[numbers]
        self._runs[places] = runs
        self._rows[places] = rows
        self._reach[places] = np.maximum(rows.min(axis=2) - SLACK, FLOOR)

    def remove(self, numbers: Numbers) -> None:
        """Forget the neighbourhoods of items."""
        self._places[numbers[self.contains(numbers)]] = -1

    def rows(self, numbers: Numbers) -> Vectors:
        """(n, slots, NEAREST) of items (n,)."""
        return self._rows[self._places[numbers]]

    def reach(self, numbers: Numbers, slots: int | NDArray[np.int64]) -> Vectors:
        """The similarity (n,) that an item of a slot must have to be near each of `numbers`: inclusive, with slack; FLOOR where any does."""
        return np.asarray(self._reach[self._places[numbers], slots])

    def let_in(self, pushes: Pushes) -> None:
        """Let newcomers into the neighbourhoods that there are and that do not know them yet."""
        known = self.contains(pushes.numbers)
        known[known] = self._runs[self._places[pushes.numbers[known]]] < pushes.run
        for slot in np.unique(pushes.slots[known]).tolist():
            here = known & (pushes.slots == slot)
            self._push(pushes.numbers[here], slot, pushes.similarities[here])

    def _push(self, numbers: Numbers, slot: int, similarities: Vectors) -> None:
        """Let newcomers into the rows of `slot` of items (n,), at these `similarities` (n,); an item may be named for several."""
        known, at = np.unique(numbers, return_inverse=True)
        order = np.lexsort((-similarities, at))
        at = at[order]
        rank = np.arange(len(at)) - np.searchsorted(at, at)
        nearest = rank < NEAREST
        newcomers = np.full((len(known), NEAREST), -1.0, dtype=np.float32)
        newcomers[at[nearest], rank[nearest]] = similarities[order][nearest]
        rows = self.rows(known)
        together = np.sort(np.concatenate([rows[:, slot], newcomers], axis=1), axis=1)
        rows[:, slot] = together[:, ::-1][:, :NEAREST]
        self.put(known, rows, self._runs[self._places[known]])


@dataclass(frozen=True, eq=False)
class _Keyed:
    """Keys (n,), sorted, and the number of the item that holds each."""

    keys: Keys
    numbers: Numbers

    def holders(self, keys: Keys) -> tuple[Numbers, Numbers]:
        """How many items hold each of `keys` (m,), and these items, end to end."""
        first, last = np.searchsorted(self.keys, keys, "left"), np.searchsorted(self.keys, keys, "right")
        return last - first, self.numbers[_ranges(first, last)]

    def are_of(self, numbers: Sequence[int]) -> NDArray[np.bool_]:
        """Which of the keys (n,) these items hold."""
        chosen = np.zeros(max(int(self.numbers.max(initial=0)), *numbers) + 1, dtype=np.bool_)
        chosen[list(numbers)] = True
        return np.asarray(chosen[self.numbers])

    def merged(self, other: _Keyed) -> _Keyed:
        """These keys and another's, sorted again."""
        if not len(self.keys):
            return other
        places = np.searchsorted(self.keys, other.keys, "right")
        return _Keyed(np.insert(self.keys, places, other.keys), np.insert(self.numbers, places, other.numbers))


class SharedKeys:
    """Which item numbers share keys: sorted arrays, a large one and a small one of what came since."""

    def __init__(self) -> None:
        empty = np.empty(0, dtype=np.uint64), np.empty(0, dtype=np.int64)
        self._base, self._tail = _Keyed(*empty), _Keyed(*empty)
        self._bodies: dict[int, int] = {}

    def add(self, found: Mapping[int, Keys]) -> None:
        """Note the keys of items that are not noted. An item whose text has changed is removed first."""
        if not found:
            return
        numbers = np.repeat(np.array(list(found), dtype=np.int64), [len(own) for own in found.values()])
        keys = np.concatenate(list(found.values()))
        order = np.argsort(keys)
        self._tail = self._tail.merged(_Keyed(keys[order], numbers[order]))
        bodies = np.array([own[0] for own in found.values()], dtype=np.uint64)
        self._bodies.update(zip(found, bodies.tolist(), strict=True))
        if len(self._tail.keys) > TAIL:
            self._base = self._base.merged(self._tail)
            self._tail = _Keyed(self._tail.keys[:0], self._tail.numbers[:0])

    def remove(self, numbers: Sequence[int]) -> set[int]:
        """Forget items; returns the others that shared a key with them."""
        return self._exchange(dict.fromkeys(numbers, np.empty(0, dtype=np.uint64)))

    def replace(self, found: Mapping[int, Keys]) -> set[int]:
        """Note other keys of items that are noted; returns the others that hold a key which one of these has no more."""
        left = self._exchange(found)
        self.add(found)
        return left

    def _exchange(self, found: Mapping[int, Keys]) -> set[int]:
        """Forget items; returns the others that hold a key of theirs which is not among those `found` for it."""
        left: set[int] = set()
        if found:
            mine = [part.are_of(list(found)) for part in (self._base, self._tail)]
            held = [
                (part.keys[own], part.numbers[own]) for part, own in zip((self._base, self._tail), mine, strict=True)
            ]
            keys, numbers = (np.concatenate(column) for column in zip(*held, strict=True))
            order = np.argsort(numbers, kind="stable")
            keys, numbers = keys[order], numbers[order]
            wanted = np.array(list(found), dtype=np.int64)
            bounds = zip(
                np.searchsorted(numbers, wanted, "left").tolist(),
                np.searchsorted(numbers, wanted, "right").tolist(),
                strict=True,
            )
            lost = np.concatenate(
                [
                    np.setdiff1d(keys[first:last], own) if len(own) else keys[first:last]
                    for (first, last), own in zip(bounds, found.values(), strict=True)
                ]
            )
            for part in (self._base, self._tail):
                left.update(part.holders(lost)[1].tolist())
            self._base, self._tail = (
                _Keyed(part.keys[~own], part.numbers[~own])
                for part, own in zip((self._base, self._tail), mine, strict=True)
            )
            for number in found:
                self._bodies.pop(number, None)
        return left - found.keys()

    def sharing(self, found: Mapping[int, Keys]) -> Pairs:
        """The pairs of items, given with their keys, and others that share one of them, but for keys that over `COMMON_KEY` items share.

        The first key is the body's: of those who share it the least number alone is paired with the
        others, so that n copies make n - 1 pairs. An item need not be noted; a pair may come twice.
        """
        pairs = [np.empty((0, 2), dtype=np.int64)]
        if not found:
            return pairs[0]
        asking = np.repeat(np.array(list(found), dtype=np.int64), [len(own) - 1 for own in found.values()])
        keys = np.concatenate([own[1:] for own in found.values()])
        bodies = np.array([own[0] for own in found.values()], dtype=np.uint64)
        body_of = dict(zip(found, bodies.tolist(), strict=True))
        for counts, others in self._held(keys):
            ones = np.repeat(asking, counts)
            unlike = [
                body_of[one] != self._bodies[other] for one, other in zip(ones.tolist(), others.tolist(), strict=True)
            ]
            pairs.append(pairs_of(ones[unlike], others[unlike]))
        copies: dict[int, set[int]] = {number: {number} for number in found}
        for counts, others in self._held(bodies, common=True):
            ones = np.repeat(np.array(list(found), dtype=np.int64), counts)
            for one, other in zip(ones.tolist(), others.tolist(), strict=True):
                copies[one].add(other)
        for number, alike in copies.items():
            least = min(alike)
            chosen = np.array(sorted(alike) if number == least else [least], dtype=np.int64)
            pairs.append(pairs_of(np.full(len(chosen), number), chosen))
        together = np.concatenate(pairs)
        return np.asarray(together[together[:, 0] != together[:, 1]])

    def _held(self, keys: Keys, common: bool = False) -> list[tuple[Numbers, Numbers]]:
        """For each of the two arrays how many items hold each key, none of a `COMMON_KEY` unless `common`; and these items."""
        found = [part.holders(keys) for part in (self._base, self._tail)]
        rare = np.sum([counts for counts, _ in found], axis=0) <= COMMON_KEY
        if common or rare.all():
            return found
        return [(np.where(rare, counts, 0), others[np.repeat(rare, counts)]) for counts, others in found]


def _ranges(first: Numbers, last: Numbers) -> Numbers:
    """The integers of the half-open ranges (n,), (n,), end to end."""
    counts = last - first
    return np.repeat(last - np.cumsum(counts), counts) + np.arange(counts.sum())
