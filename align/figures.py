"""What a measurement finds: one number with its name, unit and goal."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One measured number. `goal` is the least value wanted of it, or the most where `at_most`; None where none is stated."""

    group: str
    name: str
    value: float
    unit: str
    goal: float | None = None
    at_most: bool = False

    @property
    def reached(self) -> bool | None:
        """Whether the goal is reached; None where there is none."""
        if self.goal is None:
            return None
        return self.value <= self.goal if self.at_most else self.value >= self.goal
