"""The measures of the benchmark, on cases whose answers are plain."""

from __future__ import annotations

import numpy as np
import pytest

from align.measures import beats_others, calibration_error, margin_accuracy, retrieval_accuracy
from align.vectors import unit

EYE = np.eye(4, dtype=np.float32)


def test_retrieval_counts_the_rows_that_find_their_own_place() -> None:
    """Two of four rows swapped: half are right."""
    assert retrieval_accuracy(EYE, EYE) == 100.0
    assert retrieval_accuracy(EYE, EYE[[1, 0, 2, 3]]) == 50.0


def test_the_margin_sees_through_a_hub() -> None:
    """A target that is near to everything wins by cosine, and loses by margin."""
    source = EYE[:3]
    target = unit(np.array([[0.5, 0, 0, 0.866], [0, 0.5, 0, 0.866], [1, 1, 1, 0]], dtype=np.float32))
    assert retrieval_accuracy(source, target) < 100.0
    assert margin_accuracy(source, target, neighbours=2) == 100.0


def test_a_translation_must_beat_its_own_negatives_alone() -> None:
    """A negative nearer than the counterpart costs its row and no other; a row without negatives wins."""
    negatives = [np.array([0]), np.array([0]), np.array([], dtype=np.int64), np.array([1])]
    target = unit(EYE + 0.2)
    assert beats_others(EYE, target, negatives, EYE[:2]) == 75.0


def test_a_true_statement_of_probability_has_no_error() -> None:
    """Said 0.8 and right four times in five: no error. Said 1.0 and right half of the time: one half."""
    four_of_five = np.array([True, True, True, True, False])
    assert calibration_error(np.full(5, 0.8), four_of_five) == pytest.approx(0.0)
    assert calibration_error(np.ones(4), np.array([True, False, True, False])) == pytest.approx(0.5)
