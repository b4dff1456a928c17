"""The knobs of clustering: thresholds and windows that can be turned without embedding or relating anew."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace

from align.errors import InputError
from align.instants import DAY, timestamp
from align.records import Kind, Relation
from align.relations import JOINS


@dataclass(frozen=True)
class Thresholds:
    """What makes a cluster. Scores are in [0, 1], windows in days; every comparison includes equality.

    A relation's score holds undiminished while its two items were published within the window of its
    kind, and is halved with every further half window: a translation may come weeks later, while a
    report of the same people next week is another story. Exact copies, and items without a date, are
    never diminished.
    """

    link: float = field(default=0.3, metadata={"about": "least mean score across two groups that merges them"})
    joins: float = field(default=JOINS, metadata={"about": "least score of a relation that brings items together"})
    sure: float = field(default=0.8, metadata={"about": "a relation with this score, or above, is not contested"})
    margin: float = field(
        default=0.15, metadata={"about": "how far a weak relation must exceed its item's relation to another story"}
    )
    window_near: float = field(default=14.0, metadata={"about": "days between an item and an edited copy"})
    window_excerpt: float = field(default=14.0, metadata={"about": "days between an item and a part of it"})
    window_translation: float = field(default=21.0, metadata={"about": "days between an item and its translation"})
    window_same_story: float = field(default=3.0, metadata={"about": "days between independent reports of an event"})

    def window(self, kind: Kind) -> float:
        """The days within which a relation of this kind keeps its score; infinite for exact copies."""
        return math.inf if kind is Kind.EXACT else self._windows[kind]

    @property
    def _windows(self) -> dict[Kind, float]:
        return {
            Kind.NEAR: self.window_near,
            Kind.EXCERPT: self.window_excerpt,
            Kind.TRANSLATION: self.window_translation,
            Kind.SAME_STORY: self.window_same_story,
            Kind.RELATED: self.window_same_story,
        }

    def judge(self, found: Relation, days: float) -> Relation:
        """`found` as it counts between items published `days` apart: its score decayed, its kind by `joins`.

        Below `joins` it is related, and joins nothing; a relation that the verifier called related
        is same_story where `joins` was lowered to its score.
        """
        window = self.window(found.kind)
        score = found.score if days <= window else found.score * 0.5 ** ((days - window) / (window / 2 or 1 / DAY))
        kind = found.kind
        if kind.joins and score < self.joins:
            kind = Kind.RELATED
        elif kind is Kind.RELATED and self.joins <= score < JOINS:
            kind = Kind.SAME_STORY
        if kind is found.kind and score == found.score:
            return found
        return replace(found, kind=kind, score=score)


NAMES = tuple(knob.name.replace("_", "-") for knob in fields(Thresholds))
"""The names of the settings, as ``samestory settings`` lists them."""
ABOUT = {knob.name.replace("_", "-"): str(knob.metadata["about"]) for knob in fields(Thresholds)}


def thresholds_of(stored: Mapping[str, str]) -> Thresholds:
    """The thresholds that `stored` settings say, the defaults where they say nothing.

    Raises InputError for a name that is none or a value out of range.
    """
    return Thresholds(**{attribute_of(name): parse_value(name, value) for name, value in stored.items()})


def attribute_of(name: str) -> str:
    """The field of `Thresholds` that a setting's name means. Raises InputError where it is none."""
    if name not in NAMES:
        raise InputError(f"{name!r} is no setting; there are {', '.join(NAMES)}")
    return name.replace("-", "_")


def parse_value(name: str, value: str) -> float:
    """The value of a setting. Raises InputError with the remedy where it is none."""
    attribute_of(name)
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    highest = math.inf if name.startswith("window") else 1.0
    if not 0.0 <= number <= highest or math.isinf(number):
        unit = "days, 0 or more" if name.startswith("window") else "a number from 0 to 1"
        raise InputError(f"{name} cannot be {value!r}; give {unit}, or default")
    return number


def judged(
    relations: Iterable[Relation], published: Mapping[str, str | None], thresholds: Thresholds
) -> Iterator[Relation]:
    """`relations` as they count, by the dates on which their items were `published` (ISO 8601 or None)."""
    seconds = {item_id: timestamp(stamp) for item_id, stamp in published.items() if stamp}
    for found in relations:
        left, right = seconds.get(found.a), seconds.get(found.b)
        days = 0.0 if left is None or right is None else abs(left - right) / DAY
        yield thresholds.judge(found, days)
