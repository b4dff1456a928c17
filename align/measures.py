"""Vectors or labels → one number: the measures of the benchmark, each as its field defines it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from align.errors import InputError
from align.records import Vectors

ROWS = 1024
"""Rows compared at a time."""


def retrieval_accuracy(source: Vectors, target: Vectors) -> float:
    """Percent of the rows of `source` (n, d) whose nearest row of `target` (m, d), m ≥ n, is the one at the same place."""
    hits = 0
    for start in range(0, len(source), ROWS):
        nearest = (source[start : start + ROWS] @ target.T).argmax(axis=1)
        hits += int((nearest == np.arange(start, start + len(nearest))).sum())
    return 100.0 * hits / len(source)


def margin_accuracy(source: Vectors, target: Vectors, neighbours: int = 4) -> float:
    """As `retrieval_accuracy`, by margin instead of cosine (Artetxe & Schwenk 2019, "Margin-based Parallel Corpus Mining").

    The margin is the ratio of a pair's cosine to the mean cosine of both sides' nearest `neighbours`.
    """
    similarity = source @ target.T  # (n, m)
    count = min(neighbours, *similarity.shape)
    of_source = np.partition(similarity, -count, axis=1)[:, -count:].mean(axis=1)
    of_target = np.partition(similarity, -count, axis=0)[-count:].mean(axis=0)
    margin = similarity / (0.5 * (of_source[:, None] + of_target[None, :]))
    return 100.0 * float((margin.argmax(axis=1) == np.arange(len(source))).mean())


def beats_others(source: Vectors, target: Vectors, negatives: Sequence[NDArray[np.int64]], others: Vectors) -> float:
    """Percent of rows i whose own counterpart is nearer than its negatives: the rows ``negatives[i]`` of `others`."""
    wins = 0
    for vector, counterpart, rivals in zip(source, target, negatives, strict=True):
        best = float((others[rivals] @ vector).max(initial=-1.0))
        wins += float(vector @ counterpart) > best
    return 100.0 * wins / len(source)


def b_cubed(predicted: Mapping[str, Hashable], expected: Mapping[str, Hashable]) -> tuple[float, float, float]:
    """B-cubed precision, recall and F1 (Bagga & Baldwin 1998), in [0, 1], of two labellings of the same things.

    Raises InputError where they do not label the same things.
    """
    if predicted.keys() != expected.keys():
        odd = sorted(predicted.keys() ^ expected.keys())
        raise InputError(f"the two labellings differ in {len(odd)} things, first {odd[0]!r}")
    if not expected:
        raise InputError("nothing to compare: no labelled things")
    members: dict[tuple[str, Hashable], set[str]] = {}
    for side, labels in (("predicted", predicted), ("expected", expected)):
        for thing, label in labels.items():
            members.setdefault((side, label), set()).add(thing)
    precision = recall = 0.0
    for thing in expected:
        ours, theirs = members["predicted", predicted[thing]], members["expected", expected[thing]]
        both = len(ours & theirs)
        precision += both / len(ours)
        recall += both / len(theirs)
    precision, recall = precision / len(expected), recall / len(expected)
    return precision, recall, 2 * precision * recall / (precision + recall)


def calibration_error(probabilities: NDArray[np.float64], outcomes: NDArray[np.bool_], bins: int = 10) -> float:
    """Expected calibration error, in [0, 1] (Guo et al. 2017, section 2): mean gap of stated and seen frequency.

    `probabilities` (n,) are put into `bins` of equal width; each bin's gap counts by its share of the cases.
    """
    place = np.minimum((probabilities * bins).astype(np.int64), bins - 1)
    gaps = 0.0
    for number in range(bins):
        members = place == number
        if members.any():
            gaps += float(members.sum()) * abs(float(probabilities[members].mean()) - float(outcomes[members].mean()))
    return gaps / len(probabilities)
