"""The service's own SQLite file beside the index: keys, sessions, answers to repeat, jobs, webhooks, rates.

Nothing in it is part of the index: deleting the file loses keys and webhooks, never an item. One
connection a thread; several worker processes share the file, and what only one of them may do is
claimed by an UPDATE that can succeed once.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from align.database import Database
from align.errors import InputError

FILE = "service.sqlite"
BUSY_SECONDS = 10.0

MIGRATIONS: tuple[str, ...] = (
    # 1: the first schema
    """
    CREATE TABLE api_key (
        id TEXT PRIMARY KEY, name TEXT NOT NULL, digest TEXT NOT NULL, scopes TEXT NOT NULL, rate TEXT NOT NULL,
        created_at TEXT NOT NULL, revoked_at TEXT
    ) STRICT;
    CREATE TABLE session (
        digest TEXT PRIMARY KEY, key_id TEXT NOT NULL REFERENCES api_key (id), expires_at REAL NOT NULL
    ) STRICT;
    CREATE TABLE answer (
        caller TEXT NOT NULL, key TEXT NOT NULL, request TEXT NOT NULL, status INTEGER, body BLOB, begun_at REAL NOT NULL,
        PRIMARY KEY (caller, key)
    ) STRICT;
    CREATE TABLE rate (key TEXT PRIMARY KEY, count INTEGER NOT NULL, expires_at REAL NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE job (
        id TEXT PRIMARY KEY, kind TEXT NOT NULL, status TEXT NOT NULL, done INTEGER NOT NULL, total INTEGER NOT NULL,
        counts TEXT NOT NULL, rejected TEXT NOT NULL, reason TEXT,
        created_at TEXT NOT NULL, started_at TEXT, finished_at TEXT, leased_until REAL NOT NULL DEFAULT 0
    ) STRICT;
    CREATE INDEX job_open ON job (created_at) WHERE finished_at IS NULL;
    CREATE TABLE webhook (
        id TEXT PRIMARY KEY, url TEXT NOT NULL, secret TEXT NOT NULL, active INTEGER NOT NULL,
        after INTEGER NOT NULL, sending INTEGER, attempts INTEGER NOT NULL, next_at REAL NOT NULL, leased_until REAL NOT NULL,
        created_at TEXT NOT NULL, delivered_at TEXT, reason TEXT
    ) STRICT;
    """,
    # 2: jobs say what they are at, and can be cancelled
    """
    ALTER TABLE job ADD COLUMN message TEXT;
    ALTER TABLE job ADD COLUMN unwanted INTEGER NOT NULL DEFAULT 0;
    """,
)


class Ledger(Database):
    """The open file. Every method may be called from any thread."""

    def __init__(self, folder: Path) -> None:
        """Open or create. Raises InputError for a folder that cannot be written or a file that is no ledger."""
        super().__init__(folder / FILE, BUSY_SECONDS, sqlite3.Row)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self.migrate(MIGRATIONS)
            self.path.chmod(0o600)  # webhook secrets have to be kept as they are
        except (OSError, sqlite3.DatabaseError) as error:
            raise InputError(
                f"{self.path}: cannot be opened ({error}); move it away, or name another --index"
            ) from error

    def rows(self, question: str, values: Sequence[Any] = ()) -> list[sqlite3.Row]:
        """The rows of one SELECT, or of one statement with RETURNING."""
        return self.connection().execute(question, values).fetchall()

    def row(self, question: str, values: Sequence[Any] = ()) -> sqlite3.Row | None:
        """The first row, or None."""
        found = self.rows(question, values)
        return found[0] if found else None

    def change(self, statement: str, values: Sequence[Any] = ()) -> int:
        """Run one statement; returns how many rows it changed."""
        return self.connection().execute(statement, values).rowcount
