"""Described texts → what pairs of them show by themselves, as numbers.

Texts that lie together are compared together: their sentences, words, numbers and names are laid end to end in arrays
once, and each text's pairs are read from these.
"""

from __future__ import annotations

import itertools
import math
import mmap
import os
import tempfile
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from align.describing import KEYWORDS, Descriptions, TokenReader, number_weights
from align.records import Vectors

UNDATED = 1.0
"""Days that two items are taken to be apart where the date of one is not known: what speaks neither for one story nor against it."""
MOST_APART = 15.0
"""More days than this say no more than this many."""

SCRATCH_ROWS = 2048
"""Rows that a scratch file has room for at first."""

_KEY_BITS = 32

Places = NDArray[np.int64]


class Stack:
    """Described texts, laid end to end; each is at a place, from 0 on. `tokens` gives the vectors of the pieces.

    The vectors lie in `scratch`, a folder, in files without a name, which the system writes out where memory is short; in memory
    where none is given. One thread may add while others read what was there before.
    """

    def __init__(self, tokens: TokenReader, dimension: int, scratch: Path | None = None) -> None:
        self._tokens = tokens
        self.ids: list[str] = []
        self.shingles: list[NDArray[np.uint32]] = []
        self.langs = _Table(np.int64)
        self.days = _Table(np.float64)  # nan where it is not known
        self.lengths = _Table(np.int64)
        self.digests = _Table(np.uint64)
        self.views = _Table(np.float32, 2, dimension, scratch=scratch)  # of the story and of the lead
        self.wholes = _Table(np.float32, dimension, scratch=scratch)
        self.sentences = _Table(np.float32, dimension, scratch=scratch)
        self.sentence_weights = _Table(np.float32)
        self.counts, self.starts = _Table(np.int64), _Table(np.int64)  # of the sentences
        self.words, self.word_weights = _Table(np.int64, KEYWORDS), _Table(np.float32, KEYWORDS)  # rows of `pieces`
        self.pieces = _Table(np.float32, dimension)
        self._row_of_piece = np.empty(0, dtype=np.int64)  # -1 where there is none
        self.numbers, self.names = _Holdings(), _Holdings()

    def __len__(self) -> int:
        return len(self.ids)

    def add(self, entries: Descriptions) -> None:
        """Lay `entries` after those that are there."""
        self.ids += entries.ids
        self.shingles += entries.shingles
        for table, column in (
            (self.langs, entries.langs),
            (self.days, entries.days),
            (self.lengths, entries.lengths),
            (self.digests, entries.digests),
            (self.views, entries.views),
            (self.wholes, entries.wholes),
            (self.counts, entries.sentence_counts),
            (self.starts, self.sentences.used + np.cumsum(entries.sentence_counts) - entries.sentence_counts),
            (self.sentences, entries.sentences),
            (self.sentence_weights, entries.sentence_weights),
            (self.words, self._rows_of_pieces(entries.words)),
            (self.word_weights, entries.word_weights),
        ):
            table.add(column)
        self.numbers.add(_folded(entries.numbers), number_weights(entries.numbers), entries.number_counts)
        self.names.add(entries.names, np.ones(len(entries.names)), entries.name_counts)

    def _rows_of_pieces(self, pieces: NDArray[np.int32]) -> Places:
        """Where in `self.pieces` the unit vectors of these stand; those that are not there are added."""
        missing = int(pieces.max()) + 1 - len(self._row_of_piece)
        if missing > 0:
            self._row_of_piece = np.append(self._row_of_piece, np.full(missing, -1))
        fresh = np.unique(pieces[self._row_of_piece[pieces] < 0])
        if len(fresh):
            self._row_of_piece[fresh] = self.pieces.used + np.arange(len(fresh))
            self.pieces.add(self._tokens.unit_rows(fresh))
        return self._row_of_piece[pieces]

    def are_shorter(self, ones: Places, others: Places) -> NDArray[np.bool_]:
        """Whether each of `ones` (n,) is the shorter text of a pair; of two as long, the one with the greater id is."""
        lengths, other_lengths = self.lengths.rows[ones], self.lengths.rows[others]
        shorter = np.asarray(lengths < other_lengths)
        for row in np.flatnonzero(lengths == other_lengths).tolist():
            shorter[row] = self.ids[ones[row]] > self.ids[others[row]]
        return shorter


