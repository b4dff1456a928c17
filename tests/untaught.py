"""Training pairs made in memory, of which no teacher has read any."""

from __future__ import annotations

import numpy as np

from training.prepare import Side, TrainingPairs


def untaught_side(tokens: np.ndarray, starts: np.ndarray) -> Side:
    """One side of pairs, each text another."""
    n = len(starts) - 1
    return Side(tokens, starts, np.arange(n), np.full(n, -1, np.int32), np.full(n, -1, np.int32))


def untaught_pairs(source: Side, target: Side) -> TrainingPairs:
    """English–German pairs, each drawn once an epoch."""
    n = len(source.keys)
    none = np.zeros((0, 4), dtype=np.float16)
    return TrainingPairs(source, target, np.ones(n, np.float32), np.zeros(n, np.int8), ["en-de"], none)
