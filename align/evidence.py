"""Described texts → what pairs of them show by themselves, as numbers.

Texts that lie together are compared together: their sentences, words, numbers and names lie end to end in arrays (``align.stacks``),
and each text's pairs are read from these.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from align.describing import KEYWORDS
from align.records import Vectors
from align.stacks import PlacedPairs, Places, Stack, ranges

UNDATED = 1.0
"""Days that two items are taken to be apart where the date of one is not known: what speaks neither for one story nor against it."""
MOST_APART = 15.0
"""More days than this say no more than this many."""


def features(
    pairs: PlacedPairs, worth: Callable[[NDArray[np.float64]], NDArray[np.bool_]] | None = None
) -> NDArray[np.float64]:
    """The evidence of n `pairs`: (n, len(FEATURES)), rounded to four decimals.

    The same whichever text of a pair comes first; the pairs of one of ``pairs.ones`` stand in a row. Words take the most time: given `worth`,
    which gets the table without them, 0 in their places, they are looked at where it says so alone, and stay 0 elsewhere.

    `story`: cosine of the story views. `lead`: the better cosine of one text's lead and the other's story.
    `short_covered`, `long_covered`: how well the sentences of the shorter and of the longer text find a
    counterpart in the other, the mean of their best cosines by sentence length. `best`: the best cosine of
    two sentences. `short_words`, `long_words`: the same coverage for the heaviest words. `numbers_agree`:
    the weight of the numbers both have over that of the text that has fewer, plus one; `numbers_shared`:
    their weight through log1p. `names_agree`, `names_shared`: the same for names, by their sound (``align.sounds``).
    `time_apart`: log2(1 + days) between their publication; `undated`: 1 where the date of one is not known.
    """
    left, ones, right, others = pairs.left, pairs.ones, pairs.right, pairs.others
    found = np.zeros((len(ones), 7), dtype=np.float32)
    for one, part in _runs(ones):
        found[part, :2] = _views_alike(left, one, right, others[part])
        found[part, 2:5] = _sentences_covered(left, one, right, others[part])
    # What is of the left text and of the right is, from here on, of the shorter and of the longer.
    longer = ~pairs.are_shorter()
    found[longer, 2:4] = found[longer, 2:4][:, ::-1]
    apart, undated = times_apart(left.days.rows[ones], right.days.rows[others])
    numbers, names = (
        own.agreement(ones, other, others) for own, other in ((left.numbers, right.numbers), (left.names, right.names))
    )
    table = np.stack((*found.T, *numbers, *names, apart, undated), axis=1, dtype=np.float64).round(4)
    rows = np.arange(len(ones)) if worth is None else np.flatnonzero(worth(table))
    words = np.empty((len(rows), 2), dtype=np.float32)
    for one, part in _runs(ones[rows]):
        words[part] = _words_covered(left, one, right, others[rows[part]])
    words[longer[rows]] = words[longer[rows]][:, ::-1]
    table[rows, 5:7] = words.astype(np.float64).round(4)
    return table


def _runs(ones: Places) -> Iterator[tuple[int, slice]]:
    """Each of `ones` with the places where it stands in a row."""
    starts = np.flatnonzero(np.diff(ones, prepend=-1)).tolist()
    for start, end in itertools.pairwise([*starts, len(ones)]):
        yield int(ones[start]), slice(start, end)


def _views_alike(left: Stack, one: int, right: Stack, others: Places) -> Vectors:
    """The cosines of the stories, and the better ones of a lead with a story: (c, 2)."""
    own = left.views.rows[one]
    cosines = (right.views.rows.take(others, axis=0).reshape(-1, own.shape[1]) @ own.T).reshape(-1, 2, 2)
    return np.stack([cosines[:, 0, 0], np.maximum(cosines[:, 0, 1], cosines[:, 1, 0])], axis=1)


def _sentences_covered(left: Stack, one: int, right: Stack, others: Places) -> Vectors:
    """The weighted mean of the best cosines of a text's sentences in each of c others, of theirs in it, and the best of all: (c, 3)."""
    own = slice(left.starts.rows[one], left.starts.rows[one] + left.counts.rows[one])
    counts = right.counts.rows[others]
    rows = ranges(right.starts.rows[others], counts)
    cuts = np.cumsum(counts) - counts
    cosines = right.sentences.rows.take(rows, axis=0) @ left.sentences.rows[own].T  # (n, m)
    forward = np.maximum.reduceat(cosines, cuts, axis=0)  # (c, m)
    backward = np.add.reduceat(_best_of_each(cosines) * right.sentence_weights.rows[rows], cuts)
    covered = np.einsum("ij,j->i", forward, left.sentence_weights.rows[own])
    return np.stack([covered, backward, forward.max(axis=1)], axis=1)


def _words_covered(left: Stack, one: int, right: Stack, others: Places) -> Vectors:
    """The first two of these for the heaviest words, (c, 2). Neighbours use the same words: each is looked at once."""
    words = right.words.rows[others].ravel()
    n_pieces = right.pieces.used
    is_used = np.zeros(n_pieces, dtype=np.bool_)
    is_used[words] = True
    used = np.flatnonzero(is_used)
    place_of = np.empty(n_pieces, dtype=np.int32)
    place_of[used] = np.arange(len(used))
    places = place_of[words]
    own = left.pieces.rows.take(left.words.rows[one], axis=0)
    cosines = right.pieces.rows.take(used, axis=0) @ own.T  # (n, KEYWORDS)
    forward = cosines.take(places, axis=0).reshape(len(others), KEYWORDS, KEYWORDS).max(axis=1)
    backward = _best_of_each(cosines).take(places).reshape(len(others), KEYWORDS)
    weights = left.word_weights.rows[one], right.word_weights.rows[others]
    covered = np.einsum("ij,j->i", forward, weights[0]), np.einsum("ij,ij->i", backward, weights[1])
    return np.stack(covered, axis=1)


def _best_of_each(cosines: Vectors) -> Vectors:
    """The highest (n,) of each row, of many short ones: column by column, which is several times as fast."""
    return np.asarray(np.ascontiguousarray(cosines.T).max(axis=0))


def times_apart(
    ones: NDArray[np.float64], others: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """log2(1 + days) between moments (n,) and (n,) in days, in [0, 4]; and 1.0 where one of them is not known, nan."""
    days = np.minimum(np.abs(ones - others), MOST_APART)
    undated = np.isnan(days)
    return np.log2(1.0 + np.where(undated, UNDATED, days)), undated.astype(np.float64)
