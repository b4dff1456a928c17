"""Fewer dimensions for the same table: the directions in which sentences differ most."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from training.prepare import TrainingPairs
from training.train import gather

SAMPLE = 200_000
DIRECTIONS = "directions.npy"
"""The file in the work folder that keeps them: what trains over the smaller table needs the teacher in the same directions."""


def principal(table: NDArray[np.float32], pairs: TrainingPairs, kept: int, seed: int) -> NDArray[np.float32]:
    """The first `kept` principal directions (d, min(kept, d)) of the unit vectors that `table` (pieces, d) gives sentences.

    They are the eigenvectors of the second moment about 0, not about the mean: cosines are taken from 0, and
    these directions lose least of them. Sentences are the sources and targets of at most 200,000 pairs, each drawn as
    often as training draws it; the first column is the direction of most weight, so a reader may leave out the last ones.
    ``table @ directions`` is the smaller table.
    """
    chance = np.random.default_rng(seed)
    n = min(SAMPLE, len(pairs.weight))
    members = chance.choice(len(pairs.weight), n, replace=False, p=pairs.weight / pairs.weight.sum(dtype=np.float64))
    moment = torch.zeros(table.shape[1], table.shape[1], dtype=torch.float64)
    rows = torch.from_numpy(table)
    for part in np.array_split(members, max(1, n // 20_000)):
        for side in (pairs.source, pairs.target):
            ids, offsets = gather(side, part)
            unit = functional.normalize(functional.embedding_bag(ids, rows, offsets, mode="mean"))
            moment += (unit.T @ unit).double()
    directions = torch.linalg.eigh(moment).eigenvectors.flip(1)[:, :kept]  # ascending there
    # An eigenvector's sign is the library's whim: the largest part of each is positive here.
    largest = directions.abs().argmax(0, keepdim=True)
    directions = directions * directions.gather(0, largest).sign()
    return np.asarray(directions.float().numpy(), dtype=np.float32)


def turned(lessons: NDArray[np.float16], directions: NDArray[np.float32]) -> NDArray[np.float16]:
    """The teacher's vectors (n, d) in those directions (d, k), of unit length again, (n, k); none (0, d) stay none."""
    if not len(lessons):
        return lessons
    turned_lessons = functional.normalize(torch.from_numpy(lessons.astype(np.float32) @ directions))
    return np.asarray(turned_lessons.half().numpy(), dtype=np.float16)
