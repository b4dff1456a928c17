"""Vecalign's algorithm, written from the paper, as the peer that our aligner is measured against.

Thompson & Koehn 2019, "Vecalign: Improved Sentence Alignment in Linear Time and Space", sections 3.1 and 3.2:
groups of neighbouring sentences have vectors of their own, a bead costs its cosine distance times the sizes
of both groups over the mean distance to groups at random, and leaving a sentence out costs a percentile of
the costs of 1-1 beads at random. The table is looked at whole, which can only help it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from align.bead_scores import LARGEST_GROUP, SHAPES, embed_sentences
from align.beads import NONE, Band, Scores, Shape, best_path
from align.embedding import Encoder

PERCENTILES = (0.2, 0.05, 0.02, 0.01)
"""The published deletion percentile first."""
SAMPLES = 100


def vecalign(
    a: Sequence[str], b: Sequence[str], encoder: Encoder, percentile: float = PERCENTILES[0], seed: int = 0
) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """The beads of two lists of sentences, by Vecalign's costs over the same shapes that our aligner knows."""
    chance = np.random.default_rng(seed)
    groups_a, groups_b = (embed_sentences(texts, encoder).windows for texts in (a, b))
    sample_a, sample_b = (
        np.concatenate([group[size:] for size, group in enumerate(groups)])[
            chance.integers(0, sum(max(len(group) - size, 0) for size, group in enumerate(groups)), SAMPLES)
        ]
        for groups in (groups_a, groups_b)
    )
    far_a = [1.0 - (groups_a[size] @ sample_b.T).mean(axis=1) for size in range(LARGEST_GROUP)]
    far_b = [1.0 - (groups_b[size] @ sample_a.T).mean(axis=1) for size in range(LARGEST_GROUP)]
    band = Band.whole(len(a), len(b))
    scores: dict[Shape, Scores] = {}
    deletion = 0.0
    for n, m in SHAPES:
        distance = 1.0 - groups_a[n - 1] @ groups_b[m - 1].T
        cost = 2.0 * n * m * distance / (far_a[n - 1][:, None] + far_b[m - 1][None] + 1e-6)
        if (n, m) == (1, 1):
            deletion = float(np.quantile(cost, percentile))
        table = np.full((len(a) + 1, len(b) + 1), NONE, dtype=np.float32)
        table[n:, m:] = -cost[n - 1 :, m - 1 :]
        scores[n, m] = table.ravel()
    path = best_path(band, scores, -deletion)
    return [(tuple(range(span[0], span[1])), tuple(range(span[2], span[3]))) for span in path]
