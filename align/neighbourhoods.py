"""Neighbours → pairs worth comparing, the same whatever the order of arrival.

Two items are compared when either is among the other's `NEAREST` in its language, at a cosine of at
least `FLOOR`, or when they share a key that copies and excerpts share. The first is a statement about the
items that are there, not about when they came: each item remembers the similarities of its nearest, a
newcomer that is nearer pushes the last one out, and a pair that is in neither list any more is dropped.
"""

from __future__ import annotations

from collections.abc import Sequence

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


Numbers = NDArray[np.int64]
Pairs = NDArray[np.int64]
"""(n, 2) item numbers, the smaller first."""


def pairs_of(ones: Numbers, others: Numbers) -> Pairs:
    """The pairs of items (n,) and (n,)."""
    return np.stack([np.minimum(ones, others), np.maximum(ones, others)], axis=1)


class Neighbourhoods:
    """For each item number the similarities of its nearest in every slot: rows of shape (slots, NEAREST), -1.0 where there are fewer."""

    def __init__(self) -> None:
        self._places = np.full(256, -1, dtype=np.int64)  # by item number
        self._rows: Vectors = np.empty((0, len(SLOTS), NEAREST), dtype=np.float32)
        self._reach: Vectors = np.empty((0, len(SLOTS)), dtype=np.float32)
        self._used = 0

    def __contains__(self, number: int) -> bool:
        return bool(self.contains(np.array([number]))[0])

    def contains(self, numbers: Numbers) -> NDArray[np.bool_]:
        """Which of `numbers` (n,) have a neighbourhood."""
        inside = numbers < len(self._places)
        return inside & (self._places[np.where(inside, numbers, 0)] >= 0)

    def put(self, numbers: Numbers, rows: Vectors) -> None:
        """Remember the `rows` (n, slots, NEAREST) of items (n,)."""
        if len(numbers) and int(numbers.max()) >= len(self._places):
            self._places = np.append(self._places, np.full(int(numbers.max()) + len(self._places), -1, dtype=np.int64))
        fresh = numbers[self._places[numbers] < 0]
        needed = self._used + len(fresh)
        if needed > len(self._rows):
            grown = np.full((max(256, 2 * needed), len(SLOTS), NEAREST), -1.0, dtype=np.float32)
            grown[: self._used] = self._rows[: self._used]
            self._rows, self._reach = (
                grown,
                np.append(self._reach, np.empty((len(grown) - len(self._reach), len(SLOTS)), np.float32), axis=0),
            )
        self._places[fresh] = np.arange(self._used, needed)
        self._used = needed
        places = self._places[numbers]
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

    def push(self, number: int, slot: int, similarities: Sequence[float]) -> None:
        """Let newcomers in."""
        row = self.rows(np.array([number]))
        row[0, slot] = np.sort(np.concatenate([row[0, slot], np.asarray(similarities, np.float32)]))[::-1][:NEAREST]
        self.put(np.array([number]), row)


class SharedKeys:
    """Which item numbers share keys: sorted arrays, and what came since."""

    def __init__(self) -> None:
        self._keys: NDArray[np.uint64] = np.empty(0, dtype=np.uint64)
        self._numbers: Numbers = np.empty(0, dtype=np.int64)
        self._tail: list[tuple[NDArray[np.uint64], Numbers]] = []
        self._bodies: dict[int, int] = {}

    def add(self, numbers: Sequence[int], keys: Sequence[NDArray[np.uint64]]) -> None:
        """Note the keys of items that are not noted. An item whose text has changed is removed first."""
        if keys:
            held = np.repeat(np.asarray(numbers, dtype=np.int64), [len(own) for own in keys])
            self._tail.append((np.concatenate(keys), held))
            self._bodies.update(zip(numbers, (int(own[0]) for own in keys), strict=True))

    def remove(self, number: int) -> set[int]:
        """Forget an item; returns those that shared a key with it."""
        self._merge()
        mine = self._numbers == number
        first, last = self._bounds(self._keys[mine])
        left = set(self._numbers[_ranges(first, last)].tolist()) - {number}
        self._keys, self._numbers = self._keys[~mine], self._numbers[~mine]
        self._bodies.pop(number, None)
        return left

    def _merge(self) -> None:
        if self._tail:
            keys = np.concatenate([self._keys, *(keys for keys, _ in self._tail)])
            order = np.argsort(keys, kind="stable")  # radix or merge: what is sorted already costs little
            self._keys, self._numbers = (
                keys[order],
                np.concatenate([self._numbers, *(held for _, held in self._tail)])[order],
            )
            self._tail = []

    def _bounds(self, keys: NDArray[np.uint64]) -> tuple[Numbers, Numbers]:
        return np.searchsorted(self._keys, keys, "left"), np.searchsorted(self._keys, keys, "right")

    def sharing(self, numbers: Sequence[int], keys: Sequence[NDArray[np.uint64]]) -> Pairs:
        """The pairs of items (n,), with their `keys`, and others that share one of them, but for keys that over `COMMON_KEY` items share.

        The first key is the body's: of those who share it the least number alone is paired with the
        others, so that n copies make n - 1 pairs. An item need not be noted; a pair may come twice.
        """
        self._merge()
        if not keys:
            return np.empty((0, 2), dtype=np.int64)
        rest = [own[1:] for own in keys]
        asking = np.repeat(np.asarray(numbers, dtype=np.int64), [len(own) for own in rest])
        bodies = np.array([own[0] for own in keys], dtype=np.uint64)
        body_of_asking = np.repeat(bodies, [len(own) for own in rest])
        first, last = self._bounds(np.concatenate(rest))
        common = last - first > COMMON_KEY
        first, last = first[~common], last[~common]
        others = self._numbers[_ranges(first, last)]
        asking = np.repeat(asking[~common], last - first)
        unlike = np.repeat(body_of_asking[~common], last - first) != np.array(
            [self._bodies[other] for other in others.tolist()], dtype=np.uint64
        )
        found = [pairs_of(asking[unlike], others[unlike])]
        first, last = self._bounds(bodies)
        for number, start, end in zip(numbers, first.tolist(), last.tolist(), strict=True):
            if end - start > (self._bodies.get(number) is not None):
                copies = self._numbers[start:end]
                least = min(number, int(copies.min()))
                found.append(
                    pairs_of(np.full(len(copies), number), copies if number == least else np.full(len(copies), least))
                )
        pairs = np.concatenate(found)
        return np.asarray(pairs[pairs[:, 0] != pairs[:, 1]])


def _ranges(first: Numbers, last: Numbers) -> Numbers:
    """The integers of the half-open ranges (n,), (n,), end to end."""
    counts = last - first
    return np.repeat(last - np.cumsum(counts), counts) + np.arange(counts.sum())
