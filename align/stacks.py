"""Described texts, laid end to end in arrays, so that what lies together is compared together.

The arrays lie in memory, or in files that several processes map: one appends, and what was appended once stays as it is.
"""

from __future__ import annotations

import math
import mmap
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from align.describing import KEYWORDS, Descriptions, TokenReader, number_weights

FILE_ROWS = 2048
"""Rows that a file has room for at first."""
ID_BYTES = 40
"""Bytes of an item's id, at most."""

_KEY_BITS = 32

Places: TypeAlias = NDArray[np.int64]


class Stack:
    """Described texts, laid end to end; each is at a place, from 0 on. `tokens` gives the vectors of the pieces.

    With a `folder` the tables are files in it, which the system writes out where memory is short; without, they are in memory. A stack that is
    not `writable` maps what is there and reads it. One thread may add while others read what was there before.
    """

    def __init__(self, tokens: TokenReader, dimension: int, folder: Path | None = None, writable: bool = True) -> None:
        """Nothing is there yet: of a folder's files ``show`` shows the texts."""
        self._tokens = tokens
        self._tables: dict[str, _Table] = {}

        def table(name: str, kind: str, *shape: int) -> _Table:
            file = None if folder is None else folder / f"{name}.bin"
            self._tables[name] = _Table(np.dtype(kind), shape, file, writable)
            return self._tables[name]

        self.ids = table("ids", f"S{ID_BYTES}")
        self.items = table("items", "i8")  # their numbers, where they have one
        self.langs = table("langs", "i8")
        self.days = table("days", "f8")  # nan where it is not known
        self.lengths = table("lengths", "i8")
        self.digests = table("digests", "u8")
        self.views = table("views", "f4", 2, dimension)  # of the story and of the lead
        self.wholes = table("wholes", "f4", dimension)
        self.counts, self.starts = table("counts", "i8"), table("starts", "i8")  # of the sentences
        self.sentences = table("sentences", "f4", dimension)
        self.sentence_weights = table("sentence_weights", "f4")
        self.words, self.word_weights = (
            table("words", "i8", KEYWORDS),  # rows of `pieces`
            table("word_weights", "f4", KEYWORDS),
        )
        self.pieces = table("pieces", "f4", dimension)
        self._piece_ids = table("piece_ids", "i4")
        self._row_of_piece = np.empty(0, dtype=np.int64)  # -1 where there is none
        self._shingle_ends = table("shingle_ends", "i8")
        self._shingles = table("shingles", "u4")
        self.numbers, self.names = Holdings("numbers", table), Holdings("names", table)

    def __len__(self) -> int:
        return self.ids.used

    def sizes(self) -> dict[str, int]:
        """How many rows each table has."""
        return {name: table.used for name, table in self._tables.items()}

    def show(self, sizes: dict[str, int]) -> None:
        """Have as many rows of each table as `sizes` says. Raises ValueError where a file has fewer, OSError where it is not there."""
        for name, table in self._tables.items():
            table.show(sizes[name])
        self._row_of_piece = np.empty(0, dtype=np.int64)
        self._note_pieces(self._piece_ids.rows[: self._piece_ids.used], 0)

    def flush(self) -> None:
        """Have the disk hold what was added."""
        for table in self._tables.values():
            table.flush()

    def add(self, entries: Descriptions, numbers: Sequence[int] | None = None) -> None:
        """Lay `entries`, of items that have these `numbers`, after those that are there.

        Raises ValueError for an id that is too long, OSError where the disk is full.
        """
        ids = [own.encode() for own in entries.ids]
        if too_long := [own for own in ids if len(own) > ID_BYTES]:
            raise ValueError(f"an id of {len(too_long[0])} bytes; at most {ID_BYTES} have room")
        for table, column in (
            (self.items, np.full(len(ids), -1) if numbers is None else numbers),
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
            (self._shingle_ends, self._shingles.used + np.cumsum(list(map(len, entries.shingles)))),
            (self._shingles, np.concatenate(entries.shingles)),
        ):
            table.add(column)
        self.numbers.add(_folded(entries.numbers), number_weights(entries.numbers), entries.number_counts)
        self.names.add(entries.names, np.ones(len(entries.names)), entries.name_counts)
        self.ids.add(np.array(ids, dtype=self.ids.rows.dtype))

    def _rows_of_pieces(self, pieces: NDArray[np.int32]) -> Places:
        """Where in `self.pieces` the unit vectors of these stand; those that are not there are added."""
        known = np.zeros(int(pieces.max()) + 1, dtype=np.bool_)
        held = self._row_of_piece[: len(known)]
        known[: len(held)] = held >= 0
        fresh = np.unique(pieces[~known[pieces]])
        if len(fresh):
            first = self.pieces.used
            self.pieces.add(self._tokens.unit_rows(fresh))
            self._piece_ids.add(fresh)
            self._note_pieces(fresh, first)
        return self._row_of_piece[pieces]

    def _note_pieces(self, pieces: NDArray[np.int32], first: int) -> None:
        """These pieces stand in `self.pieces` from the row `first` on."""
        missing = int(pieces.max(initial=-1)) + 1 - len(self._row_of_piece)
        self._row_of_piece = np.append(self._row_of_piece, np.full(max(missing, 0), -1))
        self._row_of_piece[pieces] = first + np.arange(len(pieces))

    def id_at(self, place: int) -> str:
        """The id of the text at a place."""
        return bytes(self.ids.rows[place]).decode()

    def shingles_at(self, place: int) -> NDArray[np.uint32]:
        """The shingles of the text at a place, sorted."""
        start = self._shingle_ends.rows[place - 1] if place else 0
        shingles: NDArray[np.uint32] = self._shingles.rows[start : self._shingle_ends.rows[place]]
        return shingles


