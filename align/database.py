"""One SQLite file for many threads and processes: a connection a thread, write-ahead logging, one writer at a time.

Readers go on at the last committed state while another thread or process writes. Writers take turns: one that begins a transaction as
soon as it has ended one lets those in between that have waited meanwhile.
"""

from __future__ import annotations

import fcntl
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from align.errors import IndexBusyError, InputError

MAPPED = 1 << 31
"""So many bytes of the file are read from where the system keeps them in memory, and not copied: the most that SQLite takes."""
CHECKPOINT = 8000
"""After so many pages, 32 MB, the log is written into the file: what a page of an index of words changes often is then written once."""
ASKS_EVERY = 0.003
"""Seconds after which a writer whose turn is next asks again whether the one before it has ended."""


def identity(path: Path) -> tuple[int, int]:
    """Which file lies at a path: its device and number. Raises OSError where none does."""
    found = path.stat()
    return found.st_dev, found.st_ino


class Database:
    """The open file; every method may be called from any thread."""

    def __init__(self, path: Path, busy_seconds: float, row_factory: type[sqlite3.Row] | None = None) -> None:
        """Open nothing yet; a writer waits `busy_seconds` for another, then gives up with IndexBusyError."""
        self.path = path
        self._busy_seconds = busy_seconds
        self._row_factory = row_factory
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._guard = threading.Lock()
        self.opened: tuple[int, int] | None = None
        """The device and number of the file that was opened first."""

    def connection(self) -> sqlite3.Connection:
        """This thread's connection, for rows that have a file of their own."""
        return self._connection()

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = sqlite3.connect(
                self.path.absolute(),
                timeout=self._busy_seconds,
                isolation_level=None,
                check_same_thread=False,
                uri=True,
            )
            connection.row_factory = self._row_factory
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute(f"PRAGMA mmap_size = {MAPPED}")
            connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT}")
            self._local.connection = connection
            with self._guard:
                self.opened = self.opened or identity(self.path)
                self._connections.append(connection)
        return connection

    def ask_anew(self, question: str) -> Any:
        """The first value that `question` finds in the file as it lies there now, past what connections remember.

        Raises InputError where the file cannot be read, is damaged, or is another than the one that was opened.
        """
        try:
            if self.opened not in (None, identity(self.path)):
                raise InputError(f"{self.path}: another file has been put in its place; start again")
            with closing(sqlite3.connect(f"{self.path.absolute().as_uri()}?mode=ro", uri=True)) as fresh:
                return fresh.execute(question).fetchone()[0]
        except (OSError, sqlite3.Error) as error:
            raise InputError(f"{self.path}: cannot be read ({error}); put it back, or start again") from error

    def close(self) -> None:
        """Close every thread's connection."""
        with self._guard:
            for connection in self._connections:
                connection.close()
            self._connections.clear()
        self._local = threading.local()

    def migrate(self, migrations: Sequence[str]) -> None:
        """Run the migrations that are missing, all or none. Raises InputError for a file that a newer samestory wrote."""
        version = self._version()
        if version > len(migrations):
            raise InputError(
                f"{self.path}: written by a newer samestory (schema {version}, this one knows {len(migrations)}); upgrade samestory"
            )
        if version == len(migrations):
            return
        with self.writing():
            for number in range(self._version(), len(migrations)):
                statement = ""
                for part in migrations[number].split(";"):
                    statement += part + ";"
                    if sqlite3.complete_statement(statement):  # a trigger holds statements that end within it
                        self._connection().execute(statement)
                        statement = ""
                self._connection().execute(f"PRAGMA user_version = {number + 1}")

    def _version(self) -> int:
        return int(self._connection().execute("PRAGMA user_version").fetchone()[0])

    @contextmanager
    def writing(self) -> Iterator[None]:
        """All or nothing, one writer at a time over all processes: commits at the end, rolls back on any exception.

        Raises IndexBusyError where another writes for longer than a writer waits, InputError where the file or its folder cannot be written.
        """
        connection = self._connection()
        with self._turn():
            self._begin(connection)
        try:
            yield
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """The place of the next to write. SQLite's own lock goes to whoever asks at the right moment, which is who has just let go of it."""
        try:
            file = self.path.with_name(f"{self.path.name}-turn").open("ab")
        except OSError as error:
            raise self._unwritable(error) from error
        with file:
            fcntl.flock(file, fcntl.LOCK_EX)  # ends with the process, however that ends
            yield

    def _unwritable(self, error: Exception) -> InputError:
        return InputError(f"{self.path}: cannot be written ({error}); see to its folder's permissions and space")

    def _begin(self, connection: sqlite3.Connection) -> None:
        """Begin to write as soon as nobody else does. Raises IndexBusyError, InputError."""
        until = time.monotonic() + self._busy_seconds
        connection.execute("PRAGMA busy_timeout = 0")
        try:
            while True:
                try:
                    connection.execute("BEGIN IMMEDIATE")
                    return
                except sqlite3.OperationalError as error:
                    if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                        raise self._unwritable(error) from error
                    if time.monotonic() > until:
                        raise IndexBusyError(
                            f"{self.path}: another process has been writing for over {self._busy_seconds:.0f} s; try again when it has finished"
                        ) from error
                time.sleep(ASKS_EVERY)
        finally:
            connection.execute(f"PRAGMA busy_timeout = {int(self._busy_seconds * 1000)}")