class _Table:
    """Rows (`used`, ...), in an array that has room for more. Those that are there stay as they are while others are added."""

    def __init__(self, kind: type[np.generic], *shape: int, scratch: Path | None = None) -> None:
        self.rows: NDArray[Any] = np.empty((0, *shape), dtype=kind)
        self.used = 0
        self._file: int | None = None
        if scratch is not None:
            self._file, name = tempfile.mkstemp(dir=scratch)
            os.unlink(name)  # it goes with the last view of it, whatever becomes of this process
            weakref.finalize(self, os.close, self._file)

    def add(self, more: ArrayLike) -> None:
        more = np.asarray(more, dtype=self.rows.dtype)
        end = self.used + len(more)
        if end > len(self.rows):
            self._grow(end)
        self.rows[self.used : end] = more
        self.used = end

    def _grow(self, needed: int) -> None:
        """Make room for more than `needed` rows. Raises OSError where the disk has none."""
        if self._file is None:
            grown = np.zeros((2 * needed, *self.rows.shape[1:]), dtype=self.rows.dtype)
            grown[: self.used] = self.rows[: self.used]
            self.rows = grown
            return
        # A longer view of the same file: nothing is copied.
        shape = (max(needed + needed // 4, SCRATCH_ROWS), *self.rows.shape[1:])
        size = math.prod(shape) * self.rows.itemsize
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(self._file, 0, size)  # without it a full disk would end the process at a write to memory
        else:
            os.truncate(self._file, size)
        self.rows = np.frombuffer(mmap.mmap(self._file, size), self.rows.dtype).reshape(shape)


def features(
    stack: Stack, ones: Places, others: Places, worth: Callable[[NDArray[np.float64]], NDArray[np.bool_]] | None = None
) -> NDArray[np.float64]:
    """The evidence of pairs (n,), (n,) of places in `stack`: (n, len(FEATURES)), rounded to four decimals.

    The same whichever text of a pair comes first; the pairs of one of `ones` stand in a row. Words take the most time: given `worth`, which
    gets the table without them, 0 in their places, they are looked at where it says so alone, and stay 0 elsewhere.

    `story`: cosine of the story views. `lead`: the better cosine of one text's lead and the other's story.
    `short_covered`, `long_covered`: how well the sentences of the shorter and of the longer text find a
    counterpart in the other, the mean of their best cosines by sentence length. `best`: the best cosine of
    two sentences. `short_words`, `long_words`: the same coverage for the heaviest words. `numbers_agree`:
    the weight of the numbers both have over that of the text that has fewer, plus one; `numbers_shared`:
    their weight through log1p. `names_agree`, `names_shared`: the same for names, by their sound (``align.sounds``).
    `time_apart`: log2(1 + days) between their publication; `undated`: 1 where the date of one is not known.
    """
    found = np.zeros((len(ones), 7), dtype=np.float32)
    for one, part in _runs(ones):
        found[part, :2] = _views_alike(stack, one, others[part])
        found[part, 2:5] = _sentences_covered(stack, one, others[part])
    # What is of the left text and of the right is, from here on, of the shorter and of the longer.
    longer = ~stack.are_shorter(ones, others)
    found[longer, 2:4] = found[longer, 2:4][:, ::-1]
    apart, undated = times_apart(stack.days.rows[ones], stack.days.rows[others])
    columns = (*stack.numbers.agreement(ones, others), *stack.names.agreement(ones, others), apart, undated)
    table = np.stack((*found.T, *columns), axis=1, dtype=np.float64).round(4)
    rows = np.arange(len(ones)) if worth is None else np.flatnonzero(worth(table))
    words = np.empty((len(rows), 2), dtype=np.float32)
    for one, part in _runs(ones[rows]):
        words[part] = _words_covered(stack, one, others[rows[part]])
    words[longer[rows]] = words[longer[rows]][:, ::-1]
    table[rows, 5:7] = words.astype(np.float64).round(4)
    return table


def _runs(ones: Places) -> Iterator[tuple[int, slice]]:
    """Each of `ones` with the places where it stands in a row."""
    starts = np.flatnonzero(np.diff(ones, prepend=-1)).tolist()
    for start, end in itertools.pairwise([*starts, len(ones)]):
        yield int(ones[start]), slice(start, end)


def _views_alike(stack: Stack, one: int, others: Places) -> Vectors:
    """The cosines of the stories, and the better ones of a lead with a story: (c, 2)."""
    own = stack.views.rows[one]
    cosines = (stack.views.rows.take(others, axis=0).reshape(-1, own.shape[1]) @ own.T).reshape(-1, 2, 2)
    return np.stack([cosines[:, 0, 0], np.maximum(cosines[:, 0, 1], cosines[:, 1, 0])], axis=1)


def _sentences_covered(stack: Stack, one: int, others: Places) -> Vectors:
    """The weighted mean of the best cosines of a text's sentences in each of c others, of theirs in it, and the best of all: (c, 3)."""
    own = slice(stack.starts.rows[one], stack.starts.rows[one] + stack.counts.rows[one])
    counts = stack.counts.rows[others]
    rows = ranges(stack.starts.rows[others], counts)
    cuts = np.cumsum(counts) - counts
    cosines = stack.sentences.rows.take(rows, axis=0) @ stack.sentences.rows[own].T  # (n, m)
    forward = np.maximum.reduceat(cosines, cuts, axis=0)  # (c, m)
    backward = np.add.reduceat(_best_of_each(cosines) * stack.sentence_weights.rows[rows], cuts)
    covered = np.einsum("ij,j->i", forward, stack.sentence_weights.rows[own])
    return np.stack([covered, backward, forward.max(axis=1)], axis=1)


def _words_covered(stack: Stack, one: int, others: Places) -> Vectors:
    """The first two of these for the heaviest words, (c, 2). Neighbours use the same words: each is looked at once."""
    words = stack.words.rows[others].ravel()
    is_used = np.zeros(stack.pieces.used, dtype=np.bool_)
    is_used[words] = True
    used = np.flatnonzero(is_used)
    place_of = np.empty(stack.pieces.used, dtype=np.int32)
    place_of[used] = np.arange(len(used))
    places = place_of[words]
    pieces = stack.pieces.rows
    cosines = pieces.take(used, axis=0) @ pieces.take(stack.words.rows[one], axis=0).T  # (n, KEYWORDS)
    forward = cosines.take(places, axis=0).reshape(len(others), KEYWORDS, KEYWORDS).max(axis=1)
    backward = _best_of_each(cosines).take(places).reshape(len(others), KEYWORDS)
    weights = stack.word_weights.rows
    covered = np.einsum("ij,j->i", forward, weights[one]), np.einsum("ij,ij->i", backward, weights[others])
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


def _folded(values: NDArray[np.float64]) -> NDArray[np.uint32]:
    """Numbers (n,) as 32 bits each, by multiplicative hashing (Knuth, The Art of Computer Programming 3, 6.4)."""
    return (values.view(np.uint64) * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(_KEY_BITS)).astype(np.uint32)


class _Holdings:
    """Which texts hold what, given by keys of 32 bits, each with a weight."""

    def __init__(self) -> None:
        self._keys, self._weights = _Table(np.int64), _Table(np.float64)  # of the texts, end to end
        self._codes = _Table(np.int64)  # of text and key, sorted
        self._counts, self._starts = _Table(np.int64), _Table(np.int64)
        self._whole = _Table(np.float64)

    def add(self, keys: NDArray[np.uint32], weights: NDArray[np.float64], counts: Places) -> None:
        """Note what the next texts hold, no text anything twice: `counts` (n,) of the `keys` (m,) with their `weights` (m,) each."""
        texts = np.repeat(np.arange(len(counts)), counts)
        self._whole.add(np.bincount(texts, weights, len(counts)))
        self._codes.add(np.sort((self._counts.used + texts << _KEY_BITS) + keys))
        self._starts.add(self._keys.used + np.cumsum(counts) - counts)
        self._counts.add(counts)
        self._keys.add(keys)
        self._weights.add(weights)

    def agreement(self, ones: Places, others: Places) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The weight (n,) of what both of a pair hold over that of who holds less, plus one; and through log1p."""
        counts = self._counts.rows[ones]
        pairs = np.repeat(np.arange(len(ones)), counts)
        held = ranges(self._starts.rows[ones], counts)
        asked = (others[pairs] << _KEY_BITS) + self._keys.rows[held]
        used = self._codes.used
        codes = self._codes.rows[:used]  # asked for after `used`, so that the rows are there
        is_shared = np.zeros(len(asked), dtype=np.bool_)
        if used:
            is_shared = codes[np.searchsorted(codes, asked).clip(max=used - 1)] == asked
        shared = np.bincount(pairs[is_shared], self._weights.rows[held[is_shared]], len(ones))
        whole = self._whole.rows
        return shared / (np.minimum(whole[ones], whole[others]) + 1.0), np.log1p(shared)


def ranges(starts: Places, counts: Places) -> Places:
    """The integers from each of `starts` (n,) on, `counts` (n,) of them, end to end."""
    return np.repeat(starts - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())
