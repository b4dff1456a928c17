"""Neighbours → pairs worth comparing, the same whatever the order of arrival.

Two items are compared when either is among the other's `NEAREST` in its language, at a cosine of at
least `FLOOR`, or when they share a key that copies and excerpts share. The first is a statement about the
items that are there, not about when they came: each item remembers the similarities of its nearest, a
newcomer that is nearer pushes the last one out, and a pair that is in neither list any more is dropped.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

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


class Neighbourhoods:
    """For each item number the similarities of its nearest in every slot: rows of shape (slots, NEAREST), -1.0 where there are fewer."""

    def __init__(self) -> None:
        self._place: dict[int, int] = {}
        self._rows: Vectors = np.empty((0, len(SLOTS), NEAREST), dtype=np.float32)
        self._used = 0

    def __contains__(self, number: int) -> bool:
        return number in self._place

    def put(self, number: int, row: Vectors) -> None:
        """Remember `row` (slots, NEAREST) of an item."""
        place = self._place.get(number, self._used)
        if place == self._used:
            self._place[number] = place
            self._used += 1
        if place >= len(self._rows):
            grown = np.full((max(256, 2 * len(self._rows)), len(SLOTS), NEAREST), -1.0, dtype=np.float32)
            grown[: len(self._rows)] = self._rows
            self._rows = grown
        self._rows[place] = row

    def remove(self, number: int) -> None:
        """Forget an item's own neighbourhood."""
        self._place.pop(number, None)

    def numbers(self) -> list[int]:
        """The items that have one."""
        return list(self._place)

    def row(self, number: int) -> Vectors:
        """(slots, NEAREST) of one item."""
        return np.asarray(self._rows[self._place[number]])

    def reach(self, numbers: Sequence[int] | NDArray[np.int64], slot: int) -> Vectors:
        """The similarity (n,) that an item of `slot` must have to be near each of `numbers`: inclusive, with slack; FLOOR where any does."""
        places = [self._place[int(number)] for number in numbers]
        return np.asarray(np.maximum(self._rows[places, slot].min(axis=1) - SLACK, FLOOR), dtype=np.float32)

    def push(self, number: int, slot: int, similarities: Iterable[float]) -> bool:
        """Let newcomers in; returns whether the last one that counts has changed."""
        held = self._rows[self._place[number], slot]
        before = float(held.min())
        best = np.sort(np.concatenate([held, np.asarray(list(similarities), dtype=np.float32)]))[::-1][:NEAREST]
        self._rows[self._place[number], slot] = best
        return float(best.min()) != before


class SharedKeys:
    """Which item numbers share keys: sorted arrays, and a dictionary of what came since."""

    def __init__(self) -> None:
        self._keys: NDArray[np.uint64] = np.empty(0, dtype=np.uint64)
        self._numbers: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self._tail: dict[int, list[int]] = defaultdict(list)
        self._n_tail = 0

    def add(self, number: int, keys: NDArray[np.uint64]) -> None:
        """Note the keys of an item."""
        for key in keys.tolist():
            self._tail[key].append(number)
        self._n_tail += len(keys)
        if self._n_tail > max(50_000, len(self._keys) // 4):
            self._merge()

    def remove(self, number: int) -> set[int]:
        """Forget an item; returns those that shared a key with it. An item whose text has changed is removed, then added."""
        self._merge()
        mine = self._numbers == number
        left = {holder for key in self._keys[mine].tolist() for holder in self.holders(key)} - {number}
        self._keys, self._numbers = self._keys[~mine], self._numbers[~mine]
        return left

    def _merge(self) -> None:
        tail_keys = np.fromiter((key for key, held in self._tail.items() for _ in held), np.uint64, self._n_tail)
        tail_numbers = np.fromiter((number for held in self._tail.values() for number in held), np.int64, self._n_tail)
        keys, numbers = np.concatenate([self._keys, tail_keys]), np.concatenate([self._numbers, tail_numbers])
        order = np.argsort(keys, kind="stable")
        self._keys, self._numbers = keys[order], numbers[order]
        self._tail, self._n_tail = defaultdict(list), 0

    def holders(self, key: int) -> list[int]:
        """The items that hold a key."""
        first, last = (
            np.searchsorted(self._keys, np.uint64(key), "left"),
            np.searchsorted(self._keys, np.uint64(key), "right"),
        )
        return [*self._numbers[first:last].tolist(), *self._tail.get(key, [])]

    def sharing(self, number: int, keys: NDArray[np.uint64]) -> set[int]:
        """The other items that share a key with an item, but for keys that over `COMMON_KEY` items share.

        The first key is the body's: of those who share it the least number alone is paired with the
        others, so that n copies make n - 1 pairs.
        """
        body, *rest = keys.tolist()
        copies = {number, *self.holders(body)}
        least = min(copies)
        shared = {holder for key in rest if len(held := self.holders(key)) <= COMMON_KEY for holder in held}
        return (shared - copies) | (copies - {number} if number == least else {least})
