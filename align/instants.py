"""Moments as ISO 8601 texts: now, the seconds of one, and the days between two."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from align.errors import InputError

DAY = 86_400.0
EARLIEST = datetime.min.replace(tzinfo=UTC)
LATEST = datetime.max.replace(tzinfo=UTC) - timedelta(hours=14)
"""A moment between these two, both included, can be told in UTC and in every zone ahead of it."""


def now() -> str:
    """This moment, ISO 8601 in UTC, of a width that sorts as text."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def parse_moment(text: str) -> datetime:
    """An ISO 8601 date or time, with a zone or without, as it is written.

    Raises InputError, which begins with the value, for a text that is none, and for a moment outside `EARLIEST` to `LATEST`.
    """
    remedy = "write 2026-03-04 or 2026-03-04T08:15:00+01:00"
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise InputError(f"{text[:40]!r} is not ISO 8601; {remedy}") from error
    if not EARLIEST <= (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) <= LATEST:
        raise InputError(f"{text[:40]!r} is outside the years 1 to 9999 in UTC; {remedy}")
    return moment


def timestamp(stamp: str) -> float:
    """Seconds since 1970 of an ISO 8601 date or time; one without a zone is in UTC."""
    moment = datetime.fromisoformat(stamp)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def days_apart(left: str | None, right: str | None) -> float | None:
    """Days, 0 or more, between two moments of publication; None where one is not known."""
    return None if left is None or right is None else abs(timestamp(left) - timestamp(right)) / DAY
