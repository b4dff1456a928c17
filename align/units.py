"""The units that quantities are counted in: how they are written, and which of them measure the same."""

from __future__ import annotations

from functools import cache, lru_cache

from align.quantity_words import Choice, vocabulary

ROUNDED = 0.03
"""By how much, as a share, one amount may differ from another that is written in another unit: 50 miles are 80 km."""


@cache
def _written() -> Choice:
    rows = {pattern: unit for unit, (_, _, pattern) in vocabulary()["units"].items()}
    return Choice(rows, before=r"[ \u00a0-]?(?:(?:di|von|of) |d')?")


@cache
def _signs() -> Choice:
    return Choice(vocabulary()["signs"], before=r"(?:^|(?<=\W))", after=r"\s?$")


def unit_after(text: str, place: int) -> tuple[int, str]:
    """The unit that stands at `place`: where it ends, and its name; `place` and "" where there is none."""
    match = _written().pattern.match(text, place)
    return (match.end(), str(_written().value(match))) if match else (place, "")


def sign_before(text: str, place: int) -> tuple[int, str]:
    """The sign of a currency right before `place`: where it begins, and the currency; `place` and "" where there is none."""
    match = _signs().pattern.search(text, max(0, place - 6), place)
    return (match.start(), str(_signs().value(match))) if match else (place, "")


@lru_cache(maxsize=1024)
def dimension(unit: str) -> str:
    """What a unit measures; the unit itself where no other measures the same, and "" for none."""
    found = vocabulary()["units"].get(unit)
    return str(found[0]) if found else {"fraction": "share"}.get(unit, unit)


def in_base(value: float, unit: str) -> float:
    """The value in the first unit of its dimension; of degrees Fahrenheit in degrees Celsius."""
    if unit == "°F":
        return (value - 32.0) / 1.8
    found = vocabulary()["units"].get(unit)
    return value * float(found[1]) if found else value


def amounts_agree(a: float, unit_a: str, b: float, unit_b: str) -> bool:
    """Whether two amounts are the same: exactly in one unit, or if one is bare; rounded across two units of a dimension."""
    if unit_a == unit_b or "" in (unit_a, unit_b) or {dimension(unit_a), dimension(unit_b)} == {"point", "share"}:
        return _near(a, b, 1e-9)
    return dimension(unit_a) == dimension(unit_b) and _near(in_base(a, unit_a), in_base(b, unit_b), ROUNDED)


def _near(a: float, b: float, share: float) -> bool:
    return abs(a - b) <= share * max(abs(a), abs(b), 1.0 if share < 1e-6 else 0.0)
