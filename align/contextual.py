"""The contextual tier: token vectors that look at their neighbours before they are added up.

To the sum of a text's static vectors, those of its tokens and of its bigrams, comes what two layers of convolutions see in it (Kim 2014, "Convolutional Neural
Networks for Sentence Classification", section 2, with a sum in place of the maximum), so that word order counts:
"not" belongs to what it stands beside. A unit of the first layer sees three tokens, one of the second five. The sum is then turned into the space in
which the tier was taught, and a hidden layer, in the place of the static model's own, adds what cannot be said by turning alone. The layers' input is the static table itself, so that all this tier
adds to the shipped folder is a few small matrices.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from align.embedding import StaticEncoder, unit_rows, weights_digest
from align.errors import InputError
from align.hidden_layer import HiddenLayer, scaled
from align.records import Vectors

BLOCK = 512
"""Tokens that are worked on at a time, so that what belongs to them stays in the processor's cache."""


class ContextualEncoder(StaticEncoder):
    """A static model with convolutions on top; its folder names no vocabulary and no table, which are those of `base`.

    ``model.safetensors`` holds, for tokens of d dimensions,
    of the first layer's h units `near` (d, 3h), a token's part in those of the token after it, of its own and of the token before it, `near_bias` (h,),
    `near_gate` (h,), how much a unit adds to the weight of its token, and `near_out` (h, d); of the second layer's k units the same under `far`, and
    `far_units` (h, 3k), the part of the first layer's units; `edge` (d,), what stands beside the first and the last token; `turn` (d, d);
    the hidden layer's `hidden` (d, m), `hidden_bias` (m,) and `hidden_out` (m, d); and `length`, the root mean square length of the base's token vectors.
    A matrix is int8, with a scale for each column under its name and ".scale".
    """

    def __init__(self, folder: Path, base: Path) -> None:
        super().__init__(base)
        from safetensors import safe_open

        weights = folder / "model.safetensors"
        with safe_open(str(weights), framework="numpy") as tensors:
            held = scaled({name: tensors.get_tensor(name) for name in tensors.keys()})  # noqa: SIM118 - no dict
            trained_on = (tensors.metadata() or {}).get("base")
        if trained_on != self.fingerprint:
            raise InputError(
                f"{folder}: made for the static model {trained_on}, not for {base} ({self.fingerprint}); train it anew"
            )
        if "turn" not in held:
            raise InputError(f"{folder}: a contextual tier of an earlier version, of one layer; train it anew")
        self.name = folder.name
        self.fingerprint = weights_digest(weights, base / "model.safetensors", base / "tokenizer.json")
        self._length = float(held.pop("length")[0])
        self._hidden = HiddenLayer(*(held.pop(name) for name in HiddenLayer.NAMES))
        self._held = held

    def _vectors(self, flat: NDArray[np.int64], bounds: NDArray[np.int64], many: bool) -> Vectors:
        held = self._held
        sums = (
            self._sums(flat, bounds, True) / self._length
        )  # one way for all: a text's vector is the same in any batch
        near_units, far_units = len(held["near_bias"]), len(held["far_bias"])
        distinct, column = np.unique(flat, return_inverse=True)
        rows = np.concatenate([self.rows(distinct) / self._length, held["edge"][None]])
        near, far = rows @ held["near"], rows @ held["far"]  # (distinct + 1, 3h), (distinct + 1, 3k)
        near[:, near_units : 2 * near_units] += held["near_bias"]
        far[:, far_units : 2 * far_units] += held["far_bias"]
        edge = len(distinct)
        left = np.concatenate([[edge], column[:-1]])
        left[bounds[:-1]] = edge
        right = np.concatenate([column[1:], [edge]])
        right[bounds[1:] - 1] = edge
        vectors = np.empty_like(sums)
        for first, last in _blocks(bounds):
            here = slice(bounds[first], bounds[last])
            starts = bounds[first:last] - bounds[first]
            seen = _window(near, left[here], column[here], right[here])
            np.maximum(seen, 0.0, out=seen)
            wider = _window(far, left[here], column[here], right[here])
            parts = seen @ held["far_units"]  # (tokens, 3k)
            wider += parts[:, far_units : 2 * far_units]
            # What a token gives its neighbours, none beyond the text's first and last.
            onward, back = parts[:-1, :far_units], parts[1:, 2 * far_units :]
            onward[starts[1:] - 1] = 0.0
            back[starts[1:] - 1] = 0.0
            wider[1:] += onward
            wider[:-1] += back
            np.maximum(wider, 0.0, out=wider)
            weight = seen @ held["near_gate"] + wider @ held["far_gate"]
            summed = sums[first:last] + np.add.reduceat(rows[column[here]] * weight[:, None], starts)
            summed += np.add.reduceat(seen, starts) @ held["near_out"]
            summed += np.add.reduceat(wider, starts) @ held["far_out"]
            summed /= np.maximum(np.linalg.norm(summed, axis=1, keepdims=True), 1e-12)
            vectors[first:last] = summed @ held["turn"] + self._hidden.added(summed)
        return unit_rows(vectors)


def _window(
    parts: Vectors, left: NDArray[np.int64], own: NDArray[np.int64], right: NDArray[np.int64]
) -> NDArray[np.float32]:
    """The sums (t, h) of what three neighbours give a token's units; `parts` (n, 3h) holds what each distinct token gives the next, itself and the one before."""
    units = parts.shape[1] // 3
    found: NDArray[np.float32] = parts[left, :units] + parts[own, units : 2 * units] + parts[right, 2 * units :]
    return found


def _blocks(bounds: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Ranges of texts of about `BLOCK` tokens, at least one text each; text i has the tokens ``bounds[i]`` to ``bounds[i + 1]``."""
    edges = [0]
    while edges[-1] < len(bounds) - 1:
        reach = int(np.searchsorted(bounds, bounds[edges[-1]] + BLOCK, side="right")) - 1
        edges.append(max(reach, edges[-1] + 1))
    return list(itertools.pairwise(edges))
