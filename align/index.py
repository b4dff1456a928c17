"""Vectors → neighbours. The only file that imports faiss.

One shelf for each of the four languages and one for all others, because a neighbour is wanted in every
language, however many a story has in one. Approximate search proposes, exact cosine decides: what faiss
returns is scored again from the vectors themselves. Up to `EXACT_LIMIT` vectors a shelf is searched
flat and misses nothing; above, by an inverted file (Jégou, Douze & Schmid 2011, section IV), which
unlike a graph can be removed from. That is how a draft is looked up; the neighbours of what is stored
are found without it (``align.nearest``), and all of them. Shelves lie on disk as plain arrays and are mapped into memory, so
that several processes share one copy.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from align.records import Vectors

SLOTS = ("en", "ja", "de", "it", "other")
EXACT_LIMIT = 10_000
PROBED = 0.2
"""Share of an inverted file's cells that a search looks into: of the 17 nearest among 11,000 story vectors 98 percent are found, 90 at 0.06."""
TRAINING_ROUNDS = 10
"""Of k-means, by which the cells are found; with 25 as many of the nearest are."""
LEAST_PROBED = 16
MORE_PROPOSED = 8
"""So many vectors more than are asked for an inverted file proposes, of which the exact cosines decide."""
SPARE = 1000
"""So many vectors more are proposed at most, in place of removed ones."""
FORMAT = 3
FILE = "neighbours.json"

Numbers = NDArray[np.int64]


def slot_of(lang: str) -> int:
    """The shelf that a language stands on: an index into SLOTS."""
    return SLOTS.index(lang) if lang in SLOTS else len(SLOTS) - 1


