"""Pairs → comparisons: a patch of items that lie together at a time, several patches at once."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from align.comparison_rows import FoundPairs, joined, pack_copy, whole_features
from align.describing import TokenReader
from align.description_rows import DescriptionRows, Progress
from align.neighbourhoods import Numbers, Pairs
from align.records import Kind, Vectors
from align.relations import weigh
from align.stacks import PlacedPairs, Places
from align.threads import at_once
from align.verifier import FEATURES, FLOOR_LOGIT, load_verifier

TOGETHER = 64
"""So many items are compared with their neighbours at a time."""
PATCH = 400
"""About so many items that lie together are compared in a row, so that most of their neighbours are in memory."""


def compare_pairs(
    descriptions: DescriptionRows,
    pairs: Pairs,
    sharing: Pairs,
    numbers: Numbers,
    views: Vectors,
    tokens: TokenReader,
    dimension: int,
    progress: Progress | None,
) -> FoundPairs | None:
    """Compare `pairs` by the items' `descriptions`, of which a shared key proposed `sharing`; returns those that are kept."""
    size = int(max(pairs.max(initial=0), numbers.max(initial=0))) + 1
    place_of = np.zeros(size, dtype=np.int64)
    place_of[numbers[_in_patches(views)]] = np.arange(1, len(numbers) + 1)
    lows, highs = np.divmod(np.unique(_pair_keys(pairs[:, 0], pairs[:, 1], size)), size)
    # A pair is worked on with a waiting item, the one in the later patch: the other is likely in memory.
    later = place_of[lows] > place_of[highs]
    lefts, rights = np.where(later, lows, highs), np.where(later, highs, lows)
    order = np.lexsort((rights, place_of[lefts]))
    lefts, rights = lefts[order], rights[order]
    by_key = np.isin(_pair_keys(lefts, rights, size), _pair_keys(sharing[:, 0], sharing[:, 1], size))
    starts = np.flatnonzero(np.diff(lefts, prepend=-1))[::TOGETHER].tolist()

    def patch(start: int, end: int) -> Callable[[], list[FoundPairs]]:
        """What compares the pairs from `start` to `end`, all of it in memory."""
        part = slice(start, end)
        own, places = np.unique(np.concatenate([lefts[part], rights[part]]), return_inverse=True)
        stack, at = descriptions.stacked(own.tolist(), tokens, dimension)
        ones, others = at[places].reshape(2, -1)
        return partial(_compared, PlacedPairs(stack, ones, stack, others), lefts[part], rights[part], by_key[part])

    patches = (patch(start, end) for start, end in itertools.pairwise([*starts, len(lefts)]))
    found: list[FoundPairs] = []
    for done, parts in enumerate(at_once(patches), 1):
        found += parts
        if progress and done % 10 == 0:
            progress(f"{min(done * TOGETHER, len(numbers))} of {len(numbers)} items compared")
    return joined(found) if found else None


def _compared(pairs: PlacedPairs, lefts: Numbers, rights: Numbers, by_key: NDArray[np.bool_]) -> list[FoundPairs]:
    """The comparisons that are kept of n `pairs`, whose items have the numbers `lefts` (n,) and `rights` (n,)."""
    alike = pairs.are_identical()
    found: list[tuple[Places, NDArray[np.float64], NDArray[np.int32], dict[int, bytes]]] = []
    # Of 300 copies no pair needs more evidence than that.
    if len(same := np.flatnonzero(alike & by_key)):
        features = np.zeros((len(same), len(FEATURES)), dtype=np.int32)
        exact = pack_copy((Kind.EXACT, 1.0, ()))
        found.append((same, np.full(len(same), -FLOOR_LOGIT), features, dict.fromkeys(range(len(same)), exact)))
    if len(distinct := np.flatnonzero(~alike)):
        table, logits, copies = weigh(pairs.at(distinct), load_verifier(), FLOOR_LOGIT)
        keep = logits > FLOOR_LOGIT
        keep[list(copies)] = True
        kept = np.flatnonzero(keep)
        overlaps = {row: pack_copy(copies[place]) for row, place in enumerate(kept.tolist()) if place in copies}
        if len(kept):
            found.append((distinct[kept], logits[kept], whole_features(table[kept]), overlaps))
    parts = []
    for rows, logits, features, overlaps in found:
        own = pairs.at(rows)
        one, other, is_second = own.ones, own.others, own.are_second()
        a, b = np.where(is_second, (rights[rows], lefts[rows]), (lefts[rows], rights[rows]))
        lang_a, lang_b = own.left.langs.rows[np.where(is_second, (other, one), (one, other))]
        similarity = np.einsum("ij,ij->i", own.left.wholes.rows[one], own.right.wholes.rows[other])
        parts.append(FoundPairs(a, b, lang_a, lang_b, logits, similarity, by_key[rows], features, overlaps))
    return parts


def _pair_keys(ones: Numbers, others: Numbers, size: int) -> Numbers:
    return np.minimum(ones, others) * size + np.maximum(ones, others)


def _in_patches(views: Vectors) -> Numbers:
    """An order (n,) of the rows of `views` (n, d) in which what lies together comes together.

    Each row goes to the nearest of a few evenly drawn ones, and these follow one another along the direction in
    which they differ most. It decides how often a vector is read, and nothing else.
    """
    centres = views[:: max(PATCH, 1)]
    if len(centres) < 2:
        return np.arange(len(views))
    along = np.linalg.svd(centres - centres.mean(axis=0), full_matrices=False)[2][0]
    centres = centres[np.argsort(centres @ along)]
    nearest = np.concatenate(
        [(views[start : start + 4096] @ centres.T).argmax(axis=1) for start in range(0, len(views), 4096)]
    )
    return np.argsort(nearest, kind="stable")
