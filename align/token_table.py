"""The rows of a static model: one vector a token, and one a bigram.

Word order is what a sum of token vectors cannot hold. A *bigram* is two tokens of one text that stand side by side, or with one between (a skip-bigram; Guthrie et
al. 2006, "A Closer Look at Skip-gram Modelling", section 2); those that training saw most often have a row of their own, which is added to the text's sum
wherever they stand (Wang & Manning 2012, "Baselines and Bigrams", has the same idea for linear classifiers).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from align.errors import InputError
from align.records import Vectors

_POSITIVE = np.array([0.1284, 0.3881, 0.6568, 0.9424, 1.2562, 1.6181, 2.0690, 2.7326], dtype=np.float32)
LEVELS = np.concatenate([-_POSITIVE[::-1], _POSITIVE])
"""The values that four bits stand for, times a row's scale: those that lose least of a normal distribution (Max 1960, "Quantizing for Minimum Distortion", table I, 16 levels)."""
REACH = 2
"""Tokens from a bigram's first to its second, at most."""
SLOT_BITS = 20
"""A bigram's place is a number of so many bits, and no two in a model share one: see `slots_of`."""
_SPREAD = np.uint64(0x9E3779B97F4A7C15)
"""2 to the power of 64 over the golden ratio: Knuth 1973, "The Art of Computer Programming", volume 3, section 6.4, on multiplicative hashing."""


