"""Vectors → communities: groups of items that lie close together. A first look at an archive: no pair is verified; stories are clusters.

The pairs with a cosine of at least `least` are looked for by an inverted file (Jégou, Douze & Schmid 2011, "Product Quantization for
Nearest Neighbor Search", section IV): an item stands in the cell of its nearest centroid, and is compared with what stands in the `VISITED` nearest.
There its cosine in the principal directions, with the most that the others can add (Cauchy & Schwarz), rules nearly all out, and
the cosine itself decides. Communities are those of sentence-transformers' ``community_detection``: the item with the most others about
it and these, then the same of the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from align.errors import InputError
from align.records import Vectors
from align.threads import at_once, products_in_one_thread

LEAST, SMALLEST = 0.75, 2
LEAST_ALLOWED = 0.5
"""Below it nearly everything has to do with everything."""
ALL_PAIRS = 10_000
"""Up to so many rows stand in one cell, and no pair is missed."""
CELLS = 1.7
"""Times the square root of the number of rows: so many cells there are. With 1.4 and with 2.86 it takes longer and finds no more."""
VISITED = 4
"""Cells that a row is compared with: with 5, a sixth slower, another hundredth of the pairs is found."""
LEARNED_FROM, ROUNDS = 8, 2
"""Rows for each cell from which the centroids are learned, and rounds of k-means: with more rows some pairs in a thousand more are found, and it takes longer."""
COARSE = 96
"""Principal directions in which the nearest centroids are found."""
FINE, FINE_FROM = 128, 0.7
"""Principal directions in which cosines are worked out first; all of them for a `least` so low that few pairs would be ruled out."""
SLICE = 2048
"""Rows that are projected, or compared with one another, at a time."""
TASK = 2048
"""Rows of cells that are compared in one task, about."""
MOST_PAIRS = 20_000_000
ROUNDING = 1e-5
"""What rounding can take from a bound."""

Places = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Alike:
    """Pairs of rows, ``left[i] < right[i]``, in order, and their cosines; all (m,)."""

    left: Places
    right: Places
    cosines: Vectors


@dataclass(frozen=True, eq=False)
class Community:
    """A group's rows (m,), its centre first, then from the nearest on, and their cosines with the centre (m,)."""

    rows: Places
    cosines: Vectors


@dataclass(frozen=True, eq=False)
class _Runs:
    """Rows (n,) sorted by cell: those of cell c are ``rows[starts[c]:starts[c + 1]]``."""

    rows: Places
    starts: Places

    @classmethod
    def of(cls, cells: NDArray[np.int16], n_cells: int) -> _Runs:
        """Rows by the cells (n, k) that each is in."""
        flat = cells.ravel()
        order = np.argsort(flat, kind="stable")
        return cls(order // cells.shape[1], np.searchsorted(flat[order], np.arange(n_cells + 1)))

    def __getitem__(self, cell: int) -> Places:
        return self.rows[self.starts[cell] : self.starts[cell + 1]]


def communities(views: Vectors, least: float = LEAST, smallest: int = SMALLEST) -> list[Community]:
    """Groups of at least `smallest` rows, 2 or more, of `views` (n, d), of unit length; largest first, no row in two.

    The centre has a cosine of at least `least` with each of the others. Raises InputError as `alike` does.
    """
    smallest = max(smallest, 2)
    pairs = alike(views, least)
    centres, others = np.concatenate([pairs.left, pairs.right]), np.concatenate([pairs.right, pairs.left])
    cosines = np.tile(pairs.cosines, 2)
    order = np.lexsort((others, -cosines, centres))
    others, cosines = others[order], cosines[order]
    counts = np.bincount(centres, minlength=len(views))
    ends = np.cumsum(counts)
    taken = np.zeros(len(views), dtype=np.bool_)
    found = []
    crowded = np.flatnonzero(counts >= smallest - 1)
    for centre in crowded[np.argsort(-counts[crowded], kind="stable")].tolist():
        about = np.arange(ends[centre] - counts[centre], ends[centre])
        about = about[~taken[others[about]]]
        if not taken[centre] and 1 + len(about) >= smallest:
            rows = np.concatenate([[centre], others[about]])
            found.append(Community(rows, np.concatenate([np.ones(1, np.float32), cosines[about]])))
            taken[rows] = True
    return sorted(found, key=lambda community: len(community.rows), reverse=True)


def alike(views: Vectors, least: float) -> Alike:
    """The pairs of rows of `views` (n, d), of unit length, with a cosine of at least `least`, in [`LEAST_ALLOWED`, 1].

    All of them up to `ALL_PAIRS` rows; of more some are missed: of the pairs of 50,000 made items (``bench/clustering.py``) 2 in 100 at 0.75.
    Raises InputError for a `least` out of range, and where there are more than `MOST_PAIRS` pairs.
    """
    if not LEAST_ALLOWED <= least <= 1.0:
        raise InputError(f"a least cosine of {least} is out of range; give one from {LEAST_ALLOWED} to 1")
    if not len(views):
        return Alike(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32))
    with products_in_one_thread():
        return _alike(views, least)


