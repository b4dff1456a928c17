"""Neighbours: none lost, none invented, and a saved index is the same index."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import align.index
from align.index import NeighbourIndex
from align.records import Vectors


def unit_rows(count: int, seed: int, dimension: int = 32) -> Vectors:
    """Random rows of unit length."""
    rows = np.random.default_rng(seed).normal(size=(count, dimension)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def filled(vectors: Vectors) -> NeighbourIndex:
    """An index of these rows, owned by their numbers."""
    index = NeighbourIndex(vectors.shape[1])
    index.add(range(len(vectors)), vectors)
    return index


def test_all_of_three_hundred_copies_are_neighbours() -> None:
    """A query among 300 near-identical vectors gets all 300, not the first hundred."""
    centre = unit_rows(1, 1)
    copies = centre + 0.01 * unit_rows(300, 2)
    copies /= np.linalg.norm(copies, axis=1, keepdims=True)
    index = filled(np.concatenate([copies, unit_rows(500, 3)]).astype(np.float32))
    (found,) = index.neighbours(centre, 0.9)
    assert set(range(300)) <= found.keys()


def test_similarities_are_exact_cosines_down_to_the_floor() -> None:
    """Every neighbour has its true cosine, and everything at or above the floor is there."""
    vectors, queries = unit_rows(400, 4), unit_rows(20, 5)
    cosines = queries @ vectors.T
    for row, found in zip(cosines, filled(vectors).neighbours(queries, 0.2), strict=True):
        assert found.keys() == set(np.flatnonzero(row >= 0.2).tolist())
        assert all(found[number] == pytest.approx(row[number], abs=1e-6) for number in found)


def test_the_graph_finds_dense_clusters(monkeypatch: pytest.MonkeyPatch) -> None:
    """Above the exact limit the graph still finds at least 99% of what a flat search finds among near-identical vectors."""
    centres = unit_rows(20, 6)
    rows = np.repeat(centres, 60, axis=0) + 0.05 * unit_rows(1200, 7)
    vectors = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    expected = filled(vectors).neighbours(centres, 0.8)
    monkeypatch.setattr(align.index, "EXACT_LIMIT", 100)
    found = filled(vectors).neighbours(centres, 0.8)
    hits = sum(len(a.keys() & b.keys()) for a, b in zip(found, expected, strict=True))
    assert hits >= 0.99 * sum(map(len, expected))


def test_removed_vectors_are_gone() -> None:
    """What was removed is no neighbour any more, and the rest still are."""
    vectors = unit_rows(50, 8)
    index = filled(vectors)
    index.remove([7, 9])
    found = index.neighbours(vectors[[7, 8]], 0.99)
    assert 7 not in found[0]
    assert 8 in found[1]


def test_saved_and_loaded_is_the_same(tmp_path: Path) -> None:
    """A saved index gives the same neighbours; one with another stamp, from the future, or damaged is refused."""
    vectors = unit_rows(60, 9)
    index = filled(vectors)
    index.save(tmp_path, "stamp", 3)
    found = NeighbourIndex.load(tmp_path, 32, "stamp", 5)
    assert found is not None
    loaded, generation = found
    assert generation == 3
    assert loaded.neighbours(vectors, 0.1) == index.neighbours(vectors, 0.1)
    assert NeighbourIndex.load(tmp_path, 32, "another stamp", 5) is None
    assert NeighbourIndex.load(tmp_path, 32, "stamp", 2) is None
    path = tmp_path / "neighbours.npz"
    path.write_bytes(path.read_bytes()[:-500])
    assert NeighbourIndex.load(tmp_path, 32, "stamp", 5) is None


def test_an_empty_index_has_no_neighbours() -> None:
    """Asking an empty index is allowed and finds nothing."""
    assert NeighbourIndex(32).neighbours(unit_rows(2, 1), 0.0) == [{}, {}]