def slots_of(keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """The places (n,) of bigrams' keys (n,) in a table of 2 to the power of `SLOT_BITS`."""
    spread = keys.astype(np.uint64) * _SPREAD
    return (spread >> np.uint64(64 - SLOT_BITS)).astype(np.int64)


class Bigrams:
    """Which bigrams have rows: `firsts` and `seconds` (n,) are token ids, `distances` (n,) 1 or 2; row i is that of the token `n_tokens` + i.

    Raises InputError where two of them share a place.
    """

    def __init__(
        self,
        firsts: NDArray[np.int64],
        seconds: NDArray[np.int64],
        distances: NDArray[np.int64],
        n_tokens: int,
    ) -> None:
        self.n_tokens = n_tokens
        self._keys = np.append(self.key(firsts, seconds, distances, n_tokens), -1)
        slots, numbers = slots_of(self._keys[:-1]), np.arange(len(firsts), dtype=np.int32)
        self._at = np.full(1 << SLOT_BITS, len(slots), dtype=np.int32)
        self._at[slots] = numbers
        if (self._at[slots] != numbers).any():
            raise InputError("two bigrams of the model share a place; its file is damaged or of another version")

    @classmethod
    def of(cls, tensors: Mapping[str, NDArray[np.generic]], n_rows: int) -> Bigrams | None:
        """Those that a model file of `n_rows` rows names, if it names any: `bigrams` (n, 2), by distance, and `bigram_counts` (2,), how many of each."""
        if "bigrams" not in tensors:
            return None
        firsts, seconds = np.asarray(tensors["bigrams"]).astype(np.int64).T
        distances = np.repeat(np.arange(1, REACH + 1), np.asarray(tensors["bigram_counts"]).astype(np.int64))
        return cls(firsts, seconds, distances, n_rows - len(firsts))

    def __len__(self) -> int:
        return len(self._keys) - 1

    @property
    def keys(self) -> NDArray[np.int64]:
        """(n,) their keys, by which `slots_of` places them."""
        return self._keys[:-1]

    @staticmethod
    def key(
        firsts: NDArray[np.int64], seconds: NDArray[np.int64], distance: int | NDArray[np.int64], n_tokens: int
    ) -> NDArray[np.int64]:
        """Keys (n,) of bigrams, of as many different ones."""
        return (firsts * n_tokens + seconds) * REACH + (distance - 1)

    def joined(self, flat: NDArray[np.int64], bounds: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The rows that make up texts: to their tokens, ``flat[bounds[i]:bounds[i + 1]]`` of text i, come their bigrams, in the same form."""
        # Numbers of two bytes are sorted several times as fast.
        numbers = np.arange(len(bounds) - 1, dtype=np.uint16 if len(bounds) <= 1 << 16 else np.int64)
        text = np.repeat(numbers, np.diff(bounds))
        rows, texts = [flat], [text]
        for distance in range(1, REACH + 1):
            keys = self.key(flat[:-distance], flat[distance:], distance, self.n_tokens)
            found = self._at[slots_of(keys)]
            hit = np.flatnonzero((self._keys[found] == keys) & (text[:-distance] == text[distance:]))
            rows.append(self.n_tokens + found[hit].astype(np.int64))
            texts.append(text[hit])
        text = np.concatenate(texts)
        order = np.argsort(text, kind="stable")
        ends = np.cumsum(np.bincount(text, minlength=len(bounds) - 1))
        return np.concatenate(rows)[order], np.concatenate([[0], ends])


class TokenTable:
    """Vectors by number, as a model file holds them: float; int8 with a scale each; or four bits, two to a byte, with a scale each."""

    def __init__(self, tensors: Mapping[str, NDArray[np.generic]]) -> None:
        self._scales: NDArray[np.float32] | None = None
        if "embedding.weight" in tensors:
            self._held = np.asarray(tensors["embedding.weight"])
        else:
            self._held = np.asarray(tensors["embeddings"])
            if "weights" in tensors:
                self._scales = np.asarray(tensors["weights"]).astype(np.float32)
        self._packed = self._held.dtype == np.uint8
        self._rooms: deque[_Room] = deque()  # those that no thread is using
        self.shape = (self._held.shape[0], self._held.shape[1] * (2 if self._packed else 1))

    def rows(self, ids: Sequence[int] | NDArray[np.int64]) -> Vectors:
        """(len(ids), d) float32, not normalised."""
        held = self._held.take(ids, axis=0)
        picked = unpacked(held) if self._packed else held.astype(np.float32)
        if self._scales is not None:
            picked *= self._scales.take(ids)[:, None]
        return picked

    def sums(self, flat: NDArray[np.int64], bounds: NDArray[np.int64]) -> Vectors:
        """The sums (n, d) of the rows ``flat[bounds[i]:bounds[i + 1]]``, by a sparse product with the distinct rows, each brought to float once."""
        from scipy.sparse import csr_array

        present = np.zeros(self.shape[0], dtype=np.bool_)
        present[flat] = True
        distinct = np.flatnonzero(present)
        column = np.zeros(self.shape[0], dtype=np.int32)
        column[distinct] = np.arange(len(distinct), dtype=np.int32)
        ones = np.ones(len(flat), dtype=np.float32)
        counts = csr_array((ones, column[flat], bounds), shape=(len(bounds) - 1, len(distinct)))
        try:
            room = self._rooms.pop()
        except IndexError:
            room = _Room()
        found = np.asarray(counts @ self._written(distinct, room), dtype=np.float32)
        self._rooms.append(room)
        return found

    def _written(self, ids: NDArray[np.int64], room: _Room) -> Vectors:
        """What `rows` gives, to the last bit, in the memory of `room`."""
        held = room.array("held", (len(ids), self._held.shape[1]), self._held.dtype)
        self._held.take(ids, axis=0, out=held, mode="clip")
        if self._packed:
            floats = unpacked(held, room.array("floats", held.shape, np.dtype(np.float64)))
        else:
            floats = room.array("floats", held.shape, np.dtype(np.float32))
            floats[...] = held
        if self._scales is not None:
            floats *= self._scales.take(ids)[:, None]
        return floats


class _Room:
    """Memory to write into again and again: some systems take longer to give new memory than the product that is written there takes."""

    def __init__(self) -> None:
        self._kept: dict[str, NDArray[np.uint8]] = {}

    def array(self, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        """An array of any content, in the memory that the last one of that name had, if it is large enough."""
        needed = int(np.prod(shape)) * dtype.itemsize
        kept = self._kept.get(name)
        if kept is None or len(kept) < needed:
            kept = self._kept[name] = np.empty(needed + needed // 4, dtype=np.uint8)
        return np.ndarray(shape, dtype, kept)


_BOTH = np.stack([LEVELS[np.arange(256) & 15], LEVELS[np.arange(256) >> 4]], axis=1).view(np.float64)[:, 0]
"""The two levels of a byte, the lower four bits' first, as if they were one number of eight bytes."""


def unpacked(packed: NDArray[np.uint8], out: NDArray[np.float64] | None = None) -> Vectors:
    """Bytes (n, d / 2) → levels (n, d), in the memory of `out` (n, d / 2) if it is given."""
    # No byte is out of bounds: with a mode said numpy need not look first.
    return np.take(_BOTH, packed, out=np.empty(packed.shape) if out is None else out, mode="clip").view(np.float32)


def packed(levels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Numbers of levels (n, d), 0 to 15, two to a byte: (n, d / 2); d is even."""
    return np.asarray(levels[:, 0::2] | (levels[:, 1::2] << 4), dtype=np.uint8)
