"""Bead scores → the best monotone path and how sure it is: a dynamic programme in a band, apart from scoring.

Gale & Church (1993) find the path of least cost over 1-1, 1-0, 2-1 and 2-2 beads; this one takes any
shapes and works row by row, each row a few numpy steps: a run of 0-1 beads within a row is a running
maximum. The same recurrence with sums for maxima gives each bead's posterior probability (a linear-chain
conditional random field: Lafferty, McCallum & Pereira 2001).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float32]
Table = NDArray[np.float64]
Shape = tuple[int, int]
Span = tuple[int, int, int, int]
"""A bead as (a_start, a_end, b_start, b_end), ends excluded."""

NONE = -1e30
"""The score of what cannot be."""


@dataclass(frozen=True, eq=False)
class Band:
    """The cells of the table of prefixes (n_a + 1, n_b + 1) that are looked at: row i has the columns low[i] to high[i], excluded.

    Both (n_a + 1,) never fall; the first row holds column 0, the last one column n_b. Tables over a
    band are flat, row after row.
    """

    low: NDArray[np.int64]
    high: NDArray[np.int64]

    @classmethod
    def whole(cls, n_a: int, n_b: int) -> Band:
        """The band that holds every cell."""
        return cls(np.zeros(n_a + 1, dtype=np.int64), np.full(n_a + 1, n_b + 1, dtype=np.int64))

    @classmethod
    def around(cls, path: list[Span], radius: int) -> Band:
        """The band of all cells that are at most `radius` rows and columns from a corner of `path`'s beads."""
        n_a, n_b = path[-1][1], path[-1][3]
        low, high = np.full(n_a + 1, n_b, dtype=np.int64), np.zeros(n_a + 1, dtype=np.int64)
        for a_start, a_end, b_start, b_end in path:
            first, last = max(0, a_start - radius), min(n_a, a_end + radius) + 1
            np.minimum(low[first:last], b_start - radius, out=low[first:last])
            np.maximum(high[first:last], b_end + radius, out=high[first:last])
        return cls(np.clip(low, 0, n_b), np.clip(high, 0, n_b) + 1)

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        """(n_a + 2,) where each row begins in a flat table, and the table's size."""
        return np.concatenate([[0], np.cumsum(self.high - self.low)])

    @property
    def n_rows(self) -> int:
        return len(self.low)

    @property
    def n_b(self) -> int:
        return int(self.high[-1]) - 1

    def row(self, number: int) -> slice:
        """The cells of row `number` in a flat table."""
        return slice(int(self.starts[number]), int(self.starts[number + 1]))

    def empty(self, dtype: type = np.float64) -> NDArray[np.float64]:
        """A flat table of `NONE`."""
        return np.full(int(self.starts[-1]), NONE, dtype=dtype)

    def shared(self, row: int, n: int, m: int) -> tuple[slice, slice] | None:
        """Two equally long runs of cells: those of `row`, and those n rows up and m columns left of them; None if there are none."""
        low = max(int(self.low[row]), int(self.low[row - n]) + m)
        high = min(int(self.high[row]), int(self.high[row - n]) + m)
        if low >= high:
            return None
        here, there = int(self.starts[row] - self.low[row]), int(self.starts[row - n] - self.low[row - n]) - m
        return slice(low + here, high + here), slice(low + there, high + there)


def best_path(band: Band, scores: Mapping[Shape, Scores], gap: float = 0.0) -> list[Span]:
    """The path of greatest score through `band` from (0, 0) to (n_a, n_b), as its beads in order.

    ``scores[n, m]``, a flat table, holds for each cell the score of the bead of n sentences of a and m
    of b, both at least 1, that ends there; `gap` is the score of each sentence left out.
    """
    shapes = sorted(scores)
    total, came = (
        band.empty(),
        np.zeros(int(band.starts[-1]), dtype=np.int8),
    )  # 1: gap in a, -1: gap in b, else shape + 2
    for row in range(band.n_rows):
        cells = band.row(row)
        best, origin = total[cells], came[cells]
        if row == 0:
            best[0] = 0.0
        for number, here, there, shape in _sources(band, row, shapes):
            offered = total[there] + (gap if shape is None else scores[shape][here])
            here = slice(here.start - cells.start, here.stop - cells.start)
            better = offered > best[here]
            best[here][better] = offered[better]
            origin[here][better] = number
        along = gap * np.arange(len(best))
        reached = np.maximum.accumulate(best - along) + along
        over = reached > best + 1e-9
        origin[over] = -1
        best[over] = reached[over]
    return _traced(band, shapes, came)


