"""Similarity → probability: what a cosine means for two languages and texts of a length.

A cosine of 0.7 between an English and a German sentence is not the same evidence as between two Japanese headlines.
``calibration.json`` in a model's folder holds, per language pair and band of length, a monotone map that ``python -m training.calibration``
fits on pairs kept out of training. The probability is that of a lookup where half of the texts have their counterpart
among the candidates: that the nearest one found is a translation.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from align.embedding import SHIPPED_MODEL
from align.errors import InputError

CALIBRATION = "calibration.json"
BANDS = {"short": 0, "medium": 40, "long": 100, "document": 400}
"""Least width of the shorter text, in columns, inclusive, of each band."""
ANY = "any"
"""Stands for the language pairs that have no calibration of their own, two texts in one language included."""


def band(columns: int) -> str:
    """The band of length of a text of so many columns."""
    return [name for name, least in BANDS.items() if columns >= least][-1]


def language_pair(lang_a: str, lang_b: str) -> str:
    """The two codes in alphabetical order, whichever comes first."""
    return "-".join(sorted((lang_a, lang_b)))


@dataclass(frozen=True)
class Curve:
    """Grids of one language pair and band: `similarity` rises; `probability` and `precision`, in [0, 1], never fall.

    `precision` at a similarity is that of all hits of at least that similarity.
    """

    similarity: tuple[float, ...]
    probability: tuple[float, ...]
    precision: tuple[float, ...]


@dataclass(frozen=True)
class Calibration:
    """The curves of one model: `model` is its fingerprint, `curves` maps language pair and band to a curve."""

    model: str
    curves: dict[tuple[str, str], Curve]

    def curve(self, lang_a: str, lang_b: str, length: int) -> Curve:
        """The curve for a language pair, in any order, and the width in columns of the shorter text."""
        name = band(length)
        own = self.curves.get((language_pair(lang_a, lang_b), name))
        return own if own is not None else self.curves[ANY, name]

    def probability(self, similarity: float, lang_a: str, lang_b: str, length: int) -> float:
        """Probability in [0, 1] that the nearest text found, at this cosine, is a translation or tells the same."""
        curve = self.curve(lang_a, lang_b, length)
        return float(np.interp(similarity, curve.similarity, curve.probability))

    def threshold(self, precision: float, lang_a: str, lang_b: str, length: int) -> float:
        """The least cosine whose hits reach `precision`, in (0, 1]; infinity where no similarity does.

        Raises InputError for a precision outside (0, 1].
        """
        if not 0.0 < precision <= 1.0:
            raise InputError(f"precision {precision}: give a number above 0 and at most 1, such as 0.99")
        curve = self.curve(lang_a, lang_b, length)
        reached = np.flatnonzero(np.asarray(curve.precision) >= precision)
        return curve.similarity[int(reached[0])] if len(reached) else math.inf


@lru_cache(maxsize=2)
def load_calibration(folder: Path = SHIPPED_MODEL) -> Calibration:
    """The calibration in a model's folder; compare `model` with an encoder's fingerprint before using it on others.

    Raises InputError where the folder holds none.
    """
    path = folder / CALIBRATION
    if not path.is_file():
        raise InputError(f"{path}: no such file; `python -m training.calibration --model {folder}` fits one")
    table = json.loads(path.read_text(encoding="utf-8"))
    return Calibration(
        table["model"],
        {
            (pair, name): Curve(tuple(curve["similarity"]), tuple(curve["probability"]), tuple(curve["precision"]))
            for pair, bands in table["curves"].items()
            for name, curve in bands.items()
        },
    )