class Shelf:
    """The vectors of one slot under item numbers: a base, which may be mapped from disk, and a small tail of newer ones."""

    def __init__(self, dimension: int) -> None:
        self.numbers: Numbers = np.empty(0, dtype=np.int64)
        self.vectors: Vectors = np.empty((0, dimension), dtype=np.float32)
        self.tail_numbers: Numbers = np.empty(0, dtype=np.int64)
        self.tail_vectors: Vectors = np.empty((0, dimension), dtype=np.float32)
        self.gone: set[int] = set()  # rows of the base
        self.inverted: Any = None
        self.unsaved = 0
        """How many changes the saved files do not hold."""

    def __len__(self) -> int:
        return len(self.numbers) - len(self.gone) + len(self.tail_numbers)

    def add(self, numbers: Numbers, vectors: Vectors) -> None:
        self.unsaved += len(numbers)
        self.tail_numbers = np.concatenate([self.tail_numbers, numbers])
        self.tail_vectors = np.concatenate([self.tail_vectors, vectors])
        if len(self.tail_numbers) > max(EXACT_LIMIT // 2, len(self.numbers) // 4):
            self.compact()

    def remove(self, numbers: Numbers) -> None:
        before = len(self)
        self.gone |= set(np.flatnonzero(np.isin(self.numbers, numbers)).tolist())
        keep = ~np.isin(self.tail_numbers, numbers)
        self.tail_numbers, self.tail_vectors = self.tail_numbers[keep], self.tail_vectors[keep]
        self.unsaved += before - len(self)

    def compact(self) -> None:
        """Bring base and tail together, in the order of the numbers, and build the inverted file where it is needed."""
        if not self.gone and not len(self.tail_numbers):
            return
        keep = np.ones(len(self.numbers), dtype=bool)
        keep[list(self.gone)] = False
        numbers = np.concatenate([self.numbers[keep], self.tail_numbers])
        vectors = np.concatenate([self.vectors[keep], self.tail_vectors])
        order = np.argsort(numbers, kind="stable")
        self.numbers, self.vectors, self.gone = numbers[order], np.ascontiguousarray(vectors[order]), set()
        self.tail_numbers, self.tail_vectors = self.tail_numbers[:0], self.tail_vectors[:0]
        self.inverted = _inverted(self.vectors) if len(self.numbers) > EXACT_LIMIT else None

    def nearest(self, queries: Vectors, k: int) -> tuple[Numbers, Vectors]:
        """The numbers (m, k) and cosines (m, k) of the vectors nearest to each query (m, d), best first; -1 and -2.0 pad."""
        numbers, cosines = self._proposed(queries, k)
        if len(self.tail_numbers):
            newer = _top(queries @ self.tail_vectors.T, self.tail_numbers, k)
            numbers = np.concatenate([numbers, newer[0]], axis=1)
            cosines = np.concatenate([cosines, newer[1]], axis=1)
        best = np.lexsort((numbers, -cosines), axis=1)[:, :k]
        return np.take_along_axis(numbers, best, axis=1), np.take_along_axis(cosines, best, axis=1)

    def _proposed(self, queries: Vectors, k: int) -> tuple[Numbers, Vectors]:
        """Numbers and cosines of at least k vectors of the base for each query, in any order; -1 and -2.0 pad."""
        if self.inverted is None:
            cosines = queries @ self.vectors.T
            if self.gone:
                cosines[:, list(self.gone)] = -2.0
            return _top(cosines, self.numbers, k)
        spare = min(len(self.gone), SPARE)
        _, rows = self.inverted.search(queries, k + MORE_PROPOSED + spare)
        exact = np.matmul(self.vectors[rows], queries[:, :, None])[:, :, 0]
        missing = rows < 0  # faiss pads missing neighbours with -1
        if self.gone:
            missing |= np.isin(rows, list(self.gone))
        exact[missing] = -2.0
        return np.where(missing, -1, self.numbers[rows]), exact

    def parts(self, size: int = 8192) -> Iterator[tuple[Numbers, Vectors]]:
        """Numbers (m,) and vectors (m, d) of all that stand here, some `size` at a time."""
        for numbers, vectors, gone in (
            (self.numbers, self.vectors, self.gone),
            (self.tail_numbers, self.tail_vectors, set()),
        ):
            keep = np.ones(len(numbers), dtype=bool)
            keep[list(gone)] = False
            for start in range(0, len(numbers), size):
                part = slice(start, start + size)
                if keep[part].all():  # no copy
                    yield numbers[part], vectors[part]
                else:
                    yield numbers[part][keep[part]], vectors[part][keep[part]]


def _top(cosines: Vectors, numbers: Numbers, k: int) -> tuple[Numbers, Vectors]:
    """The k best columns of each row, padded with -1 and -2.0."""
    m, n = cosines.shape
    best = np.argpartition(-cosines, k - 1, axis=1)[:, :k] if n > k else np.broadcast_to(np.arange(n), (m, n))
    found = np.full((m, k), -1, dtype=np.int64)
    values = np.full((m, k), -2.0, dtype=np.float32)
    values[:, : best.shape[1]] = np.take_along_axis(cosines, best, axis=1)
    found[:, : best.shape[1]] = np.where(values[:, : best.shape[1]] > -2.0, numbers[best], -1) if n else -1
    return found, values


def _inverted(vectors: Vectors) -> Any:
    """An inverted file over `vectors` (n, d), which are kept in half precision: they propose, and decide nothing."""
    import faiss

    n_cells = int(4 * np.sqrt(len(vectors)))
    quantizer = faiss.IndexFlatIP(vectors.shape[1])
    index = faiss.IndexIVFScalarQuantizer(
        quantizer, vectors.shape[1], n_cells, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
    )
    index.cp.max_points_per_centroid = 64
    index.cp.min_points_per_centroid = 1
    index.cp.niter = TRAINING_ROUNDS
    index.train(vectors)
    index.add(vectors)
    index.nprobe = max(LEAST_PROBED, int(PROBED * n_cells))
    return index


class NeighbourIndex:
    """The story vectors of all items, on a shelf for each slot. Similarity is cosine, so vectors must be of unit length."""

    def __init__(self, dimension: int) -> None:
        self.dimension = dimension
        self.shelves = tuple(Shelf(dimension) for _ in SLOTS)

    def __len__(self) -> int:
        return sum(map(len, self.shelves))

    @property
    def unsaved(self) -> int:
        """How many additions and removals the saved files do not hold."""
        return sum(shelf.unsaved for shelf in self.shelves)

    def add(self, numbers: Sequence[int] | Numbers, slots: Sequence[int], vectors: Vectors) -> None:
        """Add rows (n, d) under item `numbers` (n,) to their `slots` (n,). Raises ValueError for another dimension."""
        if vectors.shape != (len(numbers), self.dimension):
            raise ValueError(
                f"vectors of shape {vectors.shape} for {len(numbers)} items in an index of dimension {self.dimension}"
            )
        numbers, chosen = np.asarray(numbers, dtype=np.int64), np.asarray(slots, dtype=np.int64)
        for slot in np.unique(chosen).tolist():
            here = chosen == slot
            self.shelves[slot].add(numbers[here], np.asarray(vectors[here], dtype=np.float32))

    def remove(self, numbers: Sequence[int] | Numbers) -> None:
        """Drop the rows of `numbers`, wherever they stand."""
        for shelf in self.shelves:
            shelf.remove(np.asarray(numbers, dtype=np.int64))

    def nearest(self, queries: Vectors, slot: int, k: int) -> tuple[Numbers, Vectors]:
        """The numbers (m, k) and cosines (m, k) of the items of `slot` nearest to each query (m, d); -1 and -2.0 pad."""
        return self.shelves[slot].nearest(np.ascontiguousarray(queries, dtype=np.float32), k)

    def save(self, folder: Path, stamp: str, generation: int) -> None:
        """Write the index beside its database, atomically, and map what was written.

        `stamp` names the database and the model, `generation` the state of the vectors in it.
        """
        import faiss

        place = folder / f"neighbours.{generation}.{os.getpid()}"
        place.mkdir(exist_ok=True)
        for name, shelf in zip(SLOTS, self.shelves, strict=True):
            shelf.compact()
            np.save(place / f"{name}.numbers.npy", shelf.numbers)
            np.save(place / f"{name}.vectors.npy", shelf.vectors)
            if shelf.inverted is not None:
                faiss.write_index(shelf.inverted, str(place / f"{name}.faiss"))
        meta = {"format": FORMAT, "stamp": stamp, "generation": generation, "folder": place.name}
        part = folder / f"{FILE}.{os.getpid()}.part"
        part.write_text(json.dumps(meta), encoding="utf-8")
        for path in (*place.iterdir(), place, part):
            descriptor = os.open(path, os.O_RDONLY)
            os.fsync(descriptor)
            os.close(descriptor)
        part.replace(folder / FILE)
        self._map(place)
        for other in folder.glob("neighbours.*"):
            if other.is_dir() and other != place:
                shutil.rmtree(other, ignore_errors=True)  # who has it mapped keeps it until it lets go

    def _map(self, place: Path) -> None:
        import faiss

        for name, shelf in zip(SLOTS, self.shelves, strict=True):
            shelf.numbers = np.load(place / f"{name}.numbers.npy")
            # An array like any other, whose bytes are the file's.
            shelf.vectors = np.asarray(np.load(place / f"{name}.vectors.npy", mmap_mode="r"))
            shelf.unsaved = 0
            if shelf.vectors.shape != (len(shelf.numbers), self.dimension):
                raise ValueError(f"{place}: {name} holds {shelf.vectors.shape} vectors for {len(shelf.numbers)} items")
            if len(shelf.numbers) > EXACT_LIMIT:
                shelf.inverted = faiss.read_index(str(place / f"{name}.faiss"), faiss.IO_FLAG_MMAP)
                lists: Any = faiss.downcast_InvertedLists(shelf.inverted.invlists)
                # Each search would start 32 threads to read ahead, which takes ten times as long as to search what is in memory.
                lists.prefetch_nthread = 0
                if shelf.inverted.ntotal != len(shelf.numbers):
                    raise ValueError(f"{place}: {name}.faiss does not belong to its vectors")

    @classmethod
    def load(cls, folder: Path, dimension: int, stamp: str, newest: int) -> tuple[NeighbourIndex, int] | None:
        """The saved index and its generation; None where there is none, it is damaged, of another stamp, or newer than `newest`."""
        try:
            meta = json.loads((folder / FILE).read_text(encoding="utf-8"))
            if meta["format"] != FORMAT or meta["stamp"] != stamp or meta["generation"] > newest:
                return None
            index = cls(dimension)
            index._map(folder / meta["folder"])
        except (OSError, ValueError, KeyError, EOFError, RuntimeError, TypeError):
            return None
        return index, int(meta["generation"])
