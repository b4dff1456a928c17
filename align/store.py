"""SQLite rows: the truth for documents, items, vectors, relations and clusters.

One connection a thread, write-ahead logging, so that readers go on at the last committed state while
a batch is written. Vectors are float32 blobs, rows of unit length.
"""

from __future__ import annotations

import itertools
import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from align.database import Database
from align.errors import InputError
from align.instants import now
from align.migrations import MIGRATIONS
from align.quantities import Quantity, pack_quantities, unpack_quantities
from align.records import Cluster, Document, Item, ItemVectors, Kind, Relation, Revision, Vectors

DATABASE = "samestory.sqlite"
BUSY_SECONDS = 30.0
_AT_ONCE = 900  # SQLite's limit on the variables of one statement is far above

_ITEM_COLUMNS = 'id, document, lang, lang_confidence, title, text, source, url, published, "start", "end", spans'


@dataclass(frozen=True)
class Sender:
    """What a document is recognised by, apart from its id: where, by whom and when it was published, and what it says."""

    address: str | None
    source: str | None
    published: str | None
    text_digest: str


@dataclass(frozen=True)
class StoredDocument:
    """What the store remembers of a document: its row number, a digest of everything it says, its text and first item's title."""

    number: int
    name: str
    digest: str
    text: str
    title: str | None


def _item(row: Sequence[Any]) -> Item:
    spans = tuple((start, end) for start, end in json.loads(row[11]))
    return Item(*row[:11], spans)  # type: ignore[call-arg]  # eleven columns of _ITEM_COLUMNS