@dataclass(frozen=True, eq=False)
class PlacedPairs:
    """n pairs of texts: one at each of the places `ones` (n,) of `left`, the other at each of `others` (n,) of `right`, which may be the same stack."""

    left: Stack
    ones: Places
    right: Stack
    others: Places

    def __len__(self) -> int:
        return len(self.ones)

    def at(self, rows: NDArray[Any]) -> PlacedPairs:
        """Some of the pairs, by number or by mask."""
        return PlacedPairs(self.left, self.ones[rows], self.right, self.others[rows])

    def are_identical(self) -> NDArray[np.bool_]:
        """Whether the two texts of each pair have the same body."""
        return np.asarray(self.left.digests.rows[self.ones] == self.right.digests.rows[self.others])

    def are_second(self) -> NDArray[np.bool_]:
        """Whether the left one of each pair has the greater id."""
        return np.asarray(self.left.ids.rows[self.ones] > self.right.ids.rows[self.others])

    def are_shorter(self) -> NDArray[np.bool_]:
        """Whether the left text of each pair is the shorter one; of two as long, the one with the greater id is."""
        lengths, other_lengths = self.left.lengths.rows[self.ones], self.right.lengths.rows[self.others]
        return np.asarray((lengths < other_lengths) | (lengths == other_lengths) & self.are_second())


