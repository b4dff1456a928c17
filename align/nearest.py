"""Items → their nearest in every language, all of them: a cosine of two items is worked out once, in a block of many, for both.

For a whole archive that takes no longer than an inverted file of which a sixteenth is looked into, and it misses nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from align.index import SLOTS
from align.neighbourhoods import FLOOR, NEAREST, Numbers
from align.records import Vectors
from align.threads import at_once

BLOCK = 2048
"""Rows and columns of a block of cosines, 2048 at most (``_Best``)."""
SAMPLE = 512
"""So many of the first items that one is compared with tell what cosine the next ones must have."""

_BELOW_TWO = 0x3FFFFFFF
"""The bits of the greatest single float below two. Those of positive floats are in the floats' order."""

Places = NDArray[np.int64]
Settled = Callable[[int], Iterable[tuple[Numbers, Vectors]]]
"""Gives a slot's settled items part by part: numbers (m,) and story views (m, d)."""
Reach = Callable[[Numbers, int], Vectors]
"""Gives the similarity (m,), inclusive, that an item of a slot needs to be near each of settled items (m,)."""


@dataclass(frozen=True)
class Nearest:
    """The nearest of n waiting items, and the settled items that have one of them among theirs.

    `similarities` and `numbers` are (n, slots, NEAREST), best first, -1.0 and -1 where there are fewer. The settled item `reached` (m,) by
    the waiting one at a place (m,) of the n has that cosine (m,) with it.
    """

    similarities: Vectors
    numbers: Numbers
    places: Places
    reached: Numbers
    cosines: Vectors


@dataclass(frozen=True, eq=False)
class _Part:
    """Waiting items of one slot, at most BLOCK: their places among all, numbers and views, and the best in each slot so far."""

    slot: int
    places: Places
    numbers: Numbers
    views: Vectors
    best: tuple[_Best, ...]


class _Best:
    """For each of n items the NEAREST of those that were added, and `least` (n,): the cosine that a further one must have."""

    def __init__(self, n_items: int) -> None:
        self.least: Vectors = np.full(n_items, FLOOR, dtype=np.float32)
        self._rows: Places = np.empty(0, dtype=np.int64)
        self._numbers: Numbers = np.empty(0, dtype=np.int64)
        self._cosines: Vectors = np.empty(0, dtype=np.float32)
        self._since: list[tuple[Places, Numbers, Vectors]] = []

    def add(self, rows: Places, numbers: Numbers, cosines: Vectors) -> None:
        """Offer items, by number (m,), to those at `rows` (m,), with these `cosines` (m,), none below FLOOR."""
        self._since.append((rows, numbers, cosines))
        if not len(self._rows) or sum(len(own) for own, _, _ in self._since) > NEAREST * len(self.least):
            self._keep()

    def _keep(self) -> None:
        """Let go of all but the nearest; of those at one cosine the ones with the least numbers stay.

        Sorted by 11 bits of the row, 30 of the cosine and 22 of the number: one key is sorted several times as fast as three.
        """
        held = [(self._rows, self._numbers, self._cosines), *self._since]
        rows, numbers, cosines = (np.concatenate(columns) for columns in zip(*held, strict=True))
        order = np.argsort(
            (rows << 52) + (_BELOW_TWO - cosines.view(np.int32).astype(np.int64) << 22) + numbers % (1 << 22)
        )
        rows = rows[order]
        starts = np.searchsorted(rows, np.arange(len(self.least)))
        near = np.arange(len(rows)) - starts[rows] < NEAREST
        order, self._since = order[near], []
        self._rows, self._numbers, self._cosines = rows[near], numbers[order], cosines[order]
        last = np.searchsorted(self._rows, np.arange(len(self.least)), "right") - 1
        is_full = np.bincount(self._rows, minlength=len(self.least)) == NEAREST
        self.least[is_full] = self._cosines[last[is_full]]

    def table(self) -> tuple[Vectors, Numbers]:
        """Cosines and numbers (n, NEAREST), best first, padded with -1."""
        self._keep()
        cosines = np.full((len(self.least), NEAREST), -1.0, dtype=np.float32)
        numbers = np.full(cosines.shape, -1, dtype=np.int64)
        ranks = np.arange(len(self._rows)) - np.searchsorted(self._rows, self._rows)
        cosines[self._rows, ranks], numbers[self._rows, ranks] = self._cosines, self._numbers
        return cosines, numbers


