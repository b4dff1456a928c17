"""What a similarity means: the shipped calibration and the way it is fitted."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from align.calibration import BANDS, band, load_calibration
from align.embedding import CONTEXTUAL_MODEL, StaticEncoder, load_encoder
from align.errors import InputError
from align.widths import width
from training.calibration import Lookup, curve, curves_of

LANGUAGES = ("en", "de", "it", "ja", "fr")


def test_the_shipped_calibrations_are_of_the_shipped_models(encoder: StaticEncoder) -> None:
    """A model that was trained anew needs a new calibration."""
    assert load_calibration().model == encoder.fingerprint
    assert load_calibration(CONTEXTUAL_MODEL).model == load_encoder(CONTEXTUAL_MODEL.name).fingerprint


def test_a_greater_similarity_is_never_less_probable() -> None:
    """For every pair of languages, in either order, and every length, probability rises with similarity within [0, 1]."""
    calibration = load_calibration()
    grid = np.linspace(-1, 1, 101)
    for a, b in itertools.product(LANGUAGES, repeat=2):
        for length in (1, 45, 150, 3000):
            found = [calibration.probability(float(value), a, b, length) for value in grid]
            assert found == sorted(found)
            assert 0.0 <= found[0] <= 0.1
            assert found[-1] <= 1.0
            assert calibration.probability(0.6, a, b, length) == calibration.probability(0.6, b, a, length)


def test_a_threshold_is_stated_as_precision() -> None:
    """A higher precision asks for a higher similarity; what cannot be had is infinity; nonsense is refused."""
    calibration = load_calibration()
    thresholds = [calibration.threshold(precision, "en", "ja", 120) for precision in (0.5, 0.9, 0.95, 0.99)]
    assert thresholds == sorted(thresholds)
    assert -1.0 <= thresholds[0] <= 1.0
    assert calibration.threshold(1.0, "en", "ja", 10) == math.inf
    with pytest.raises(InputError, match=r"precision 1\.5"):
        calibration.threshold(1.5, "en", "ja", 120)


def test_length_is_the_columns_that_a_text_fills() -> None:
    """Kanji and kana count two, Latin letters one; each band begins at its least width."""
    assert width("abc") == 3
    assert width("日本のニュース") == 14
    assert [band(least) for least in BANDS.values()] == list(BANDS)


def test_a_fitted_curve_follows_what_was_seen() -> None:
    """Where hits at 0.8 are right nine times in ten and those at 0.3 never, the curve says so."""
    similarity = np.concatenate([np.full(500, 0.3), np.full(500, 0.8)])
    right = np.concatenate([np.zeros(500, dtype=bool), np.arange(500) % 10 != 0])
    found = curve(similarity, right)
    assert np.interp(0.3, found["similarity"], found["probability"]) == pytest.approx(0.0)
    assert np.interp(0.8, found["similarity"], found["probability"]) == pytest.approx(0.9)
    assert found["precision"][-1] == pytest.approx(0.9, abs=0.01)


def test_a_pair_with_few_lookups_takes_those_of_others_moved_by_how_far_it_lies_apart() -> None:
    """Of two languages whose cosines are 0.1 lower and that were hardly seen at a length, a cosine there means what one of 0.1 more means for the others."""
    chance = np.random.default_rng(5)

    def seen(pair: str, name: str, lower: float, n: int) -> list[Lookup]:
        similarity = chance.uniform(0.2, 0.9, n)
        right = chance.random(n) < 1 / (1 + np.exp(-10 * (similarity - (0.5 if name == "short" else 0.6))))
        return [
            (pair, name, value - lower, hit) for value, hit in zip(similarity.tolist(), right.tolist(), strict=True)
        ]

    found = [lookup for name in ("short", "long") for lookup in seen("de-en", name, 0.0, 4000)]
    found += seen("it-ja", "short", 0.1, 1000) + seen("it-ja", "long", 0.1, 20)
    curves = curves_of(found)

    def probability(pair: str, similarity: float) -> float:
        own = curves[pair]["long"]
        return float(np.interp(similarity, own["similarity"], own["probability"]))

    assert curves["it-ja"]["long"]["lookups"] == 20
    for similarity in (0.4, 0.5, 0.6, 0.7):
        assert probability("it-ja", similarity - 0.1) == pytest.approx(probability("de-en", similarity), abs=0.05)
    assert probability("it-ja", 0.5) > probability("de-en", 0.5) + 0.1
