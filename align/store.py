"""SQLite rows: the truth for documents, items, vectors, relations and clusters.

One connection a thread, write-ahead logging, so that readers go on at the last committed state while
a batch is written. Vectors are float32 blobs, rows of unit length.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from align.errors import IndexBusyError, InputError
from align.records import Cluster, Document, Item, ItemVectors, Kind, Relation, Vectors

DATABASE = "samestory.sqlite"
BUSY_SECONDS = 30.0

MIGRATIONS: tuple[str, ...] = (
    # 1: the first schema
    """
    CREATE TABLE setting (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
    CREATE TABLE document (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL, path TEXT NOT NULL, form TEXT NOT NULL, digest TEXT NOT NULL,
        external_id TEXT UNIQUE, text TEXT NOT NULL
    ) STRICT;
    CREATE INDEX document_by_digest ON document (digest, name);
    CREATE INDEX document_by_path ON document (path, name);
    CREATE TABLE item (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        document_number INTEGER NOT NULL REFERENCES document (number) ON DELETE CASCADE,
        document TEXT NOT NULL, lang TEXT NOT NULL, lang_confidence REAL NOT NULL,
        title TEXT NOT NULL, text TEXT NOT NULL,
        source TEXT, url TEXT, published TEXT,
        "start" INTEGER NOT NULL, "end" INTEGER NOT NULL, spans TEXT NOT NULL,
        related INTEGER NOT NULL DEFAULT 0,
        cluster TEXT
    ) STRICT;
    CREATE INDEX item_by_document ON item (document_number);
    CREATE INDEX item_by_cluster ON item (cluster);
    CREATE INDEX item_unrelated ON item (related) WHERE related = 0;
    CREATE TABLE vectors (
        item_number INTEGER PRIMARY KEY REFERENCES item (number) ON DELETE CASCADE,
        generation INTEGER NOT NULL,
        views BLOB NOT NULL, sentences BLOB NOT NULL, sentence_spans TEXT NOT NULL
    ) STRICT;
    CREATE INDEX vectors_by_generation ON vectors (generation);
    CREATE TABLE vectors_gone (item_number INTEGER PRIMARY KEY, generation INTEGER NOT NULL) STRICT;
    CREATE TABLE relation (
        a TEXT NOT NULL REFERENCES item (id) ON DELETE CASCADE,
        b TEXT NOT NULL REFERENCES item (id) ON DELETE CASCADE,
        kind TEXT NOT NULL, score REAL NOT NULL, evidence TEXT NOT NULL,
        PRIMARY KEY (a, b), CHECK (a < b)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX relation_by_b ON relation (b);
    CREATE TABLE page_line (line TEXT PRIMARY KEY, documents INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    """,
)

_ITEM_COLUMNS = 'id, document, lang, lang_confidence, title, text, source, url, published, "start", "end", spans'


@dataclass(frozen=True)
class StoredDocument:
    """What the store remembers of a document: its row number and a digest of everything it was read from."""

    number: int
    name: str
    digest: str


def _item(row: Sequence[Any]) -> Item:
    spans = tuple((start, end) for start, end in json.loads(row[11]))
    return Item(*row[:11], spans)  # type: ignore[call-arg]  # eleven columns of _ITEM_COLUMNS


class Store:
    """The database of one index folder.

    Opening runs the migrations that are missing; a database of a newer samestory is refused with
    InputError. Writing happens inside ``with store.writing():``, one writer at a time over all
    processes; a second waits `BUSY_SECONDS`, then raises IndexBusyError.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / DATABASE
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"{folder}: cannot be an index folder ({error.strerror}); name another with --index"
            ) from error
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._guard = threading.Lock()
        self._migrate()

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA foreign_keys = ON")
            self._local.connection = connection
            with self._guard:
                self._connections.append(connection)
        return connection

    def close(self) -> None:
        """Close every thread's connection."""
        with self._guard:
            for connection in self._connections:
                connection.close()
            self._connections.clear()
        self._local = threading.local()

    def _migrate(self) -> None:
        try:
            version = self._connection().execute("PRAGMA user_version").fetchone()[0]
        except sqlite3.DatabaseError as error:
            raise InputError(
                f"{self.path}: not a samestory database ({error}); name another folder with --index"
            ) from error
        if version > len(MIGRATIONS):
            raise InputError(
                f"{self.path}: written by a newer samestory (schema {version}, this one knows {len(MIGRATIONS)}); upgrade samestory"
            )
        if version == len(MIGRATIONS):
            return
        with self.writing():
            connection = self._connection()
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            for number in range(version, len(MIGRATIONS)):
                for statement in MIGRATIONS[number].split(";"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {number + 1}")

    @contextmanager
    def writing(self) -> Iterator[None]:
        """All or nothing: commits at the end, rolls back on any exception."""
        connection = self._connection()
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            raise IndexBusyError(
                f"{self.path}: another process has been writing for over {BUSY_SECONDS:.0f} s; try again when it has finished"
            ) from error
        try:
            yield
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")

    @contextmanager
    def reading(self) -> Iterator[None]:
        """One unchanging state of the database for several reads."""
        connection = self._connection()
        connection.execute("BEGIN")
        try:
            yield
        finally:
            connection.execute("COMMIT")

    # settings

    def setting(self, name: str) -> str | None:
        row = self._connection().execute("SELECT value FROM setting WHERE name = ?", (name,)).fetchone()
        return str(row[0]) if row else None

    def set_setting(self, name: str, value: str) -> None:
        self._connection().execute(
            "INSERT INTO setting VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", (name, value)
        )

    # documents and items

    def find_document(self, document: Document, digest: str) -> StoredDocument | None:
        """The stored document that `document` is a re-reading of.

        The same external id; or, without one, the same content under the same name; or the same path and name.
        """
        columns = "number, name, digest"
        if document.external_id is not None:
            questions: list[tuple[str, tuple[str, ...]]] = [("external_id = ?", (document.external_id,))]
        else:
            questions = [
                ("digest = ? AND name = ? AND external_id IS NULL", (digest, document.name)),
                ("path = ? AND name = ? AND external_id IS NULL", (document.path, document.name)),
            ]
        for condition, values in questions:
            row = (
                self._connection()
                .execute(f"SELECT {columns} FROM document WHERE {condition} ORDER BY number LIMIT 1", values)
                .fetchone()
            )
            if row:
                return StoredDocument(*row)
        return None

    def put_document(self, document: Document, digest: str, number: int | None) -> int:
        """Insert, or overwrite row `number`; returns the row number."""
        values = (document.name, document.path, document.form.value, digest, document.external_id, document.text)
        if number is not None:
            self._connection().execute(
                "UPDATE document SET name = ?, path = ?, form = ?, digest = ?, external_id = ?, text = ? WHERE number = ?",
                (*values, number),
            )
            return number
        cursor = self._connection().execute(
            "INSERT INTO document (name, path, form, digest, external_id, text) VALUES (?, ?, ?, ?, ?, ?)", values
        )
        return int(cursor.lastrowid or 0)

    def document_text(self, item_id: str) -> str | None:
        """The text of the document that an item was found in: what the item's offsets slice."""
        row = (
            self._connection()
            .execute(
                "SELECT document.text FROM document JOIN item ON item.document_number = document.number WHERE item.id = ?",
                (item_id,),
            )
            .fetchone()
        )
        return str(row[0]) if row else None

    def items_of_document(self, number: int) -> list[Item]:
        rows = self._connection().execute(
            f"SELECT {_ITEM_COLUMNS} FROM item WHERE document_number = ? ORDER BY number", (number,)
        )
        return [_item(row) for row in rows]

    def owner_of(self, item_id: str) -> int | None:
        """The document number that holds the item, or None where there is no such item."""
        row = self._connection().execute("SELECT document_number FROM item WHERE id = ?", (item_id,)).fetchone()
        return int(row[0]) if row else None

    def put_item(self, item: Item, document_number: int) -> int:
        """Insert the item, or overwrite the one with its id; either way it waits for its relations. Returns its number."""
        row = self._connection().execute(
            f"INSERT INTO item ({_ITEM_COLUMNS}, document_number) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?) "
            'ON CONFLICT (id) DO UPDATE SET document = excluded.document, lang = excluded.lang, lang_confidence = excluded.lang_confidence, '
            "title = excluded.title, text = excluded.text, source = excluded.source, url = excluded.url, published = excluded.published, "
            '"start" = excluded."start", "end" = excluded."end", spans = excluded.spans, related = 0 RETURNING number',
            (item.id, item.document, item.lang, item.lang_confidence, item.title, item.text, item.source, item.url, item.published,
             item.start, item.end, json.dumps(item.spans), document_number),
        ).fetchone()  # fmt: skip
        return int(row[0])

    def delete_items(self, item_ids: Iterable[str]) -> None:
        """Delete items with their vectors and relations, and documents left without any."""
        connection = self._connection()
        for item_id in item_ids:
            number = self.owner_of(item_id)
            connection.execute(
                "INSERT OR REPLACE INTO vectors_gone SELECT number, ? FROM item WHERE id = ?",
                (self.generation() + 1, item_id),
            )
            connection.execute("DELETE FROM item WHERE id = ?", (item_id,))
            connection.execute(
                "DELETE FROM document WHERE number = ? AND NOT EXISTS (SELECT 1 FROM item WHERE document_number = ?)",
                (number, number),
            )

    def item(self, item_id: str) -> Item | None:
        row = self._connection().execute(f"SELECT {_ITEM_COLUMNS} FROM item WHERE id = ?", (item_id,)).fetchone()
        return _item(row) if row else None

    def items_by_document_name(self, name: str) -> list[Item]:
        """The items whose document's name or external id is `name`."""
        rows = self._connection().execute(
            f"SELECT {_ITEM_COLUMNS} FROM item WHERE document = ? ORDER BY number", (name,)
        )
        return [_item(row) for row in rows]

    def items(self, after: int = 0, limit: int | None = None) -> list[tuple[int, Item]]:
        """(number, item) in order of arrival, those above number `after`, at most `limit`."""
        rows = self._connection().execute(
            f"SELECT {_ITEM_COLUMNS}, number FROM item WHERE number > ? ORDER BY number LIMIT ?",
            (after, -1 if limit is None else limit),
        )
        return [(row[12], _item(row)) for row in rows]

    def items_by_number(self, numbers: Iterable[int]) -> dict[int, Item]:
        found = {}
        for number in numbers:
            row = self._connection().execute(f"SELECT {_ITEM_COLUMNS} FROM item WHERE number = ?", (number,)).fetchone()
            if row:
                found[number] = _item(row)
        return found

    def count_items(self) -> int:
        return int(self._connection().execute("SELECT count(*) FROM item").fetchone()[0])

    # page lines

    def lines_seen(self, lines: Iterable[str]) -> dict[str, int]:
        """In how many pages each of `lines` (digests) was seen; those never seen are left out."""
        found = {}
        for line in lines:
            row = self._connection().execute("SELECT documents FROM page_line WHERE line = ?", (line,)).fetchone()
            if row:
                found[line] = int(row[0])
        return found

    def count_lines(self, lines: Iterable[str]) -> None:
        """Note that one more page holds each of `lines` (digests)."""
        self._connection().executemany(
            "INSERT INTO page_line VALUES (?, 1) ON CONFLICT (line) DO UPDATE SET documents = documents + 1",
            ((line,) for line in lines),
        )

    # vectors

    def put_vectors(self, number: int, vectors: ItemVectors) -> None:
        self._connection().execute(
            "INSERT OR REPLACE INTO vectors VALUES (?, ?, ?, ?, ?)",
            (
                number,
                self.generation() + 1,
                vectors.views.astype("<f4").tobytes(),
                vectors.sentences.astype("<f4").tobytes(),
                json.dumps(vectors.sentence_spans),
            ),
        )

    def vectors(self, number: int, dimension: int) -> ItemVectors:
        """The vectors of one item. Raises KeyError if there are none."""
        row = (
            self._connection()
            .execute("SELECT views, sentences, sentence_spans FROM vectors WHERE item_number = ?", (number,))
            .fetchone()
        )
        if row is None:
            raise KeyError(number)
        return ItemVectors(
            _rows(row[0], dimension), _rows(row[1], dimension), tuple((start, end) for start, end in json.loads(row[2]))
        )

    def views_since(self, generation: int, dimension: int) -> tuple[list[int], Vectors]:
        """The view vectors put after `generation`: owners (item numbers, one a row) and rows (n, d). 0 gives all."""
        owners: list[int] = []
        parts: list[Vectors] = []
        rows = self._connection().execute(
            "SELECT item_number, views FROM vectors WHERE generation > ? ORDER BY item_number", (generation,)
        )
        for number, blob in rows:
            part = _rows(blob, dimension)
            owners += [number] * len(part)
            parts.append(part)
        return owners, np.concatenate(parts) if parts else np.empty((0, dimension), dtype=np.float32)

    def gone_since(self, generation: int) -> list[int]:
        """The numbers of the items deleted after `generation`."""
        rows = self._connection().execute("SELECT item_number FROM vectors_gone WHERE generation > ?", (generation,))
        return [int(row[0]) for row in rows]

    def generation(self) -> int:
        """How many times the vectors have been changed and the change finished: 0 for a new index."""
        return int(self.setting("generation") or 0)

    def finish_generation(self) -> None:
        """Say that the vectors put and deleted since the last call belong together; call it inside ``writing()``."""
        self.set_setting("generation", str(self.generation() + 1))

    # relations

    def unrelated(self) -> list[tuple[int, Item]]:
        """(number, item) of the items whose relations have not been worked out."""
        rows = self._connection().execute(f"SELECT {_ITEM_COLUMNS}, number FROM item WHERE related = 0 ORDER BY number")
        return [(row[12], _item(row)) for row in rows]

    def mark_related(self, item_ids: Iterable[str]) -> None:
        self._connection().executemany("UPDATE item SET related = 1 WHERE id = ?", ((item_id,) for item_id in item_ids))

    def drop_relations(self, item_id: str) -> None:
        self._connection().execute("DELETE FROM relation WHERE a = ? OR b = ?", (item_id, item_id))

    def put_relations(self, relations: Iterable[Relation]) -> None:
        self._connection().executemany(
            "INSERT OR REPLACE INTO relation VALUES (?, ?, ?, ?, ?)",
            (
                (found.a, found.b, found.kind.value, found.score, json.dumps(found.evidence, ensure_ascii=False))
                for found in relations
            ),
        )

    def relations_of(self, item_id: str) -> list[Relation]:
        """The item's relations, strongest first."""
        rows = self._connection().execute(
            "SELECT a, b, kind, score, evidence FROM relation WHERE a = ? UNION ALL SELECT a, b, kind, score, evidence FROM relation WHERE b = ? ORDER BY 4 DESC, 1, 2",
            (item_id, item_id),
        )
        return [_relation(row) for row in rows]

    def relations(self) -> Iterator[Relation]:
        """Every relation, in the order of its ids."""
        for row in self._connection().execute("SELECT a, b, kind, score, evidence FROM relation ORDER BY a, b"):
            yield _relation(row)

    def relation(self, left: str, right: str) -> Relation | None:
        a, b = sorted((left, right))
        row = (
            self._connection()
            .execute("SELECT a, b, kind, score, evidence FROM relation WHERE a = ? AND b = ?", (a, b))
            .fetchone()
        )
        return _relation(row) if row else None

    # clusters

    def set_clusters(self, clusters: Iterable[Cluster]) -> None:
        """Put the clusters' items under their ids."""
        self._connection().executemany(
            "UPDATE item SET cluster = ? WHERE id = ?",
            ((found.id, item_id) for found in clusters for item_id in found.item_ids),
        )

    def cluster_of(self, item_id: str) -> str | None:
        row = self._connection().execute("SELECT cluster FROM item WHERE id = ?", (item_id,)).fetchone()
        return str(row[0]) if row and row[0] else None

    def cluster_items(self, cluster_id: str) -> list[Item]:
        """The items of a cluster in order of arrival; [] where there is no such cluster."""
        rows = self._connection().execute(
            f"SELECT {_ITEM_COLUMNS} FROM item WHERE cluster = ? ORDER BY number", (cluster_id,)
        )
        return [_item(row) for row in rows]

    def mates(self, item_ids: Iterable[str]) -> set[str]:
        """The items that share a cluster with any of `item_ids`, these included."""
        clusters = {self.cluster_of(item_id) for item_id in item_ids} - {None}
        return {item.id for cluster in clusters if cluster for item in self.cluster_items(cluster)}

    def cluster_ids(self, after: str = "", limit: int | None = None) -> list[str]:
        """Ids of the clusters, the one whose first item arrived first leading, those after the id `after`."""
        first = (
            self._connection().execute("SELECT min(number) FROM item WHERE cluster = ?", (after,)).fetchone()[0]
            if after
            else 0
        )
        rows = self._connection().execute(
            "SELECT cluster, min(number) AS first FROM item WHERE cluster IS NOT NULL GROUP BY cluster HAVING first > ? ORDER BY first LIMIT ?",
            (first or 0, -1 if limit is None else limit),
        )
        return [str(row[0]) for row in rows]


def _rows(blob: bytes, dimension: int) -> Vectors:
    return np.frombuffer(blob, dtype="<f4").reshape(-1, dimension).astype(np.float32, copy=False)


def _relation(row: Sequence[Any]) -> Relation:
    return Relation(row[0], row[1], Kind(row[2]), row[3], json.loads(row[4]))
