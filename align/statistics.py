"""What an index holds, counted: by language, over time, by size of story."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta

from align.store import Store

SPANS = 62
"""Most spans of time that a chart shows."""


@dataclass(frozen=True)
class Statistics:
    """Counts. `spans` are the first days of equal spans of time without a gap, oldest first, at most `SPANS`, each one `unit`
    long (day, week from Monday, or month): the shortest unit that shows everything. `by_span` gives each language's items in
    each span, `stories_by_span` the clusters whose first item is of it, `stories_before` those of before the first.
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
    unit, spans = _spans([date.fromisoformat(day) for day, _, _ in rows if day])
    cells: Counter[tuple[date, str]] = Counter()
    for day, lang, n in rows:
        if day:
            cells[_begin(date.fromisoformat(day), unit), str(lang)] += n
    stories: Counter[date] = Counter()
    for day, n in firsts.items():
        if day:
            stories[_begin(date.fromisoformat(day), unit)] += n
    return Statistics(
        sum(by_lang.values()),
        sum(story_langs.values()),
        by_lang,
        unit,
        tuple(span.isoformat() for span in spans),
        {lang: tuple(cells[span, lang] for span in spans) for lang in by_lang},
        tuple(stories[span] for span in spans),
        sum(n for span, n in stories.items() if spans and span < spans[0]),
        story_langs,
        story_sizes,
        kinds,
    )


def _begin(day: date, unit: str) -> date:
    """The first day of the span that holds `day`."""
    if unit == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if unit == "month" else day


def _spans(days: list[date]) -> tuple[str, list[date]]:
    """The unit, and the first day of every span from the first of `days` to the last, at most the last `SPANS`."""
    if not days:
        return "day", []
    first, last = min(days), max(days)
    length = (last - first).days + 1
    unit = "day" if length <= SPANS else "week" if length <= 7 * (SPANS - 1) else "month"
    spans = [_begin(last, unit)]
    while spans[-1] > first and len(spans) < SPANS:
        spans.append(_begin(spans[-1] - timedelta(days=1), unit))
    return unit, spans[::-1]
