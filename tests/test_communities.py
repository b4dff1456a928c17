"""Communities: groups of vectors that lie close together."""

from __future__ import annotations

import numpy as np
import pytest
from sentence_transformers.util import community_detection

import align.communities
from align.communities import ALL_PAIRS, alike, communities
from align.errors import InputError
from align.records import Vectors
from align.vectors import unit


def scattered(n: int, per_topic: int, spread: float, seed: int = 3) -> Vectors:
    """`n` unit vectors in 96 dimensions, some of the directions heavier than others, about `n` / `per_topic` centres, closely or up to `spread`."""
    chance = np.random.default_rng(seed)
    heavier = np.linspace(2.0, 0.5, 96)
    centres = unit((chance.standard_normal((max(n // per_topic, 1), 96)) * heavier).astype(np.float32))
    about = centres[chance.integers(len(centres), size=n)]
    spreads = spread * chance.random((n, 1))
    return unit((about + spreads * chance.standard_normal((n, 96))).astype(np.float32))


def all_pairs(views: Vectors, least: float) -> dict[tuple[int, int], float]:
    """Every pair by brute force."""
    cosines = views.astype(np.float64) @ views.T.astype(np.float64)
    left, right = np.nonzero(np.triu(cosines >= least, 1))
    return {(int(a), int(b)): float(cosines[a, b]) for a, b in zip(left, right, strict=True)}


@pytest.mark.parametrize("least", [0.5, 0.75, 0.9])
def test_every_pair_of_a_small_archive_is_found_with_its_cosine(least: float) -> None:
    """Where all rows stand in one cell, in several blocks, the pairs found are those of brute force, in order, with the same cosines."""
    views = scattered(5_000, 6, 0.06)
    found = alike(views, least)
    expected = all_pairs(views, least)
    assert len(expected) > 1_000
    assert list(zip(found.left.tolist(), found.right.tolist(), strict=True)) == sorted(expected)
    assert np.abs(found.cosines - np.array([expected[pair] for pair in sorted(expected)])).max() < 1e-6


def test_most_pairs_of_a_large_archive_are_found_and_no_other() -> None:
    """Above `ALL_PAIRS` rows cells leave a few pairs out; what is found is alike indeed, and found again the same."""
    views = scattered(ALL_PAIRS + 2_000, 6, 0.06)
    found, again = alike(views, 0.75), alike(views, 0.75)
    pairs = set(zip(found.left.tolist(), found.right.tolist(), strict=True))
    expected = all_pairs(views, 0.75)
    assert pairs <= expected.keys()
    assert len(pairs) >= 0.95 * len(expected)
    assert (found.left == again.left).all()
    assert (found.right == again.right).all()


def test_communities_hold_what_community_detection_finds() -> None:
    """Groups that lie well apart are those of sentence-transformers' community_detection on the same vectors."""
    views = scattered(2_000, 5, 0.01)
    expected = community_detection(views, threshold=0.75, min_community_size=3)
    found = communities(views, 0.75, 3)
    assert {frozenset(community.rows.tolist()) for community in found} == {frozenset(group) for group in expected}
    assert [len(community.rows) for community in found] == sorted(map(len, expected), reverse=True)


def test_a_community_lies_about_its_centre_and_shares_no_row() -> None:
    """Each member is alike its centre, nearest first; no row is in two groups; of two that are alike one at least is in a group."""
    views = scattered(3_000, 6, 0.08)
    found = communities(views, 0.75)
    for community in found:
        cosines = views[community.rows] @ views[community.rows[0]]
        assert np.abs(cosines - community.cosines).max() < 1e-5
        assert (cosines[1:] >= 0.75 - 1e-6).all()
        assert (np.diff(community.cosines[1:]) <= 0).all()
    rows = np.concatenate([community.rows for community in found])
    assert len(rows) == len(set(rows.tolist()))
    assert all({left, right} & set(rows.tolist()) for left, right in all_pairs(views, 0.75))


def test_copies_of_one_text_are_one_community() -> None:
    """Rows that are the same, in whichever cell they stand, are one group, and rows of nothing else none."""
    views = scattered(ALL_PAIRS + 500, 1, 1.0)
    views[:3_000] = views[0]
    [largest, *_] = communities(views, 0.9)
    assert sorted(largest.rows.tolist()) == list(range(3_000))


def test_a_cosine_out_of_range_is_refused() -> None:
    """Below a half and above one there is nothing to find, and the message says what to give."""
    for least in (0.2, 1.5, float("nan")):
        with pytest.raises(InputError, match=r"out of range; give one from 0\.5 to 1"):
            alike(scattered(10, 2, 0.1), least)


def test_more_pairs_than_memory_holds_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nearly everything is alike the message says to ask for more; nothing is cut off silently."""
    monkeypatch.setattr(align.communities, "MOST_PAIRS", 1_000)
    with pytest.raises(InputError, match="more than 1000 pairs"):
        alike(np.repeat(scattered(1, 1, 0.1), 50, axis=0), 0.75)


def test_no_items_have_no_communities() -> None:
    """An empty archive has none, nor has a single item."""
    assert communities(np.empty((0, 0), dtype=np.float32)) == []
    assert communities(scattered(1, 1, 0.1)) == []
