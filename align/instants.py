"""Moments as ISO 8601 texts: now, the seconds of one, and the days between two."""

from __future__ import annotations

from datetime import UTC, datetime

DAY = 86_400.0


def now() -> str:
    """This moment, ISO 8601 in UTC, of a width that sorts as text."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def timestamp(stamp: str) -> float:
    """Seconds since 1970 of an ISO 8601 date or time; one without a zone is in UTC."""
    moment = datetime.fromisoformat(stamp)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def days_apart(left: str | None, right: str | None) -> float | None:
    """Days, 0 or more, between two moments of publication; None where one is not known."""
    return None if left is None or right is None else abs(timestamp(left) - timestamp(right)) / DAY