def _alike(views: Vectors, least: float) -> Alike:
    projected, standing, visiting = _in_cells(
        views, min(FINE, views.shape[1]) if least >= FINE_FROM else views.shape[1]
    )
    keys, cosines = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.float32)]
    n_found = 0
    for own, values in at_once(partial(_within, views, projected, runs, least) for runs in _tasks(standing, visiting)):
        n_found += len(own)
        if n_found > 2 * MOST_PAIRS:
            raise _too_many(least)
        keys.append(own)
        cosines.append(values)
    distinct, first = np.unique(np.concatenate(keys), return_index=True)
    if len(distinct) > MOST_PAIRS:
        raise _too_many(least)
    left, right = np.divmod(distinct, len(views))
    return Alike(left, right, np.concatenate(cosines)[first])


def _too_many(least: float) -> InputError:
    return InputError(f"more than {MOST_PAIRS} pairs have a cosine of {least} or more; ask for a higher one")


def _in_cells(views: Vectors, kept: int) -> tuple[Vectors, _Runs, _Runs]:
    """The `views` in their first `kept` principal directions and the length of the rest (n, kept + 1); who stands in each cell, and who visits it."""
    n, d = views.shape
    chance = np.random.default_rng(n)
    sample = views[chance.permutation(n)[: 8 * d]]
    _, directions = np.linalg.eigh(sample.T @ sample)  # ascending
    directions = np.ascontiguousarray(directions[:, ::-1][:, :kept])
    coarse = min(COARSE, kept)
    n_cells = 1 if n <= ALL_PAIRS else int(CELLS * np.sqrt(n))
    means = _centroids(views[chance.permutation(n)[: LEARNED_FROM * n_cells]] @ directions[:, :coarse], n_cells)
    projected = np.empty((n, kept + 1), dtype=np.float32)
    cells = np.empty((n, min(VISITED, n_cells)), dtype=np.int16)

    def place(start: int) -> None:
        part = slice(start, start + SLICE)
        own = views[part] @ directions
        projected[part, :kept] = own
        projected[part, kept] = np.sqrt(np.maximum(1.0 - np.einsum("ij,ij->i", own, own), 0.0))
        near = own[:, :coarse] @ means.T
        every = np.arange(len(near))
        for rank in range(cells.shape[1]):
            cells[part, rank] = best = near.argmax(axis=1)
            near[every, best] = -np.inf

    for _ in at_once(partial(place, start) for start in range(0, n, SLICE)):
        pass
    return projected, _Runs.of(cells[:, :1], n_cells), _Runs.of(cells[:, 1:], n_cells)


def _centroids(rows: Vectors, n_cells: int) -> Vectors:
    """The unit means (n_cells, d) that k-means finds of `rows` (m, d), beginning with the first; spherical (Dhillon & Modha 2001, section 3)."""
    rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    means = rows[:n_cells].copy()
    for _ in range(ROUNDS):
        runs = _Runs.of((rows @ means.T).argmax(axis=1)[:, None], len(means))
        filled = np.flatnonzero(np.diff(runs.starts))  # the mean of a cell that nothing stands in stays
        sums = np.add.reduceat(rows[runs.rows], runs.starts[filled], axis=0) if len(filled) else rows[:0]
        means[filled] = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)
    return means


def _tasks(standing: _Runs, visiting: _Runs) -> Iterator[list[tuple[Places, Places]]]:
    """For each cell who stands in it and who visits it, some cells at a time."""
    runs: list[tuple[Places, Places]] = []
    held = 0
    for cell in range(len(standing.starts) - 1):
        runs.append((standing[cell], visiting[cell]))
        held += len(runs[-1][0])
        if held >= TASK:
            yield runs
            runs, held = [], 0
    yield runs


def _within(
    views: Vectors, projected: Vectors, runs: list[tuple[Places, Places]], least: float
) -> tuple[Places, Vectors]:
    """The keys, left · n + right, of the pairs in cells with a cosine of at least `least`, and their cosines (m,)."""
    keys, cosines = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.float32)]
    n_found = 0
    for standing, visiting in runs:
        rows = np.concatenate([standing, visiting])
        bounds = projected[rows]
        for start in range(0, len(standing), SLICE):
            block = bounds[start : min(start + SLICE, len(standing))]
            for after in range(start, len(rows), SLICE):
                most = block @ bounds[after : after + SLICE].T
                row, column = np.divmod(np.flatnonzero(most >= least - ROUNDING), most.shape[1])
                later = row + start < column + after
                one, other = rows[row[later] + start], rows[column[later] + after]
                for part in (slice(first, first + SLICE) for first in range(0, len(one), SLICE)):
                    values = np.einsum("ij,ij->i", views[one[part]], views[other[part]])
                    near = values >= least
                    ones, others = one[part][near], other[part][near]
                    keys.append(np.minimum(ones, others) * len(views) + np.maximum(ones, others))
                    cosines.append(values[near])
                    n_found += len(ones)
                if n_found > 2 * MOST_PAIRS:  # a pair is found from either side
                    raise _too_many(least)
    return np.concatenate(keys), np.concatenate(cosines)