class _Table:
    """Rows (`used`, ...), in an array that has room for more. Those that are there stay as they are while others are added."""

    def __init__(self, kind: np.dtype[Any], shape: tuple[int, ...], file: Path | None, writable: bool) -> None:
        self.rows: NDArray[Any] = np.empty((0, *shape), dtype=kind)
        self.used = 0
        self._row_bytes = math.prod(shape) * kind.itemsize
        self._file, self._writable = file, writable
        self._map: mmap.mmap | None = None
        self._unwritten = 0  # the first row that the disk need not hold yet

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
        size = max(needed + needed // 4, FILE_ROWS) * self._row_bytes
        with self._file.open("ab") as file:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(
                    file.fileno(), 0, size
                )  # without it a full disk would end the process at a write to memory
            else:
                os.truncate(file.fileno(), size)
        self._see(self._file)

    def _see(self, path: Path) -> None:
        """Map the file as long as it is now; what was mapped before is not copied. Raises OSError where there is none."""
        self.flush()
        with path.open("r+b" if self._writable else "rb") as file:
            n_rows = os.fstat(file.fileno()).st_size // self._row_bytes
            access = mmap.ACCESS_WRITE if self._writable else mmap.ACCESS_READ
            self._map = mmap.mmap(file.fileno(), n_rows * self._row_bytes, access=access) if n_rows else None
        self.rows = np.frombuffer(self._map or b"", self.rows.dtype).reshape(-1, *self.rows.shape[1:])

    def show(self, used: int) -> None:
        """Have `used` rows. Raises ValueError where the file has fewer, OSError where there is none."""
        if used > len(self.rows) and self._file is not None:
            self._see(self._file)
        if used > len(self.rows):
            raise ValueError(f"{self._file}: {len(self.rows)} rows, {used} are asked for")
        self.used = self._unwritten = used

    def flush(self) -> None:
        if self._map is not None and self._unwritten < self.used:
            first = self._unwritten * self._row_bytes // mmap.PAGESIZE * mmap.PAGESIZE
            self._map.flush(first, self.used * self._row_bytes - first)
        self._unwritten = self.used


def _folded(values: NDArray[np.float64]) -> NDArray[np.uint32]:
    """Numbers (n,) as 32 bits each, by multiplicative hashing (Knuth, The Art of Computer Programming 3, 6.4)."""
    return (values.view(np.uint64) * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(_KEY_BITS)).astype(np.uint32)


class Holdings:
    """Which texts hold what, given by keys of 32 bits, each with a weight."""

    def __init__(self, name: str, table: Callable[..., _Table]) -> None:
        self._keys, self._weights = (
            table(f"{name}_keys", "i8"),
            table(f"{name}_weights", "f8"),
        )  # of the texts, end to end
        self._codes = table(f"{name}_codes", "i8")  # of text and key, sorted
        self._counts, self._starts = table(f"{name}_counts", "i8"), table(f"{name}_starts", "i8")
        self._whole = table(f"{name}_whole", "f8")

    def add(self, keys: NDArray[np.uint32], weights: NDArray[np.float64], counts: Places) -> None:
        """Note what the next texts hold, no text anything twice: `counts` (n,) of the `keys` (m,) with their `weights` (m,) each."""
        texts = np.repeat(np.arange(len(counts)), counts)
        self._whole.add(np.bincount(texts, weights, len(counts)))
        self._codes.add(np.sort((self._counts.used + texts << _KEY_BITS) + keys))
        self._starts.add(self._keys.used + np.cumsum(counts) - counts)
        self._counts.add(counts)
        self._keys.add(keys)
        self._weights.add(weights)

    def agreement(
        self, ones: Places, other: Holdings, others: Places
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The weight (n,) of what both of a pair hold, the second in `other`, over that of who holds less, plus one; and through log1p."""
        counts = self._counts.rows[ones]
        pairs = np.repeat(np.arange(len(ones)), counts)
        held = ranges(self._starts.rows[ones], counts)
        asked = (others[pairs] << _KEY_BITS) + self._keys.rows[held]
        used = other._codes.used
        codes = other._codes.rows[:used]  # asked for after `used`, so that the rows are there
        is_shared = np.zeros(len(asked), dtype=np.bool_)
        if used:
            is_shared = codes[np.searchsorted(codes, asked).clip(max=used - 1)] == asked
        shared = np.bincount(pairs[is_shared], self._weights.rows[held[is_shared]], len(ones))
        return shared / (np.minimum(self._whole.rows[ones], other._whole.rows[others]) + 1.0), np.log1p(shared)


def ranges(starts: Places, counts: Places) -> Places:
    """The integers from each of `starts` (n,) on, `counts` (n,) of them, end to end."""
    return np.repeat(starts - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())