def _sources(band: Band, row: int, shapes: list[Shape]) -> Iterator[tuple[int, slice, slice, Shape | None]]:
    """What leads into `row` from rows above: code, cells of the row, cells it comes from, and the bead's shape (None: a gap)."""
    if row and (found := band.shared(row, 1, 0)):
        yield 1, *found, None
    for number, (n, m) in enumerate(shapes, 2):
        if n <= row and (found := band.shared(row, n, m)):
            yield number, *found, (n, m)


def _traced(band: Band, shapes: list[Shape], came: NDArray[np.int8]) -> list[Span]:
    row, column = band.n_rows - 1, band.n_b
    path = []
    while row or column:
        code = int(came[band.starts[row] + column - band.low[row]])
        n, m = (1, 0) if code == 1 else (0, 1) if code == -1 else shapes[code - 2]
        path.append((row - n, row, column - m, column))
        row, column = row - n, column - m
    return path[::-1]


@dataclass(frozen=True, eq=False)
class Posterior:
    """Sums over all paths: `before` and `after` each cell, and `log_total` of all, as logarithms (gap score 0)."""

    band: Band
    scores: Mapping[Shape, Scores]
    before: Table
    after: Table
    log_total: float

    def of_shape(self, shape: Shape) -> tuple[NDArray[np.int64], Table]:
        """The cells where beads of `shape` may end, and the probability of each such bead."""
        cells, chances = [], []
        for row in range(shape[0], self.band.n_rows):
            if found := self.band.shared(row, *shape):
                here, there = found
                cells.append(np.arange(here.start, here.stop))
                chances.append(self.before[there] + self.scores[shape][here] + self.after[here])
        if not cells:
            return np.zeros(0, dtype=np.int64), np.zeros(0)
        return np.concatenate(cells), np.exp(np.minimum(np.concatenate(chances) - self.log_total, 0.0))

    def of_bead(self, span: Span) -> float:
        """The probability in [0, 1] that a bead of the path is right."""
        a_start, a_end, b_start, b_end = span
        here, there = (
            int(self.band.starts[row] + column - self.band.low[row])
            for row, column in ((a_end, b_end), (a_start, b_start))
        )
        shape = (a_end - a_start, b_end - b_start)
        score = 0.0 if 0 in shape else float(self.scores[shape][here])
        return float(np.exp(min(self.before[there] + score + self.after[here] - self.log_total, 0.0)))


def posterior(band: Band, scores: Mapping[Shape, Scores]) -> Posterior:
    """How probable beads are when a path's odds are the exponential of its score."""
    shapes = sorted(scores)
    before, after = band.empty(), band.empty()
    for row in range(band.n_rows):
        cells = band.row(row)
        if row == 0:
            before[0] = 0.0
        for _, here, there, shape in _sources(band, row, shapes):
            np.logaddexp(
                before[here], before[there] + (0.0 if shape is None else scores[shape][here]), out=before[here]
            )
        before[cells] = np.logaddexp.accumulate(before[cells])
    after[-1] = 0.0
    for row in range(band.n_rows - 1, -1, -1):
        cells = band.row(row)
        after[cells] = np.logaddexp.accumulate(after[cells][::-1])[::-1]
        # What is final for this row flows up to the rows that lead into it.
        for _, here, there, shape in _sources(band, row, shapes):
            np.logaddexp(after[there], after[here] + (0.0 if shape is None else scores[shape][here]), out=after[there])
    return Posterior(band, scores, before, after, float(before[-1]))
