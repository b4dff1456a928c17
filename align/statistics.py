"""What an index holds, counted: by language, over time, by size of story."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from align.store import Store

SPANS = 62
"""Most spans of time that a chart shows."""
AHEAD = timedelta(days=366)
"""A date further in the future than this is a slip of the pen or stands for none, such as 9999-12-30: a chart does not run up to it."""


@dataclass(frozen=True)
class Statistics:
    """Counts. `spans` are the first days of equal spans of time without a gap, oldest first, at most `SPANS`, each one `unit`
    long (day, week from Monday, or month): the shortest unit that shows everything. `by_span` gives each language's items in
    each span, `stories_by_span` the clusters whose first item is of it, `stories_before` those of before the first.
    The last span is of the latest day that is no more than `AHEAD` away, unless all are: `items_outside` counts the items of no span.
    `story_langs` and `story_sizes` count clusters by their number of languages and of items.
    """

    n_items: int
    n_clusters: int
    by_lang: dict[str, int]
    unit: str
    spans: tuple[str, ...]
    by_span: dict[str, tuple[int, ...]]
    stories_by_span: tuple[int, ...]
    stories_before: int
    items_outside: int
    story_langs: dict[int, int]
    story_sizes: dict[int, int]
    kinds: dict[str, int]


def count(store: Store) -> Statistics:
    """The statistics of the store's present state. An item without a date counts on the day it was first read."""
    with store.reading():
        by_lang = {
            str(lang): int(n)
            for lang, n in store.rows("SELECT lang, count(*) FROM item GROUP BY lang ORDER BY 2 DESC, 1")
        }
        rows = store.rows(
            "SELECT date(coalesce(published, seen_at)) AS day, lang, count(*) FROM item GROUP BY day, lang ORDER BY day"
        )
        firsts = dict(
            store.rows(
                "SELECT day, count(*) FROM (SELECT min(date(coalesce(published, seen_at))) AS day FROM item WHERE cluster IS NOT NULL GROUP BY cluster) GROUP BY day"
            )
        )
        story_langs = dict(
            store.rows(
                "SELECT n, count(*) FROM (SELECT count(DISTINCT lang) AS n FROM item WHERE cluster IS NOT NULL GROUP BY cluster) GROUP BY n ORDER BY n"
            )
        )
        story_sizes = dict(
            store.rows(
                "SELECT n, count(*) FROM (SELECT count(*) AS n FROM item WHERE cluster IS NOT NULL GROUP BY cluster) GROUP BY n ORDER BY n"
            )
        )
        kinds = {
            str(kind): int(n)
            for kind, n in store.rows("SELECT kind, count(*) FROM relation GROUP BY kind ORDER BY 2 DESC")
        }
    counted = [(day, str(lang), int(n)) for text, lang, n in rows if (day := _day(text))]
    unit, spans = _spans([day for day, _, _ in counted], datetime.now(UTC).date() + AHEAD)
    cells: Counter[tuple[date, str]] = Counter()
    for day, lang, n in counted:
        cells[_begin(day, unit), lang] += n
    stories: Counter[date] = Counter()
    for text, n in firsts.items():
        if found := _day(text):
            stories[_begin(found, unit)] += n
    shown = set(spans)
    return Statistics(
        sum(by_lang.values()),
        sum(story_langs.values()),
        by_lang,
        unit,
        tuple(span.isoformat() for span in spans),
        {lang: tuple(cells[span, lang] for span in spans) for lang in by_lang},
        tuple(stories[span] for span in spans),
        sum(n for span, n in stories.items() if spans and span < spans[0]),
        sum(n for (span, _), n in cells.items() if span not in shown),
        story_langs,
        story_sizes,
        kinds,
    )


def _day(text: str | None) -> date | None:
    """A day as SQLite writes it; None for one outside the calendar, which an index of an earlier version may hold."""
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        return None


def _begin(day: date, unit: str) -> date:
    """The first day of the span that holds `day`."""
    if unit == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if unit == "month" else day


def _spans(days: list[date], horizon: date) -> tuple[str, list[date]]:
    """The unit, and the first day of every span from the first of `days` to the last up to `horizon`, at most the last `SPANS`.

    Where all days are beyond the horizon it is the last of all.
    """
    if not days:
        return "day", []
    first, last = min(days), max((day for day in days if day <= horizon), default=max(days))
    length = (last - first).days + 1
    unit = "day" if length <= SPANS else "week" if length <= 7 * (SPANS - 1) else "month"
    spans = [_begin(last, unit)]
    while spans[-1] > first and len(spans) < SPANS:
        spans.append(_begin(spans[-1] - timedelta(days=1), unit))
    return unit, spans[::-1]