class _Reached:
    """Settled items that waiting ones, by their places, reach."""

    def __init__(self) -> None:
        self._since: list[tuple[Places, Numbers, Vectors]] = [
            (np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))
        ]

    def add(self, places: Places, numbers: Numbers, cosines: Vectors) -> None:
        self._since.append((places, numbers, cosines))

    def columns(self) -> tuple[Places, Numbers, Vectors]:
        places, numbers, cosines = (np.concatenate(columns) for columns in zip(*self._since, strict=True))
        return places, numbers, cosines


Offer = tuple[_Best | _Reached, Places, Numbers, Vectors]
"""What is found in a block, and to whom it is added."""


def nearest_of(
    numbers: Numbers,
    slots: NDArray[np.int64],
    views: Vectors,
    settled: Settled,
    reach: Reach,
    progress: Callable[[int], None] | None = None,
) -> Nearest:
    """The nearest of waiting items (n,), in these `slots` (n,) and with story `views` (n, d), and whom of the settled they reach.

    No cosine below ``FLOOR`` counts. `progress` hears of how many items all blocks are begun.
    """
    parts = [
        _Part(slot, places, numbers[places], views[places], tuple(_Best(len(places)) for _ in SLOTS))
        for slot in range(len(SLOTS))
        for own in [np.flatnonzero(slots == slot)]
        for places in np.split(own, range(BLOCK, len(own), BLOCK))
        if len(places)
    ]
    reached = _Reached()

    def tasks() -> Iterator[Callable[[], list[Offer]]]:
        # The least that counts is read here, so that it does not depend on which block is done first.
        for place, part in enumerate(parts):
            for other in parts[place:]:
                least, others_least = part.best[other.slot].least.copy(), other.best[part.slot].least.copy()
                yield partial(_between, part, other, least, others_least)
            for slot, best in enumerate(part.best):
                for others, others_views in settled(slot):
                    least = best.least.copy()
                    yield partial(
                        _with_settled, part, best, reached, others, others_views, least, reach(others, part.slot)
                    )
            if progress:
                progress(sum(len(done.places) for done in parts[: place + 1]))

    for offers in at_once(tasks()):
        for taker, rows, others, cosines in offers:
            taker.add(rows, others, cosines)
    similarities = np.full((len(numbers), len(SLOTS), NEAREST), -1.0, dtype=np.float32)
    found = np.full(similarities.shape, -1, dtype=np.int64)
    for part in parts:
        for slot, best in enumerate(part.best):
            similarities[part.places, slot], found[part.places, slot] = best.table()
    return Nearest(similarities, found, *reached.columns())


def _between(part: _Part, other: _Part, least: Vectors, others_least: Vectors) -> list[Offer]:
    """What two parts, or one with itself, give one another."""
    cosines = part.views @ other.views.T
    if part is other:
        np.fill_diagonal(cosines, -1.0)
    rows, columns, values = _reaching(cosines, least)
    offers: list[Offer] = [(part.best[other.slot], rows, other.numbers[columns], values)]
    if part is not other:
        rows, columns, values = _reaching(cosines.T, others_least)
        offers.append((other.best[part.slot], rows, part.numbers[columns], values))
    return offers


def _with_settled(
    part: _Part, best: _Best, reached: _Reached, numbers: Numbers, views: Vectors, least: Vectors, reach: Vectors
) -> list[Offer]:
    """The same of waiting and settled items; these take those that are as near as they need."""
    cosines = part.views @ views.T
    rows, columns, values = _reaching(cosines, least)
    query, column = np.nonzero(cosines >= reach)
    return [
        (best, rows, numbers[columns], values),
        (reached, part.places[query], numbers[column], cosines[query, column]),
    ]


def _reaching(cosines: Vectors, least: Vectors) -> tuple[Places, Places, Vectors]:
    """Rows (m,), columns (m,) and values (m,) of the `cosines` that are no less than their row's `least` (n,).

    Of a row that has no more than FLOOR as its least, and of whose cosines many would be, those among the NEAREST of the first columns tell more.
    """
    if cosines.shape[1] >= NEAREST and (least == FLOOR).any():
        first = np.ascontiguousarray(cosines[:, :SAMPLE])
        least = np.maximum(least, np.partition(first, -NEAREST, axis=1)[:, -NEAREST])
    if cosines.flags.c_contiguous:
        rows, columns = np.divmod(np.flatnonzero(cosines >= least[:, None]), cosines.shape[1])
    else:  # the other side of a block, which lies column by column
        columns, rows = np.divmod(np.flatnonzero(least <= cosines.T), len(cosines))
    return rows, columns, cosines[rows, columns]
