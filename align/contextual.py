"""The contextual tier: token vectors that look at their neighbours before they are added up.

To the sum of a text's static token vectors comes what a convolution over three tokens sees in it (Kim 2014, "Convolutional Neural
Networks for Sentence Classification", section 2, with a sum in place of the maximum), so that word order counts:
"not" belongs to what it stands beside. The convolution's input is the static table itself, so that all this tier
adds to the shipped folder is three small matrices.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from align.embedding import StaticEncoder, weights_digest
from align.errors import InputError
from align.records import Vectors

BLOCK = 512
"""Tokens that are worked on at a time, so that what belongs to them stays in the processor's cache."""


class ContextualEncoder(StaticEncoder):
    """A static model with a convolution on top; its folder names no vocabulary and no table, which are those of `base`.

    ``model.safetensors`` holds `into` (d, 3h), a token's part of the h units seen from the token after, at, and before it,
    `edge` (d,) what stands beside the first and the last token, `bias` (h,), `gate` (h,) how much a unit adds to the weight of its
    token, `out` (h, d), and `length`, the root mean square length of the base's token vectors.
    """

    def __init__(self, folder: Path, base: Path) -> None:
        super().__init__(base)
        from safetensors import safe_open

        weights = folder / "model.safetensors"
        with safe_open(str(weights), framework="numpy") as tensors:
            held = {name: tensors.get_tensor(name).astype(np.float32) for name in tensors.keys()}  # noqa: SIM118 - no dict
            trained_on = (tensors.metadata() or {}).get("base")
        if trained_on != self.fingerprint:
            raise InputError(
                f"{folder}: made for the static model {trained_on}, not for {base} ({self.fingerprint}); train it anew"
            )
        self.name = folder.name
        self.fingerprint = weights_digest(weights, base / "model.safetensors", base / "tokenizer.json")
        self._into, self._edge, self._bias = held["into"], held["edge"], held["bias"]
        self._gate, self._out, self._length = held["gate"], held["out"], float(held["length"][0])

    def _sums(self, flat: NDArray[np.int64], bounds: NDArray[np.int64], many: bool) -> Vectors:
        distinct, column = np.unique(flat, return_inverse=True)
        rows = self.rows(distinct) / self._length
        parts = np.concatenate([rows, self._edge[None]]) @ self._into  # (distinct + 1, 3h)
        units = len(self._bias)
        before, own, after = parts[:, :units], parts[:, units : 2 * units] + self._bias, parts[:, 2 * units :]
        edge = len(distinct)
        left = np.concatenate([[edge], column[:-1]])
        left[bounds[:-1]] = edge
        right = np.concatenate([column[1:], [edge]])
        right[bounds[1:] - 1] = edge
        sums = np.empty((len(bounds) - 1, self.dimension), dtype=np.float32)
        for first, last in _blocks(bounds):
            here = slice(bounds[first], bounds[last])
            seen = before[left[here]] + own[column[here]] + after[right[here]]
            np.maximum(seen, 0.0, out=seen)
            starts = bounds[first:last] - bounds[first]
            weighted = rows[column[here]] * (1.0 + seen @ self._gate)[:, None]
            sums[first:last] = np.add.reduceat(weighted, starts) + np.add.reduceat(seen, starts) @ self._out
        return sums


def _blocks(bounds: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Ranges of texts of about `BLOCK` tokens, at least one text each; text i has the tokens ``bounds[i]`` to ``bounds[i + 1]``."""
    edges = [0]
    while edges[-1] < len(bounds) - 1:
        reach = int(np.searchsorted(bounds, bounds[edges[-1]] + BLOCK, side="right")) - 1
        edges.append(max(reach, edges[-1] + 1))
    return list(itertools.pairwise(edges))
