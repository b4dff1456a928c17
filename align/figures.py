"""What a measurement finds: one number with its name, unit and goal."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One measured number. `goal` is the least value wanted of it, None where none is stated."""

    group: str
    name: str
    value: float
    unit: str
    goal: float | None = None
