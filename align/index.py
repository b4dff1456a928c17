"""Vectors → neighbours. The only file that imports faiss.

The index proposes, exact cosine decides: whatever the index returns is scored again from the
vectors themselves. Up to `EXACT_LIMIT` vectors the index is flat and misses nothing; above, it is an
HNSW graph (Malkov & Yashunin 2018), asked for ever more neighbours until the last one
falls below the floor, so that 300 copies of a text are 300 neighbours.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from align.records import Vectors

EXACT_LIMIT = 60_000
HNSW_LINKS = 32
HNSW_BREADTH = 200
FIRST_ASK = 64
GONE = -1
"""The owner of a row that was dropped and still stands in the graph."""
MOST_GONE = 0.2
"""Share of dropped rows above which the graph is built anew."""
FORMAT = 2
FILE = "neighbours.npz"


class NeighbourIndex:
    """Vectors under integer keys; one key may own several vectors (a story, its lead).

    Row i of the index belongs to ``owners[i]``. Similarity is cosine, so vectors must be of unit length.
    """

    def __init__(self, dimension: int) -> None:
        self.dimension = dimension
        self._rows: Vectors = np.empty((0, dimension), dtype=np.float32)  # with room at the end
        self.owners: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self._faiss: Any = None

    def __len__(self) -> int:
        return len(self.owners)

    @property
    def vectors(self) -> Vectors:
        """(n, d) float32, row i of the index."""
        return self._rows[: len(self.owners)]

    def add(self, owners: Sequence[int] | NDArray[np.int64], vectors: Vectors) -> None:
        """Add rows (n, d) that belong to `owners` (n,). Raises ValueError for another dimension."""
        if vectors.shape != (len(owners), self.dimension):
            raise ValueError(
                f"vectors of shape {vectors.shape} for {len(owners)} owners in an index of dimension {self.dimension}"
            )
        start, end = len(self), len(self) + len(owners)
        if end > len(self._rows):
            grown = np.empty((max(end, len(self._rows) * 5 // 4), self.dimension), dtype=np.float32)
            grown[:start] = self.vectors
            self._rows = grown
        self._rows[start:end] = vectors
        self.owners = np.concatenate([self.owners, np.asarray(owners, dtype=np.int64)])
        if self._faiss is not None and self._is_exact(self._faiss) == (len(self) <= EXACT_LIMIT):
            self._faiss.add(np.ascontiguousarray(vectors, dtype=np.float32))
        else:
            self._faiss = None

    def remove(self, owners: Sequence[int]) -> None:
        """Drop every row of `owners`. The graph has no removal: its rows lose their owner, until a fifth of them has."""
        keep = ~np.isin(self.owners, np.asarray(owners, dtype=np.int64))
        if keep.all():
            return
        if self._faiss is not None and not self._is_exact(self._faiss):
            self.owners = np.where(keep, self.owners, GONE)
            keep = self.owners != GONE
            if keep.mean() > 1.0 - MOST_GONE:
                return
        self._rows, self.owners, self._faiss = self._rows[: len(self)][keep], self.owners[keep], None

    @staticmethod
    def _is_exact(index: Any) -> bool:
        return "Flat" in type(index).__name__ and "HNSW" not in type(index).__name__

    def _built(self) -> Any:
        import faiss

        if self._faiss is None:
            if len(self) <= EXACT_LIMIT:
                self._faiss = faiss.IndexFlatIP(self.dimension)
            else:
                self._faiss = faiss.IndexHNSWFlat(self.dimension, HNSW_LINKS, faiss.METRIC_INNER_PRODUCT)
                self._faiss.hnsw.efConstruction = HNSW_BREADTH
            self._faiss.add(self.vectors)
        return self._faiss

    def neighbours(
        self, queries: Vectors, floor: float, nearest: int | None = None, always: float = 1.0
    ) -> list[dict[int, float]]:
        """For each query (n, d): every owner with a vector at cosine >= `floor` (inclusive), and its best cosine.

        With `nearest`, only so many owners, the nearest, and besides them every one at cosine >= `always`
        (inclusive), however many: 300 copies of a text are 300 neighbours. Exact up to EXACT_LIMIT rows. Above, a
        neighbour can be missed by the graph, never invented: cosines are computed from the vectors.
        """
        found: list[dict[int, float]] = [{} for _ in range(len(queries))]
        if not len(self) or not len(queries):
            return found
        index = self._built()
        queries = np.ascontiguousarray(queries, dtype=np.float32)
        waiting = np.arange(len(queries))
        ask = min(FIRST_ASK, len(self))
        while len(waiting):
            if not self._is_exact(index):
                index.hnsw.efSearch = max(HNSW_BREADTH, 2 * ask)
            unfinished: list[int] = []
            for start in range(0, len(waiting), 1024):
                part = waiting[start : start + 1024]
                _, rows = index.search(queries[part], ask)
                for query, row in zip(part, rows, strict=True):
                    row = row[row >= 0]  # faiss pads missing neighbours with -1
                    cosines = self.vectors[row] @ queries[query]
                    # An owner may have both of its vectors among the rows, so twice `nearest` rows hold `nearest` owners.
                    enough = nearest is not None and ask >= 2 * nearest and len(row) and cosines[-1] < always
                    if ask < len(self) and len(row) and cosines[-1] >= floor and not enough:
                        unfinished.append(int(query))
                        continue
                    best: dict[int, float] = {}
                    for owner, cosine in zip(self.owners[row].tolist(), cosines.tolist(), strict=True):
                        if cosine >= floor and owner != GONE:
                            best[owner] = max(cosine, best.get(owner, -1.0))
                    if nearest is not None and len(best) > nearest:
                        ranked = sorted(best.items(), key=lambda entry: (-entry[1], entry[0]))
                        best = {
                            owner: cosine
                            for at, (owner, cosine) in enumerate(ranked)
                            if at < nearest or cosine >= always
                        }
                    found[query] = best
            waiting = np.asarray(unfinished, dtype=np.int64)
            ask = min(4 * ask, len(self))
        return found

    def save(self, folder: Path, stamp: str, generation: int) -> None:
        """Write the index beside its database, atomically.

        `stamp` names the database and the model, `generation` the state of the vectors in it.
        """
        import faiss

        part = folder / f"neighbours.{os.getpid()}.part"
        graph = faiss.serialize_index(self._built()) if len(self) > EXACT_LIMIT else np.empty(0, dtype=np.uint8)
        with part.open("wb") as handle:
            np.savez(handle, format=np.array(FORMAT), stamp=np.array(stamp), generation=np.array(generation), owners=self.owners, vectors=self.vectors, graph=graph)  # fmt: skip
            handle.flush()
            os.fsync(handle.fileno())
        part.replace(folder / FILE)

    @classmethod
    def load(cls, folder: Path, dimension: int, stamp: str, newest: int) -> tuple[NeighbourIndex, int] | None:
        """The saved index and its generation; None where there is none, it is damaged, of another stamp, or newer than `newest`."""
        import zipfile

        path = folder / FILE
        if not path.exists():
            return None
        try:
            with path.open("rb") as handle, np.load(handle) as kept:
                generation = int(kept["generation"])
                if int(kept["format"]) != FORMAT or str(kept["stamp"]) != stamp or generation > newest:
                    return None
                index = cls(dimension)
                index.add(kept["owners"], kept["vectors"])
                if len(kept["graph"]):
                    import faiss

                    index._faiss = faiss.deserialize_index(kept["graph"])
                return index, generation
        except (OSError, ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile):
            return None
