"""Another model for an index that is in use: everything is made anew beside it, and switched in one transaction.

Vectors and relations are worked out in a copy of the database, in a folder of its own, while the index
goes on being read and written. The copy follows what is written meanwhile, the last of it inside the
transaction that switches; so a reader sees the old model with its clusters or the new one with its
own, and a process killed at any moment leaves the old one as it was.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from align.description_rows import PIECES
from align.embedding import Encoder, load_encoder
from align.errors import IndexBusyError
from align.pipeline import Pipeline
from align.regrouping import regroup
from align.stack_files import StackFiles
from align.store import DATABASE, Store

FOLDER = "reembedding"
BATCH = 512
DERIVED = (
    "relation",
    "comparison",
    "vectors",
    "quantities",
    "traits",
    "neighbourhood",
    "neighbour_push",
    "frequent_sentence",
)
"""The tables that depend on the model and on how texts are split, and are taken over as they are in the copy."""
PASSING = ("vectors_gone", "touched", "sentence_left", "neighbour_left")
"""The tables of what waits to be done, which is done in the copy."""

Progress = Callable[[str], None]


def reembed(pipeline: Pipeline, model: str, progress: Progress | None = None) -> int:
    """Put the whole index under another model, beside its running; returns the number of items.

    `model` is a folder or name as for ``load_encoder``. Raises InputError where it cannot be loaded,
    IndexBusyError while another process does the same.
    """
    if Path(model).is_dir():
        model = str(Path(model).resolve())
    encoder = load_encoder(model)
    folder = pipeline.folder / FOLDER
    with _alone(pipeline.folder):
        shutil.rmtree(folder, ignore_errors=True)  # what a killed process left
        try:
            with _Beside(folder, pipeline.store, encoder, model) as beside:
                while beside.follow(progress) > BATCH:
                    pass
                return _switch(pipeline, beside, encoder, model)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process at a time: a lock that ends with its process, however that ends."""
    with closing(sqlite3.connect(folder / f"{FOLDER}.lock", timeout=0, isolation_level=None)) as lock:
        try:
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            raise IndexBusyError(
                f"{folder}: another process is embedding this index anew; wait until it has finished"
            ) from error
        yield


_OTHERWISE = """
    SELECT {what} FROM {here}.item AS ours WHERE NOT EXISTS (
        SELECT 1 FROM {there}.item AS theirs WHERE theirs.number = ours.number AND theirs.id = ours.id
            AND theirs.title = ours.title AND theirs.text = ours.text
            AND theirs.lang = ours.lang AND theirs.published IS ours.published
    ) ORDER BY ours.number
"""
"""The items of one database that the other lacks, or has otherwise."""


class _Beside(Pipeline):
    """A copy of a running index under another model, which follows it."""

    def __init__(self, folder: Path, running: Store, encoder: Encoder, model: str) -> None:
        folder.mkdir()
        running.copy_to(folder / DATABASE)
        super().__init__(folder)
        with self.store.writing():
            for table in (*DERIVED, *PASSING):
                self.store.execute(f"DELETE FROM {table}")
            self.store.execute("UPDATE item SET related = 0")
            record_model(self.store, encoder, model)
            self._given = self._encoder = encoder
            self.store.set_setting(PIECES, self.tokens.fingerprint)
        # Read-only, so that writing here does not lock the running index.
        self.store.execute("ATTACH ? AS running", (f"{running.path.resolve().as_uri()}?mode=ro",))

    def follow(self, progress: Progress | None = None) -> int:
        """Vectors and relations of what the running index has and this has not; returns how many items that was."""
        store = self.store
        with store.writing():
            gone = store.execute(_OTHERWISE.format(what="id", here="main", there="running")).fetchall()
            store.delete_items(item_id for (item_id,) in gone)
            fresh = store.execute(_OTHERWISE.format(what="number", here="running", there="main")).fetchall()
            store.execute("INSERT OR IGNORE INTO main.document SELECT * FROM running.document")
            store.executemany("INSERT INTO main.item SELECT * FROM running.item WHERE number = ?", fresh)
            store.executemany("UPDATE main.item SET related = 0 WHERE number = ?", fresh)
            store.finish_generation()
        waiting = [
            row[0]
            for row in store.execute(
                "SELECT number FROM item WHERE number NOT IN (SELECT item_number FROM vectors) ORDER BY number"
            )
        ]
        for start in range(0, len(waiting), BATCH):
            items = store.items_by_number(waiting[start : start + BATCH])
            with store.writing():
                self._descriptions.ready(self.tokens, self.encoder.dimension)
                self._descriptions.put_made(items, self.encoder, self.tokens)
                store.finish_generation()
            if progress:
                progress(f"{min(start + BATCH, len(waiting))} of {len(waiting)} items embedded")
        self.catch_up(progress)
        self.keep_quantities(progress)
        return len(waiting)

    def _recluster(self, touched: set[str], why: str = "model") -> None:
        """Nothing: the clusters are those of the running index, and change when it switches."""


def record_model(store: Store, encoder: Encoder, model: str) -> None:
    """Note which model an index belongs to."""
    store.set_setting("model", model)
    store.set_setting("model_fingerprint", encoder.fingerprint)
    store.set_setting("dimension", str(encoder.dimension))


def _switch(pipeline: Pipeline, beside: _Beside, encoder: Encoder, model: str) -> int:
    store = pipeline.store
    with store.writing():
        beside.follow()
        for table in (*DERIVED, *PASSING):
            store.execute(f"DELETE FROM {table}")
        for table in DERIVED:
            rows = beside.store.execute(f"SELECT * FROM {table}")
            store.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(rows.description))})", rows)
        store.execute("UPDATE item SET related = 1")
        record_model(store, encoder, model)
        store.set_setting(PIECES, beside.tokens.fingerprint)
        StackFiles(store).adopt(StackFiles(beside.store))
        store.set_setting("generation", str(max(store.generation(), beside.store.generation()) + 1))
        # What other processes hold in memory of the relations is of the old model.
        runs = (int(one.setting("relating_runs") or 0) for one in (store, beside.store))
        store.set_setting("relating_runs", str(max(runs) + 1))
        regroup(store, "model", everything=True)
        return store.count_items()
