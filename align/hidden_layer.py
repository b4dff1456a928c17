"""A hidden layer after a text's sum, and matrices of eight bits as model files hold them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from align.records import Vectors

TOGETHER = 4
"""Vectors in one product: OpenBLAS works out 2^18 multiplications or fewer, 4 times 256 times 256, in the calling thread. A second thread saves a fraction of a millisecond, and
goes on waiting for its next product for some hundredths of a second, busily, while the tokenizer needs its processor."""
SCALE = ".scale"
"""What stands after a matrix's name in that of its columns' scales."""


def scaled(tensors: Mapping[str, NDArray[np.generic]]) -> dict[str, Vectors]:
    """A file's tensors as float32, each matrix times the scales of its columns."""
    found = {name: np.asarray(tensor).astype(np.float32) for name, tensor in tensors.items()}
    scales = {name.removesuffix(SCALE): found.pop(name) for name in list(found) if name.endswith(SCALE)}
    return {name: tensor * scales.get(name, np.float32(1.0)) for name, tensor in found.items()}


@dataclass(frozen=True, eq=False)
class HiddenLayer:
    """Rectified units that see a text's vector and add to it: `inward` (d, m), `bias` (m,), `outward` (m, d)."""

    inward: Vectors
    bias: Vectors
    outward: Vectors

    NAMES = ("hidden", "hidden_bias", "hidden_out")

    @classmethod
    def of(cls, tensors: Mapping[str, NDArray[np.generic]]) -> HiddenLayer | None:
        """The layer that a model file holds, if it holds one."""
        if cls.NAMES[0] not in tensors:
            return None
        held = scaled({name: tensor for name, tensor in tensors.items() if name.removesuffix(SCALE) in cls.NAMES})
        return cls(*(held[name] for name in cls.NAMES))

    def added(self, unit: Vectors) -> Vectors:
        """What it adds to vectors (n, d) of unit length."""
        return _product(np.maximum(_product(unit, self.inward) + self.bias, 0.0), self.outward)


def _product(vectors: Vectors, matrix: Vectors) -> Vectors:
    """``vectors @ matrix``, `TOGETHER` at a time, zeros in the places that are left: so a vector's product is the same to the last bit whatever is beside it."""
    n, d = vectors.shape
    stacked = np.zeros((-(-n // TOGETHER) * TOGETHER, d), dtype=np.float32)
    stacked[:n] = vectors
    return np.asarray(np.matmul(stacked.reshape(-1, TOGETHER, d), matrix).reshape(-1, matrix.shape[1])[:n])
