"""Neighbours: none lost, none invented, and a saved index is the same index."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import align.index
from align.index import SLOTS, NeighbourIndex, slot_of
from align.records import Vectors


def unit_rows(count: int, seed: int, dimension: int = 32) -> Vectors:
    """Random rows of unit length."""
    rows = np.random.default_rng(seed).normal(size=(count, dimension)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def filled(vectors: Vectors, slots: list[int] | None = None) -> NeighbourIndex:
    """An index of these rows under their numbers, all in one slot if none are named."""
    index = NeighbourIndex(vectors.shape[1])
    index.add(range(len(vectors)), slots or [0] * len(vectors), vectors)
    return index


@pytest.mark.parametrize("n_queries", [20, 200])
def test_the_nearest_are_the_nearest_by_exact_cosine(n_queries: int) -> None:
    """Flat search gives the k best cosines, best first, and nothing else, for few queries and for many, removed ones left out."""
    vectors, queries = unit_rows(400, 4), unit_rows(n_queries, 5)
    index = filled(vectors)
    index.shelves[0].compact()
    gone = [0, 7, 399]
    index.remove(gone)
    numbers, cosines = index.nearest(queries, 0, 10)
    expected = queries @ vectors.T
    expected[:, gone] = -2.0
    assert numbers.tolist() == np.argsort(-expected, axis=1, kind="stable")[:, :10].tolist()
    assert cosines == pytest.approx(np.sort(expected, axis=1)[:, ::-1][:, :10], abs=1e-6)


def test_every_language_has_its_own_neighbours() -> None:
    """Sixty near copies in one language leave the one version in another to be found, and what is missing is padded."""
    centre = unit_rows(1, 1)
    rows = np.concatenate([np.repeat(centre, 60, axis=0), unit_rows(1, 2)]).astype(np.float32)
    index = filled(rows, [slot_of("en")] * 60 + [slot_of("ja")])
    numbers, cosines = index.nearest(centre, slot_of("ja"), 4)
    assert numbers.tolist() == [[60, -1, -1, -1]]
    assert cosines[0, 1:].tolist() == [-2.0] * 3
    assert slot_of("fr") == slot_of("und") == len(SLOTS) - 1


def test_the_inverted_file_finds_dense_clusters(monkeypatch: pytest.MonkeyPatch) -> None:
    """Above the exact limit at least 99% of what a flat search finds among near-identical vectors is found."""
    centres = unit_rows(20, 6)
    rows = np.repeat(centres, 60, axis=0) + 0.05 * unit_rows(1200, 7)
    vectors = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    expected, _ = filled(vectors).nearest(centres, 0, 17)
    monkeypatch.setattr(align.index, "EXACT_LIMIT", 100)
    index = filled(vectors)
    index.shelves[0].compact()
    assert index.shelves[0].inverted is not None
    found, _ = index.nearest(centres, 0, 17)
    hits = sum(len(set(a) & set(b)) for a, b in zip(found.tolist(), expected.tolist(), strict=True))
    assert hits >= 0.99 * expected.size
    index.remove(expected[0].tolist())
    assert not set(index.nearest(centres[:1], 0, 17)[0][0].tolist()) & set(expected[0].tolist())


def test_the_parts_are_the_whole() -> None:
    """Part by part a shelf gives all that stands on it, saved or new, each with its vector, and nothing removed."""
    vectors = unit_rows(50, 8)
    index = filled(vectors[:40])
    index.shelves[0].compact()
    index.add(range(40, 50), [0] * 10, vectors[40:])
    index.remove([3, 44])
    numbers, rows = (np.concatenate(columns) for columns in zip(*index.shelves[0].parts(16), strict=True))
    assert sorted(numbers.tolist()) == [number for number in range(50) if number not in (3, 44)]
    assert rows.tolist() == vectors[numbers].tolist()


def test_changes_count_as_unsaved_until_they_are_saved(tmp_path: Path) -> None:
    """Also where so many came that the shelf was put in order at once; then only what comes after."""
    vectors = unit_rows(6000, 3)
    index = filled(vectors)
    assert len(index.shelves[0].numbers) == index.unsaved == 6000
    index.save(tmp_path, "stamp", 1)
    assert index.unsaved == 0
    index.remove([5])
    index.add([6000], [1], vectors[:1])
    assert index.unsaved == 2


def test_removed_vectors_are_gone() -> None:
    """What was removed is no neighbour any more, whether saved or new, and the rest still are."""
    vectors = unit_rows(50, 8)
    index = filled(vectors)
    index.shelves[0].compact()
    index.add([50], [0], vectors[7:8])
    index.remove([7, 9])
    assert len(index) == 49
    assert index.nearest(vectors[7:8], 0, 1)[0].tolist() == [[50]]
    index.remove([50])
    assert 7 not in index.nearest(vectors[7:8], 0, 48)[0]
    assert index.nearest(vectors[8:9], 0, 1)[0].tolist() == [[8]]


def test_saved_and_loaded_is_the_same(tmp_path: Path) -> None:
    """A saved index gives the same neighbours; one with another stamp, from the future, or damaged is refused."""
    vectors = unit_rows(60, 9)
    index = filled(vectors)
    index.save(tmp_path, "stamp", 3)
    found = NeighbourIndex.load(tmp_path, 32, "stamp", 5)
    assert found is not None
    loaded, generation = found
    assert generation == 3
    assert loaded.nearest(vectors, 0, 9)[0].tolist() == index.nearest(vectors, 0, 9)[0].tolist()
    assert NeighbourIndex.load(tmp_path, 32, "another stamp", 5) is None
    assert NeighbourIndex.load(tmp_path, 32, "stamp", 2) is None
    path = next(tmp_path.glob("neighbours.*/en.vectors.npy"))
    path.write_bytes(path.read_bytes()[:-500])
    assert NeighbourIndex.load(tmp_path, 32, "stamp", 5) is None


def test_an_empty_index_has_no_neighbours() -> None:
    """Asking an empty index is allowed and finds nothing."""
    assert NeighbourIndex(32).nearest(unit_rows(2, 1), 0, 1)[0].tolist() == [[-1], [-1]]
