"""Items and clusters listed by language, source, date and words, a page at a time.

Every list walks an index of the database from the cursor on and stops when the page is full, so that
the last page costs what the first does.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time

from align.errors import InputError
from align.instants import parse_moment
from align.records import Item, Kind
from align.store import Store


def moment(text: str | None, end_of_day: bool = False) -> datetime | None:
    """An ISO 8601 date or time, UTC where it names no zone; a date is its first moment, or its last.

    Raises InputError for a text that is none; None gives None.
    """
    if not text:
        return None
    try:
        found = parse_moment(text)
    except InputError as error:
        raise InputError(f"date {error}") from error
    if end_of_day and len(text.strip()) <= 10:
        found = datetime.combine(found.date(), time.max)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


@dataclass(frozen=True)
class ItemFilter:
    """Which items are wanted: in any of `langs`, from any of `sources`, published between two moments, both inclusive,
    holding `words` as they stand, whatever their case. What is left empty filters nothing.
    """

    langs: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    published_from: datetime | None = None
    published_to: datetime | None = None
    words: str = ""

    def conditions(self, item: str = "item") -> tuple[list[str], list[object]]:
        """The filter as SQL conditions over the table named `item`, and their values."""
        conditions: list[str] = []
        values: list[object] = []
        for column, wanted in (("lang", self.langs), ("source", self.sources)):
            if wanted:
                conditions.append(f"{item}.{column} IN ({', '.join('?' * len(wanted))})")
                values += wanted
        for sign, bound in ((">=", self.published_from), ("<=", self.published_to)):
            if bound:
                conditions.append(f"julianday({item}.published) {sign} julianday(?)")
                values.append(bound.astimezone(UTC).isoformat(sep=" ", timespec="milliseconds").removesuffix("+00:00"))
        if self.words.strip():
            words = self.words.strip()
            if len(words) >= 3:
                conditions.append(f"{item}.number IN (SELECT rowid FROM item_words WHERE item_words MATCH ?)")
                values.append('"' + words.replace('"', '""') + '"')
            else:  # the trigram index knows nothing shorter; most words of Japanese are
                conditions.append(f"(instr({item}.title, ?) OR instr({item}.text, ?))")
                values += [words, words]
        return conditions, values


@dataclass(frozen=True)
class ClusterFilter:
    """Which clusters are wanted: with an item in each of `langs`, none in any of `missing`, in at least `n_langs`
    languages, with at least `n_items` items, without at least one of `incomplete`, with some item that `items` lets through,
    and with two items whose relation is of one of `kinds` and has at least `min_score`, inclusive.
    """

    langs: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    n_langs: int = 1
    n_items: int = 1
    incomplete: tuple[str, ...] = ()
    items: ItemFilter = ItemFilter()
    kinds: tuple[Kind, ...] = ()
    min_score: float = 0.0

    def conditions(self) -> tuple[list[str], list[object]]:
        """The filter as SQL conditions over clusters, ``item`` being any item of one, and their values."""
        conditions: list[str] = []
        values: list[object] = []
        mate = "SELECT 1 FROM item AS mate WHERE mate.cluster = item.cluster"
        for lang in self.langs:
            conditions.append(f"EXISTS ({mate} AND mate.lang = ?)")
            values.append(lang)
        for lang in self.missing:
            conditions.append(f"NOT EXISTS ({mate} AND mate.lang = ?)")
            values.append(lang)
        if self.n_langs > 1:
            conditions.append("(SELECT count(DISTINCT lang) FROM item AS mate WHERE mate.cluster = item.cluster) >= ?")
            values.append(self.n_langs)
        if self.n_items > 1:
            conditions.append("(SELECT count(*) FROM item AS mate WHERE mate.cluster = item.cluster) >= ?")
            values.append(self.n_items)
        if self.incomplete:
            marks = ", ".join("?" * len(self.incomplete))
            conditions.append(
                f"(SELECT count(DISTINCT lang) FROM item AS mate WHERE mate.cluster = item.cluster AND mate.lang IN ({marks})) < ?"
            )
            values += [*self.incomplete, len(self.incomplete)]
        if self.kinds or self.min_score:
            wanted = f"AND relation.kind IN ({', '.join('?' * len(self.kinds))})" if self.kinds else ""
            conditions.append(
                "EXISTS (SELECT 1 FROM item AS mate JOIN relation ON relation.b = mate.id JOIN item AS other ON other.id = relation.a"
                f" WHERE mate.cluster = item.cluster AND other.cluster = item.cluster AND relation.score >= ? {wanted})"
            )
            values += [self.min_score, *(kind.value for kind in self.kinds)]
        inner, inner_values = self.items.conditions("mate")
        if inner:
            conditions.append(f"EXISTS ({mate} AND {' AND '.join(inner)})")
            values += inner_values
        return conditions, values


def list_items(store: Store, wanted: ItemFilter, after: int = 0, limit: int = 100) -> list[tuple[int, Item]]:
    """(number, item) in order of arrival, those above number `after`, at most `limit`."""
    conditions, values = wanted.conditions()
    numbers = store.rows(
        f"SELECT number FROM item WHERE {' AND '.join(['number > ?', *conditions])} ORDER BY number LIMIT ?",
        (after, *values, limit),
    )
    return list(store.items_by_number([row[0] for row in numbers]).items())


def list_clusters(store: Store, wanted: ClusterFilter, after: int = 0, limit: int = 100) -> list[tuple[int, str]]:
    """(number of its first item, id) of clusters in order of their first items' arrival, those above `after`."""
    conditions, values = wanted.conditions()
    first = "NOT EXISTS (SELECT 1 FROM item AS earlier WHERE earlier.cluster = item.cluster AND earlier.number < item.number)"
    rows = store.rows(
        f"SELECT number, cluster FROM item WHERE {' AND '.join(['number > ?', 'cluster IS NOT NULL', first, *conditions])} ORDER BY number LIMIT ?",
        (after, *values, limit),
    )
    return [(int(row[0]), str(row[1])) for row in rows]


Newest = tuple[float, int]
"""Where a cluster stands in a list by date: the Julian day of its newest item (0 without a date) and the item's number."""


def list_newest_clusters(
    store: Store, wanted: ClusterFilter, after: Newest | None = None, limit: int = 100
) -> list[tuple[Newest, str]]:
    """Clusters by their newest item's date, newest first, those without any date last; `after` is the place of the last seen."""
    conditions, values = wanted.conditions()
    day = "coalesce(julianday({}.published), 0)"
    own, other = day.format("item"), day.format("later")
    newest = f"NOT EXISTS (SELECT 1 FROM item AS later WHERE later.cluster = item.cluster AND ({other}, later.number) > ({own}, item.number))"
    conditions = ["cluster IS NOT NULL", newest, *conditions]
    if after is not None:
        conditions.insert(0, f"({own}, number) < (?, ?)")
        values = [*after, *values]
    rows = store.rows(
        f"SELECT {own}, number, cluster FROM item WHERE {' AND '.join(conditions)} ORDER BY {own} DESC, number DESC LIMIT ?",
        (*values, limit),
    )
    return [((float(row[0]), int(row[1])), str(row[2])) for row in rows]
