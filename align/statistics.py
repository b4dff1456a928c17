"""What an index holds, counted: by language, by day, by size of story."""

from __future__ import annotations

from dataclasses import dataclass

from align.store import Store

DAYS = 60


@dataclass(frozen=True)
class Statistics:
    """Counts. `days` are ISO dates with items, oldest first, the last `DAYS` of them; `by_day` gives each language's
    items on each of those days, `stories_by_day` the clusters whose first item is of that day. `story_langs` and
    `story_sizes` count clusters by their number of languages and of items.
    """

    n_items: int
    n_clusters: int
    by_lang: dict[str, int]
    days: tuple[str, ...]
    by_day: dict[str, tuple[int, ...]]
    stories_by_day: tuple[int, ...]
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
    days = tuple(sorted({str(day) for day, _, _ in rows if day}))[-DAYS:]
    cells = {(str(day), str(lang)): int(n) for day, lang, n in rows}
    return Statistics(
        sum(by_lang.values()),
        sum(story_langs.values()),
        by_lang,
        days,
        {lang: tuple(cells.get((day, lang), 0) for day in days) for lang in by_lang},
        tuple(int(firsts.get(day, 0)) for day in days),
        story_langs,
        story_sizes,
        kinds,
    )
