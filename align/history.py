"""What became of each cluster, when and why; and the clusters as they were at a past moment.

Every change of membership is a row: a cluster's id lasts, and whoever has cited it can follow it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from align.errors import InputError
from align.instants import now
from align.records import Change, Cluster
from align.store import Store


def record_change(
    store: Store, cluster: str, what: str, why: str, items: Iterable[str] = (), others: Iterable[str] = ()
) -> int:
    """Write one row of history and return its number. Called inside ``store.writing()``."""
    others = sorted(others)
    cursor = store.execute(
        "INSERT INTO change (at, cluster, what, why, items, others) VALUES (?, ?, ?, ?, ?, ?)",
        (now(), cluster, what, why, json.dumps(sorted(items)), json.dumps(others)),
    )
    number = int(cursor.lastrowid or 0)
    store.executemany("INSERT INTO change_other VALUES (?, ?)", ((other, number) for other in others))
    return number


def record_membership(store: Store, moves: Iterable[tuple[str, str | None]], since: int) -> None:
    """Note that items stand in other clusters, or in none, from change number `since` on."""
    store.executemany(
        "INSERT OR REPLACE INTO membership VALUES (?, ?, ?)", ((item_id, since, cluster) for item_id, cluster in moves)
    )


def changes(store: Store, after: int = 0, limit: int = 1000) -> list[Change]:
    """The changes with a number above `after`, oldest first, at most `limit`."""
    rows = store.execute(f"SELECT {_COLUMNS} FROM change WHERE number > ? ORDER BY number LIMIT ?", (after, limit))
    return [_change(row) for row in rows]


def changes_of(store: Store, cluster: str) -> list[Change]:
    """Every change that a cluster had a part in, oldest first."""
    rows = store.execute(
        f"SELECT {_COLUMNS} FROM change WHERE cluster = ? OR number IN (SELECT change_number FROM change_other WHERE cluster = ?) ORDER BY number",
        (cluster, cluster),
    )
    return [_change(row) for row in rows]


def number_at(store: Store, as_of: str) -> int:
    """The number of the last change up to `as_of`: an ISO 8601 time (a date means its end, no zone means UTC), or a change's number.

    Raises InputError for anything else.
    """
    if as_of.isdecimal() and len(as_of) < 8:
        return int(as_of)
    row = store.execute("SELECT coalesce(max(number), 0) FROM change WHERE at <= ?", (_stamp(as_of),)).fetchone()
    return int(row[0])


def moment_of(store: Store, as_of: str) -> str:
    """The time that `as_of` means, in the form of ``now()``. Raises InputError as ``number_at`` does."""
    if as_of.isdecimal() and len(as_of) < 8:
        row = store.execute("SELECT max(at) FROM change WHERE number <= ?", (int(as_of),)).fetchone()
        return str(row[0] or "")
    return _stamp(as_of)


def _stamp(as_of: str) -> str:
    try:
        moment = datetime.fromisoformat(as_of)
        if "T" not in as_of and " " not in as_of:
            moment += timedelta(days=1, microseconds=-1)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return moment.astimezone(UTC).isoformat(timespec="microseconds")
    except (ValueError, OverflowError) as error:
        remedy = "give a time such as 2026-03-04 or 2026-03-04T08:15:00+01:00, or the number of a change"
        raise InputError(f"{as_of!r} is no moment; {remedy}") from error


def clusters_at(store: Store, number: int) -> list[Cluster]:
    """The clusters as they were after change `number`, the oldest first, items in the order in which they came in."""
    rows = store.execute(
        """
        SELECT item, held.id FROM (
            SELECT item, cluster AS id, since, row_number() OVER (PARTITION BY item ORDER BY since DESC) AS latest
            FROM membership WHERE since <= ?
        ) AS held JOIN cluster ON cluster.id = held.id
        WHERE latest = 1 ORDER BY cluster.number, since, item
        """,
        (number,),
    )
    members: dict[str, list[str]] = {}
    for item_id, cluster in rows:
        members.setdefault(cluster, []).append(item_id)
    return [Cluster(cluster, tuple(items)) for cluster, items in members.items()]


def cluster_then(store: Store, cluster: str, number: int) -> Cluster:
    """The cluster as it was after change `number`; without items where there was none."""
    rows = store.execute(
        """
        SELECT item FROM membership AS held WHERE cluster = ?1 AND since <= ?2 AND NOT EXISTS (
            SELECT 1 FROM membership WHERE item = held.item AND since > held.since AND since <= ?2
        ) ORDER BY since, item
        """,
        (cluster, number),
    )
    return Cluster(cluster, tuple(row[0] for row in rows))


def cluster_at(store: Store, item_id: str, number: int) -> str | None:
    """The cluster in which an item stood after change `number`."""
    row = store.execute(
        "SELECT cluster FROM membership WHERE item = ? AND since <= ? ORDER BY since DESC LIMIT 1", (item_id, number)
    ).fetchone()
    return row[0] if row else None


_COLUMNS = "number, at, cluster, what, why, items, others"


def _change(row: Sequence[Any]) -> Change:
    return Change(row[0], row[1], row[2], row[3], row[4], tuple(json.loads(row[5])), tuple(json.loads(row[6])))