class Store(Database):
    """The database of one index folder.

    Opening runs the migrations that are missing; a database of a newer samestory is refused with
    InputError. Writing happens inside ``with store.writing():``, one writer at a time over all
    processes; a second waits `BUSY_SECONDS`, then raises IndexBusyError.
    """

    def __init__(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"{folder}: cannot be an index folder ({error.strerror}); name another with --index"
            ) from error
        super().__init__(folder / DATABASE, BUSY_SECONDS)
        try:
            self.migrate(MIGRATIONS)
        except sqlite3.DatabaseError as error:
            raise InputError(
                f"{self.path}: not a samestory database ({error}); name another folder with --index"
            ) from error

    def execute(self, statement: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        """Run one statement on this thread's connection."""
        return self._connection().execute(statement, values)

    def executemany(self, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run one statement for every row of `rows`."""
        self._connection().executemany(statement, rows)

    def count_items_anew(self) -> int:
        """The number of items, read from the file as it lies there now. Raises InputError where it cannot be read."""
        return int(self.ask_anew("SELECT count(*) FROM item"))

    def copy_to(self, path: Path) -> None:
        """Copy the last committed state into a new database file, while others go on reading and writing."""
        target = sqlite3.connect(path)
        try:
            self._connection().backup(target)
        finally:
            target.close()

    @contextmanager
    def reading(self) -> Iterator[None]:
        """One unchanging state of the database for several reads; inside ``writing()`` or another ``reading()``, theirs."""
        connection = self._connection()
        if connection.in_transaction:
            yield
            return
        connection.execute("BEGIN")
        try:
            yield
        finally:
            connection.execute("COMMIT")

    def rows(self, question: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """The rows of a SELECT over the tables above."""
        return self._connection().execute(question, values).fetchall()

    # settings

    def setting(self, name: str) -> str | None:
        row = self._connection().execute("SELECT value FROM setting WHERE name = ?", (name,)).fetchone()
        return str(row[0]) if row else None

    def settings(self, names: Sequence[str]) -> dict[str, str]:
        """The values of those of `names` that are set."""
        return dict(self.chosen("SELECT name, value FROM setting", "name", names))

    def set_setting(self, name: str, value: str) -> None:
        self._connection().execute(
            "INSERT INTO setting VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", (name, value)
        )

    # documents and items

    def find_external(self, external_id: str) -> StoredDocument | None:
        """The document with this external id, or that had it before; its digest is of what came under this id."""
        for found in self.find_documents("external_id = ?", external_id):
            return found
        row = (
            self._connection()
            .execute("SELECT document_number, digest FROM alias WHERE external_id = ?", (external_id,))
            .fetchone()
        )
        if row is None:
            return None
        [found] = self.find_documents("number = ?", row[0])
        return replace(found, digest=row[1])

    def find_documents(self, condition: str, *values: object) -> list[StoredDocument]:
        """The documents that meet a condition in SQL, the first ones first, at most 50."""
        rows = self._connection().execute(
            f"SELECT number, name, digest, text, (SELECT title FROM item WHERE document_number = document.number LIMIT 1) FROM document WHERE {condition} ORDER BY number LIMIT 50",
            values,
        )
        return [StoredDocument(*row) for row in rows]

    def put_document(self, document: Document, digest: str, sender: Sender, number: int | None) -> int:
        """Insert, or overwrite row `number`, an external id that it had becoming an alias; returns the row number."""
        values = (
            document.name, document.path, document.form.value, digest, document.external_id, document.text,
            sender.address, sender.source, sender.published, sender.text_digest,
        )  # fmt: skip
        if number is not None:
            if document.external_id is not None:
                self._connection().execute(
                    "INSERT OR REPLACE INTO alias SELECT external_id, digest, number FROM document WHERE number = ? AND external_id <> ?",
                    (number, document.external_id),
                )
                self._connection().execute("DELETE FROM alias WHERE external_id = ?", (document.external_id,))
            self._connection().execute(
                "UPDATE document SET name = ?, path = ?, form = ?, digest = ?, external_id = coalesce(?, external_id), text = ?, "
                "address = ?, source = ?, published = ?, text_digest = ? WHERE number = ?",
                (*values, number),
            )
            return number
        cursor = self._connection().execute(
            "INSERT INTO document (name, path, form, digest, external_id, text, address, source, published, text_digest) VALUES (?,?,?,?,?,?,?,?,?,?)",
            values,
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

    def put_item(self, item: Item, document_number: int, at: str) -> int:
        """Insert the item, read `at` a time, or overwrite the one with its id; either way it waits for its relations. Returns its number."""
        self._leave_neighbours(item.id)
        row = self._connection().execute(
            f"INSERT INTO item ({_ITEM_COLUMNS}, document_number, seen_at, text_at) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) "
            'ON CONFLICT (id) DO UPDATE SET document = excluded.document, lang = excluded.lang, lang_confidence = excluded.lang_confidence, '
            "title = excluded.title, text = excluded.text, source = excluded.source, url = excluded.url, published = excluded.published, "
            '"start" = excluded."start", "end" = excluded."end", spans = excluded.spans, text_at = excluded.text_at, related = 0 RETURNING number',
            (item.id, item.document, item.lang, item.lang_confidence, item.title, item.text, item.source, item.url, item.published,
             item.start, item.end, json.dumps(item.spans), document_number, at, at),
        ).fetchone()  # fmt: skip
        return int(row[0])

    def put_item_head(self, item: Item) -> None:
        """Overwrite what vectors and relations do not depend on: names, addresses, offsets."""
        self._connection().execute(
            'UPDATE item SET document = ?, lang_confidence = ?, source = ?, url = ?, "start" = ?, "end" = ?, spans = ? WHERE id = ?',
            (item.document, item.lang_confidence, item.source, item.url, item.start, item.end, json.dumps(item.spans), item.id),
        )  # fmt: skip

    def delete_items(self, item_ids: Iterable[str]) -> None:
        """Delete items with their vectors and relations, and documents left without any; the clusters they leave wait to be worked out."""
        connection = self._connection()
        item_ids = list(item_ids)
        self.touch(self.mates(item_ids) | self.partners(item_ids))
        self.leave_sentences(item_ids)
        for item_id in item_ids:
            number = self.owner_of(item_id)
            connection.execute(
                "INSERT OR REPLACE INTO vectors_gone SELECT number, ? FROM item WHERE id = ?",
                (self.generation() + 1, item_id),
            )
            self._leave_neighbours(item_id)
            connection.execute("DELETE FROM item WHERE id = ?", (item_id,))
            connection.execute(
                "DELETE FROM document WHERE number = ? AND NOT EXISTS (SELECT 1 FROM item WHERE document_number = ?)",
                (number, number),
            )

    def item(self, item_id: str) -> Item | None:
        row = self._connection().execute(f"SELECT {_ITEM_COLUMNS} FROM item WHERE id = ?", (item_id,)).fetchone()
        return _item(row) if row else None

    def items_by_document_name(self, name: str) -> list[Item]:
        """The items whose document's name or external id is, or was, `name`."""
        rows = self._connection().execute(
            f"SELECT {_ITEM_COLUMNS} FROM item WHERE document = ?1 OR document_number = (SELECT document_number FROM alias WHERE external_id = ?1) ORDER BY number",
            (name,),
        )
        return [_item(row) for row in rows]

    def items(self, after: int = 0, limit: int | None = None) -> list[tuple[int, Item]]:
        """(number, item) in order of arrival, those above number `after`, at most `limit`."""
        rows = self._connection().execute(
            f"SELECT {_ITEM_COLUMNS}, number FROM item WHERE number > ? ORDER BY number LIMIT ?",
            (after, -1 if limit is None else limit),
        )
        return [(row[12], _item(row)) for row in rows]

    def items_numbered(self, item_ids: Iterable[str]) -> list[tuple[int, Item]]:
        """(number, item) of those of `item_ids` that are there, in their order."""
        found = []
        for item_id in item_ids:
            row = (
                self._connection()
                .execute(f"SELECT {_ITEM_COLUMNS}, number FROM item WHERE id = ?", (item_id,))
                .fetchone()
            )
            if row:
                found.append((row[12], _item(row)))
        return found

    def items_by_number(self, numbers: Sequence[int]) -> dict[int, Item]:
        """Those of the items that are there, in the order of `numbers`."""
        found = {
            row[12]: _item(row) for row in self.chosen(f"SELECT {_ITEM_COLUMNS}, number FROM item", "number", numbers)
        }
        return {number: found[number] for number in numbers if number in found}

    def is_empty(self) -> bool:
        """Whether there is no item: no count, which takes a millisecond of 100,000."""
        return not self.rows("SELECT 1 FROM item LIMIT 1")

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

    def without_quantities(self, item_ids: Iterable[str]) -> list[tuple[int, Item, list[tuple[int, int]]]]:
        """Those of the items whose quantities are not kept: number, item, and the spans of its sentences in ``full_text(item)``."""
        select = f"SELECT {_ITEM_COLUMNS}, number, sentence_spans FROM item JOIN vectors ON item_number = number"
        unread = "number NOT IN (SELECT item_number FROM quantities) AND id"
        return [(row[12], _item(row), json.loads(row[13])) for row in self.chosen(select, unread, sorted(item_ids))]

    def put_quantities(self, number: int, sentences: Sequence[Sequence[Quantity]]) -> None:
        """Keep the quantities of each sentence of an item, in the order of its sentence vectors."""
        self._connection().execute(
            "INSERT OR REPLACE INTO quantities VALUES (?, ?)", (number, pack_quantities(sentences))
        )

    def vectors(self, number: int, dimension: int) -> ItemVectors:
        """The vectors of one item. Raises KeyError if there are none."""
        return self.vectors_of([number], dimension)[number]

    def views_since(self, generation: int, dimension: int) -> tuple[list[int], list[str], Vectors]:
        """The story vectors put after `generation`: item numbers, languages and rows (n, d). 0 gives all."""
        # All are read in the order they lie in; the few of the last generations through the index, which SQLite would not choose.
        by = "INDEXED BY vectors_by_generation" if generation else ""
        rows = self.rows(
            f"SELECT item_number, lang, views FROM vectors {by} JOIN item ON number = item_number WHERE generation > ? ORDER BY item_number",
            (generation,),
        )
        views = [np.frombuffer(row[2], dtype="<f4", count=dimension) for row in rows]
        return (
            [row[0] for row in rows],
            [row[1] for row in rows],
            np.stack(views) if views else np.empty((0, dimension), dtype=np.float32),
        )

    def _leave_neighbours(self, item_id: str) -> None:
        """Note that an item's vectors are to go: the neighbourhoods that it is in are worked out again."""
        connection = self._connection()
        connection.execute(
            "INSERT INTO neighbour_left SELECT number, lang, views FROM item JOIN vectors ON item_number = number WHERE id = ? AND number IN (SELECT item_number FROM neighbourhood)",
            (item_id,),
        )
        for table in ("neighbourhood", "traits", "quantities"):
            connection.execute(
                f"DELETE FROM {table} WHERE item_number = (SELECT number FROM item WHERE id = ?)", (item_id,)
            )

    def sentences_by_id(
        self, item_id: str, dimension: int
    ) -> tuple[Vectors, list[tuple[int, int]], list[list[Quantity]] | None]:
        """The sentence vectors (n, d) of an item, their spans, and the quantities of each, None where they are not kept. Raises KeyError."""
        row = (
            self._connection()
            .execute(
                "SELECT vectors.sentences, sentence_spans, quantities.sentences FROM item JOIN vectors ON vectors.item_number = number "
                "LEFT JOIN quantities ON quantities.item_number = number WHERE id = ?",
                (item_id,),
            )
            .fetchone()
        )
        if row is None:
            raise KeyError(item_id)
        kept = None if row[2] is None else unpack_quantities(row[2])
        return _rows(row[0], dimension), json.loads(row[1]), kept

    def vectors_of(self, numbers: Sequence[int], dimension: int) -> dict[int, ItemVectors]:
        """The vectors of several items. Raises KeyError where one has none."""
        found = {
            number: ItemVectors(
                _rows(views, dimension),
                _rows(sentences, dimension),
                tuple((start, end) for start, end in json.loads(spans)),
            )
            for number, views, sentences, spans in self.chosen(
                "SELECT item_number, views, sentences, sentence_spans FROM vectors", "item_number", numbers
            )
        }
        return {number: found[number] for number in numbers}

    def story_views(self, numbers: Sequence[int], dimension: int) -> Vectors:
        """The story vectors (n, d) of items, in the order given. Raises KeyError where one has none."""
        found = np.empty((len(numbers), dimension), dtype=np.float32)
        place_of = {number: place for place, number in enumerate(numbers)}
        for number, views in self.chosen("SELECT item_number, views FROM vectors", "item_number", numbers):
            found[place_of.pop(number)] = np.frombuffer(views, dtype="<f4", count=dimension)
        if place_of:
            raise KeyError(min(place_of))
        return found

    def there(self, numbers: Sequence[int]) -> list[int]:
        """Those of the items that are there, in order."""
        return sorted(row[0] for row in self.chosen("SELECT number FROM item", "number", numbers))

    def ids_of(self, numbers: Sequence[int] | None = None) -> dict[int, str]:
        """The ids of those items that are there, or of all."""
        if numbers is None:
            return dict(self._connection().execute("SELECT number, id FROM item"))
        return dict(self.chosen("SELECT number, id FROM item", "number", numbers))

    def chosen(self, select: str, column: str, values: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
        """The rows of a SELECT without a condition whose `column`, which other conditions may precede, is one of `values`."""
        for start in range(0, len(values), _AT_ONCE):
            part = values[start : start + _AT_ONCE]
            yield from self._connection().execute(f"{select} WHERE {column} IN ({','.join('?' * len(part))})", part)

    def wait_again(self, item_ids: Iterable[str]) -> None:
        """Items whose relations are to be worked out once more."""
        self._connection().executemany("UPDATE item SET related = 0 WHERE id = ?", ((item_id,) for item_id in item_ids))

    def drop_pairs(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._connection().executemany("DELETE FROM relation WHERE a = ? AND b = ?", pairs)

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

    # revisions

    def keep_revision(self, item_id: str) -> None:
        """Keep the item's present text as a revision, before another takes its place."""
        self._connection().execute(
            "INSERT INTO revision SELECT id, (SELECT count(*) + 1 FROM revision WHERE item = item.id), text_at, title, text FROM item WHERE id = ?",
            (item_id,),
        )

    def revisions(self, item_id: str) -> list[Revision]:
        """Every text that the item has had, oldest first, the present one last."""
        rows = self._connection().execute(
            "SELECT item, number, at, title, text FROM revision WHERE item = ?1 UNION ALL "
            "SELECT id, (SELECT count(*) + 1 FROM revision WHERE item = ?1), text_at, title, text FROM item WHERE id = ?1 ORDER BY number",
            (item_id,),
        )
        return [Revision(*row) for row in rows]

    def item_at(self, item: Item, moment: str) -> Item:
        """The item with the title and text that it had at a moment, as far as it was there."""
        row = (
            self._connection()
            .execute(
                "SELECT title, text FROM revision WHERE item = ? AND at <= ? ORDER BY number DESC", (item.id, moment)
            )
            .fetchone()
        )
        current = self._connection().execute("SELECT text_at <= ? FROM item WHERE id = ?", (moment, item.id)).fetchone()
        return item if row is None or current[0] else replace(item, title=row[0], text=row[1])

    def outdate(self, item_ids: Iterable[str], revised: str) -> None:
        """Note that items are translations of what `revised` was before."""
        self._connection().executemany(
            "INSERT OR IGNORE INTO outdated VALUES (?, ?)", ((item_id, revised) for item_id in item_ids)
        )

    def text_at(self, item_id: str) -> str:
        """Since when an item has its present text; "" where there is no such item."""
        row = self._connection().execute("SELECT text_at FROM item WHERE id = ?", (item_id,)).fetchone()
        return str(row[0] or "") if row else ""

    def catch_up(self, item_id: str) -> set[str]:
        """Forget that the item is a translation of what others were before; returns these others."""
        rows = self._connection().execute("DELETE FROM outdated WHERE item = ? RETURNING revised", (item_id,))
        return {str(row[0]) for row in rows}

    def outdated(self, item_id: str) -> list[tuple[str, str]]:
        """(item, revised): an item that is a translation of what another was before it was revised, one of the two being `item_id`."""
        return self.rows("SELECT item, revised FROM outdated WHERE item = ?1 OR revised = ?1", (item_id,))

    # relations

    def waiting(self) -> list[tuple[int, str]]:
        """(number, language) of the items whose relations have not been worked out."""
        return self._connection().execute("SELECT number, lang FROM item WHERE related = 0 ORDER BY number").fetchall()

    def mark_related(self, item_ids: Iterable[str]) -> None:
        """Note that the items' relations are there, and that their clusters wait to be worked out."""
        item_ids = list(item_ids)
        self._connection().executemany("UPDATE item SET related = 1 WHERE id = ?", ((item_id,) for item_id in item_ids))
        self.touch(item_ids)

    def drop_relations(self, item_id: str) -> None:
        """Forget the item's relations; its clusters, and those of its partners, wait to be worked out."""
        self.touch({item_id} | self.partners([item_id]))
        self._connection().execute("DELETE FROM relation WHERE a = ?1 OR b = ?1", (item_id,))
        [number] = self._connection().execute("SELECT number FROM item WHERE id = ?", (item_id,)).fetchone()
        self._connection().execute("DELETE FROM comparison WHERE a = ?1 OR b = ?1", (number,))

    def relate_again(self, item_ids: Iterable[str]) -> None:
        """Other sentences of the items count than before: they are to be described anew, and their pairs compared. Their vectors stay."""
        item_ids = list(item_ids)
        self.executemany(
            "DELETE FROM traits WHERE item_number = (SELECT number FROM item WHERE id = ?)",
            ((item_id,) for item_id in item_ids),
        )
        self.wait_again(item_ids)

    def left_sentences(self) -> bool:
        """Whether a frequent sentence has lost a holder since boilerplate was last brought up to date."""
        return self._connection().execute("SELECT 1 FROM sentence_left LIMIT 1").fetchone() is not None

    def leave_sentences(self, item_ids: Iterable[str]) -> None:
        """Forget the sentences of items, and note the frequent ones among them: they have a holder less."""
        for item_id in item_ids:
            self._connection().execute(
                "INSERT OR IGNORE INTO sentence_left SELECT digest FROM sentence WHERE item = ? AND digest IN (SELECT digest FROM frequent_sentence)",
                (item_id,),
            )
            self._connection().execute("DELETE FROM sentence WHERE item = ?", (item_id,))

    def put_relations(self, relations: Iterable[Relation]) -> None:
        """Store relations, in place of those of the same pairs, which are kept as past where kind or score differ."""
        since = now()
        self._connection().executemany(
            """
            INSERT INTO relation (a, b, kind, score, evidence, contained, since) VALUES (?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (a, b) DO UPDATE SET kind = excluded.kind, score = excluded.score, evidence = excluded.evidence,
            contained = excluded.contained,
            since = iif((kind, score) IS (excluded.kind, excluded.score), since, excluded.since)
            """,
            (
                (found.a, found.b, found.kind.value, found.score, json.dumps(found.evidence, ensure_ascii=False), found.evidence.get("contained"), since)
                for found in relations
            ),
        )  # fmt: skip

    def partners(self, item_ids: Iterable[str]) -> set[str]:
        """The items that any of `item_ids` has a relation with, of whatever kind."""
        item_ids = list(item_ids)
        sides = (("SELECT b FROM relation", "a"), ("SELECT a FROM relation", "b"))
        return {str(row[0]) for select, side in sides for row in self.chosen(select, side, item_ids)}

    def edges_of(self, *item_ids: str) -> list[Relation]:
        """The items' relations, each once, as clustering needs them, the evidence no more than what an excerpt is contained in."""
        select = "SELECT a, b, kind, score, contained FROM relation"
        rows = {row[:2]: row for side in ("a", "b") for row in self.chosen(select, side, item_ids)}
        return [_edge(row) for row in rows.values()]

    def edges(self) -> Iterator[Relation]:
        """Every relation, in the same way: one scan of an index, without reading any evidence."""
        rows = self._connection().execute(
            "SELECT a, b, kind, score, contained FROM relation INDEXED BY relation_edges ORDER BY b, a"
        )
        return map(_edge, rows)

    def relations_of(self, item_id: str) -> list[Relation]:
        """The item's relations, strongest first."""
        rows = self._connection().execute(
            "SELECT a, b, kind, score, evidence FROM relation WHERE a = ? UNION ALL SELECT a, b, kind, score, evidence FROM relation WHERE b = ? ORDER BY 4 DESC, 1, 2",
            (item_id, item_id),
        )
        return [_relation(row) for row in rows]

    def relations_at(self, item_id: str, moment: str) -> list[Relation]:
        """The item's relations that joined, as they were at a `moment` (in the form of ``instants.now()``), strongest first."""
        rows = self._connection().execute(
            """
            SELECT a, b, kind, score, evidence FROM (
                SELECT *, '9999' AS until FROM relation WHERE a = ?1 UNION ALL SELECT *, '9999' FROM relation WHERE b = ?1
                UNION ALL SELECT * FROM relation_past WHERE a = ?1 UNION ALL SELECT * FROM relation_past WHERE b = ?1
            ) WHERE kind <> 'related' AND coalesce(since, '') <= ?2 AND until > ?2
            ORDER BY 4 DESC, 1, 2
            """,
            (item_id, moment),
        )
        return [_relation(row) for row in rows]

    def relations(self) -> Iterator[Relation]:
        """Every relation, in the order of its ids."""
        for row in self._connection().execute("SELECT a, b, kind, score, evidence FROM relation ORDER BY a, b"):
            yield _relation(row)

    def settled_relations(
        self, item_ids: Sequence[str] | None = None
    ) -> dict[tuple[str, str], tuple[float | None, float | None]]:
        """(a, b) → (margin, probability) in the evidence of every relation, or of those of some items; None where it shows none."""
        select = (
            "SELECT a, b, json_extract(evidence, '$.margin'), json_extract(evidence, '$.probability') FROM relation"
        )
        if item_ids is None:
            rows: Iterable[tuple[Any, ...]] = self._connection().execute(select)
        else:
            rows = itertools.chain(self.chosen(select, "a", item_ids), self.chosen(select, "b", item_ids))
        return {(row[0], row[1]): (row[2], row[3]) for row in rows}

    def relation(self, left: str, right: str) -> Relation | None:
        a, b = sorted((left, right))
        row = (
            self._connection()
            .execute("SELECT a, b, kind, score, evidence FROM relation WHERE a = ? AND b = ?", (a, b))
            .fetchone()
        )
        return _relation(row) if row else None

    # clusters

    def touch(self, item_ids: Iterable[str]) -> None:
        """Note that the clusters of these items wait to be worked out: it outlives a killed process."""
        self._connection().executemany("INSERT OR IGNORE INTO touched VALUES (?)", ((item_id,) for item_id in item_ids))

    def touched(self) -> set[str]:
        """The items whose clusters wait to be worked out; some may have been deleted since."""
        return {str(row[0]) for row in self._connection().execute("SELECT item FROM touched")}

    def put_cluster(self, cluster_id: str, item_ids: Iterable[str]) -> None:
        """Put items under a cluster's id."""
        self._connection().executemany(
            "UPDATE item SET cluster = ? WHERE id = ?", ((cluster_id, item_id) for item_id in item_ids)
        )

    def held(self, item_ids: Sequence[str]) -> dict[str, str | None]:
        """item → its cluster, None where it is in none, for those that are there."""
        return dict(self.chosen("SELECT id, cluster FROM item", "id", item_ids))

    def members(self, cluster_ids: Sequence[str]) -> list[tuple[str, str]]:
        """(cluster, item) of clusters, in no order."""
        return list(self.chosen("SELECT cluster, id FROM item", "cluster", cluster_ids))

    def clusters_of(self, item_ids: Sequence[str]) -> dict[str, str]:
        """item → its cluster, for those that are in one."""
        return {item_id: cluster for item_id, cluster in self.held(item_ids).items() if cluster}

    def published(self, item_ids: Sequence[str]) -> dict[str, str | None]:
        """item → when it was published, ISO 8601 or None."""
        return dict(self.chosen("SELECT id, published FROM item", "id", item_ids))

    def cluster_of(self, item_id: str) -> str | None:
        row = self._connection().execute("SELECT cluster FROM item WHERE id = ?", (item_id,)).fetchone()
        return str(row[0]) if row and row[0] else None

    def cluster_item_ids(self, cluster_id: str) -> list[str]:
        """The ids of a cluster's items in order of arrival; [] where there is no such cluster."""
        rows = self._connection().execute("SELECT id FROM item WHERE cluster = ? ORDER BY number", (cluster_id,))
        return [str(row[0]) for row in rows]

    def cluster_items(self, cluster_id: str) -> list[Item]:
        """The items of a cluster in order of arrival; [] where there is no such cluster."""
        rows = self._connection().execute(
            f"SELECT {_ITEM_COLUMNS} FROM item WHERE cluster = ? ORDER BY number", (cluster_id,)
        )
        return [_item(row) for row in rows]

    def clusters(self) -> list[Cluster]:
        """Every cluster, the one whose first item arrived first leading, its items in order of arrival."""
        members: dict[str, list[str]] = {}
        for cluster, item_id in self._connection().execute(
            "SELECT cluster, id FROM item WHERE cluster IS NOT NULL ORDER BY number"
        ):
            members.setdefault(cluster, []).append(item_id)
        return [Cluster(cluster, tuple(item_ids)) for cluster, item_ids in members.items()]

    def seen(self, item_ids: Iterable[str]) -> list[tuple[Item, str]]:
        """(item, when it was first read) of those items that are there."""
        found = []
        for item_id in item_ids:
            row = (
                self._connection()
                .execute(f"SELECT {_ITEM_COLUMNS}, seen_at FROM item WHERE id = ?", (item_id,))
                .fetchone()
            )
            if row:
                found.append((_item(row), str(row[12])))
        return found

    def mates(self, item_ids: Iterable[str]) -> set[str]:
        """The items that share a cluster with any of `item_ids`, these included."""
        clusters = {self.cluster_of(item_id) for item_id in item_ids} - {None}
        return {item_id for cluster in clusters if cluster for item_id in self.cluster_item_ids(cluster)}

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


_KINDS = {kind.value: kind for kind in Kind}
"""A tenth of the time of calling the enumeration, which counts where a whole archive is read."""


def _edge(row: Sequence[Any]) -> Relation:
    return Relation(row[0], row[1], _KINDS[row[2]], row[3], {} if row[4] is None else {"contained": row[4]})


def _relation(row: Sequence[Any]) -> Relation:
    return Relation(row[0], row[1], Kind(row[2]), row[3], json.loads(row[4]))
