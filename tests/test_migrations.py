"""An index of an older samestory is brought up to date with all that it holds."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from align.archive import Archive
from align.migrations import MIGRATIONS
from align.records import Cluster, Kind, Relation
from align.store import DATABASE


def test_an_index_of_the_first_schema_keeps_its_stories(tmp_path: Path) -> None:
    """Clusters keep their ids and begin a history; relations and texts are as they were."""
    connection = sqlite3.connect(tmp_path / DATABASE)
    connection.executescript(MIGRATIONS[0])
    connection.execute("PRAGMA user_version = 1")
    connection.execute("INSERT INTO document VALUES (1, 'page', 'page', 'page', '', NULL, 'the text')")
    for name in ("i1", "i2"):
        connection.execute(
            "INSERT INTO item (id, document_number, document, lang, lang_confidence, title, text, start, end, spans, related, cluster) "
            "VALUES (?, 1, 'page', 'en', 1.0, '', 'the text', 0, 8, '[]', 1, 'c1')",
            (name,),
        )
    connection.execute("INSERT INTO relation VALUES ('i1', 'i2', 'excerpt', 0.9, '{\"contained\": \"i2\"}')")
    connection.commit()
    connection.close()
    with Archive(tmp_path) as archive:
        story = Cluster("c1", ("i1", "i2"))
        assert archive.clusters() == [story]
        assert archive.clusters(archive.changes()[-1].at) == [story]
        assert [(change.what, change.items) for change in archive.history("c1")] == [("created", ("i1", "i2"))]
        assert list(archive.store.edges()) == [Relation("i1", "i2", Kind.EXCERPT, 0.9, {"contained": "i2"})]
        assert [revision.text for revision in archive.revisions("i1")] == ["the text"]


def test_every_schema_can_be_brought_up(tmp_path: Path) -> None:
    """From whatever version, all migrations after it run, once."""
    for version in range(len(MIGRATIONS) + 1):
        folder = tmp_path / str(version)
        folder.mkdir()
        connection = sqlite3.connect(folder / DATABASE)
        for migration in MIGRATIONS[:version]:
            connection.executescript(migration)
        connection.execute(f"PRAGMA user_version = {version}")
        connection.close()
        for _ in range(2):
            with Archive(folder) as archive:
                assert archive.store.execute("PRAGMA user_version").fetchone()[0] == len(MIGRATIONS)
                assert archive.clusters() == []
