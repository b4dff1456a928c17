"""The verifier: evidence → probability that two items tell one story, by small logistic models.

A first opinion comes from what the pair shows by itself, with weights for each group of language pairs:
names recur as they are written between English, German and Italian, and do not in Japanese. The settled
opinion weighs that against the margin over each side's other neighbours. Fitted by ``python -m
training.verifier`` on stories that nothing is measured on.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from align.language import lang_code

FEATURES = (
    "story",
    "lead",
    "short_covered",
    "long_covered",
    "best",
    "short_words",
    "long_words",
    "numbers_agree",
    "numbers_shared",
    "names_agree",
    "names_shared",
    "time_apart",
    "undated",
)
MARGINS = ("own", "lang_margin_least", "lang_margin_most", "margin_least", "margin_most")
GROUPS = ("within", "latin", "japanese")
FLOOR_LOGIT = -4.0
"""A pair whose first opinion is not above this, a chance of one in 55, is no neighbour of consequence and is not kept."""

_JAPANESE = lang_code("ja")
_FITTED = Path(__file__).with_name("verifier.json")

Rows = NDArray[np.float64]


def groups_of(ones: NDArray[np.int64], others: NDArray[np.int64]) -> NDArray[np.int64]:
    """The group (n,), an index into GROUPS, of pairs in these languages (``lang_code``): one, two that share a script's names, or Japanese with another."""
    return np.where(ones == others, 0, np.where((ones == _JAPANESE) | (others == _JAPANESE), 2, 1))


@dataclass(frozen=True)
class Verifier:
    """`first_weights`: group → (bias, a weight for each of FEATURES); `settled_weights`: the same for MARGINS."""

    first_weights: dict[str, Rows]
    settled_weights: Rows

    def first(self, table: Rows, groups: NDArray[np.int64]) -> Rows:
        """Logits (n,) of features (n, len(FEATURES)) of pairs of these `groups` (n,); within ±30."""
        weights = np.stack([self.first_weights[group] for group in GROUPS])[groups]
        return np.asarray((weights[:, 0] + (weights[:, 1:] * table).sum(axis=1)).clip(-30, 30))

    def first_at_most(self, table: Rows, groups: NDArray[np.int64], names: Sequence[str], most: float) -> Rows:
        """The highest logits (n,) that `table` can have where the features `names`, 0 in it, lie in [0, most]."""
        columns = [1 + FEATURES.index(name) for name in names]
        gains = np.stack([self.first_weights[group][columns].clip(min=0.0).sum() * most for group in GROUPS])
        return np.asarray(self.first(table, groups) + gains[groups])

    def settled(self, table: Rows) -> Rows:
        """Probabilities (n,) in (0, 1) of margins (n, len(MARGINS))."""
        logits = self.settled_weights[0] + table @ self.settled_weights[1:]
        return np.asarray(1.0 / (1.0 + np.exp(-logits.clip(-30, 30))))


def weights_of(named: dict[str, float], names: Sequence[str]) -> Rows:
    """(1 + len(names),) from {"bias": …, name: …}."""
    return np.array([named["bias"], *(named[name] for name in names)])


@lru_cache(maxsize=1)
def load_verifier() -> Verifier:
    """The fitted verifier that ships beside this file."""
    kept = json.loads(_FITTED.read_text(encoding="utf-8"))
    return Verifier(
        {group: weights_of(kept["first"][group], FEATURES) for group in GROUPS}, weights_of(kept["settled"], MARGINS)
    )
