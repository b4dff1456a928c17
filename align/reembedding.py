"""Another model for an index that is in use: everything is made anew beside it, and switched in one transaction.

Vectors and relations are worked out in a copy of the database, in a folder of its own, while the index
goes on being read and written. What was written meanwhile is embedded at the end, inside the
transaction that switches; so a reader sees the old model with its clusters or the new one with its
own, and a process killed at any moment leaves the old one as it was.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from align.boilerplate import put_sentences
from align.embedding import Encoder, load_encoder
from align.errors import IndexBusyError
from align.pipeline import Pipeline
from align.records import Item
from align.regrouping import regroup
from align.store import DATABASE, Store
from align.vectors import vectorise

FOLDER = "reembedding"
BATCH = 512

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
                beside.work_out(progress)
            n_items = _switch(pipeline, folder, encoder, model)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    pipeline.catch_up(progress)
    return n_items


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


class _Beside(Pipeline):
    """A copy of an index without vectors and relations, under another model."""

    def __init__(self, folder: Path, running: Store, encoder: Encoder, model: str) -> None:
        folder.mkdir()
        running.copy_to(folder / DATABASE)
        super().__init__(folder)
        with self.store.writing():
            for table in ("relation", "vectors", "vectors_gone", "touched", "frequent_sentence"):
                self.store.execute(f"DELETE FROM {table}")
            self.store.execute("UPDATE item SET related = 0")
            record_model(self.store, encoder, model)
        self._given = self._encoder = encoder

    def work_out(self, progress: Progress | None) -> None:
        """The vectors and relations of every item."""
        n_items, done, last = self.store.count_items(), 0, 0
        while part := self.store.items(last, BATCH):
            last = part[-1][0]
            with self.store.writing():
                put_vectors(self.store, part, self.encoder)
                self.store.finish_generation()
            done += len(part)
            if progress:
                progress(f"{done} of {n_items} items embedded")
        self.catch_up(progress)

    def _recluster(self, touched: set[str], why: str = "model") -> None:
        """Nothing: the clusters are those of the running index, and change when it switches."""


def put_vectors(store: Store, numbered: list[tuple[int, Item]], encoder: Encoder) -> None:
    """Store the vectors of items by `encoder`."""
    vectors = vectorise([item for _, item in numbered], encoder)
    for (number, item), found in zip(numbered, vectors, strict=True):
        store.put_vectors(number, found)
        put_sentences(store, item, found.sentence_spans)


def record_model(store: Store, encoder: Encoder, model: str) -> None:
    """Note which model an index belongs to."""
    store.set_setting("model", model)
    store.set_setting("model_fingerprint", encoder.fingerprint)
    store.set_setting("dimension", str(encoder.dimension))


_SAME = """
    SELECT here.number AS number, here.id AS id, beside.related AS related
    FROM item AS here JOIN beside.item AS beside ON beside.number = here.number
    WHERE beside.id = here.id AND beside.title = here.title AND beside.text = here.text
        AND beside.lang = here.lang AND beside.published IS here.published
"""


def _switch(pipeline: Pipeline, folder: Path, encoder: Encoder, model: str) -> int:
    store = pipeline.store
    store.execute("ATTACH ? AS beside", (str(folder / DATABASE),))
    try:
        store.execute("CREATE TEMP TABLE same (number INTEGER PRIMARY KEY, id TEXT UNIQUE, related INTEGER)")
        with store.writing():
            store.execute(f"INSERT INTO temp.same {_SAME}")
            late = [
                numbered
                for numbered in store.items()
                if not store.execute("SELECT 1 FROM temp.same WHERE number = ?", (numbered[0],)).fetchone()
            ]
            for table in ("relation", "vectors", "vectors_gone", "frequent_sentence"):
                store.execute(f"DELETE FROM main.{table}")
            store.execute(
                "INSERT INTO main.vectors SELECT item_number, ?, views, sentences, sentence_spans FROM beside.vectors JOIN temp.same ON number = item_number",
                (store.generation() + 1,),
            )
            store.execute("INSERT INTO main.frequent_sentence SELECT * FROM beside.frequent_sentence")
            put_vectors(store, late, encoder)
            store.execute(
                "INSERT INTO main.relation SELECT found.* FROM beside.relation AS found JOIN temp.same AS a ON a.id = found.a JOIN temp.same AS b ON b.id = found.b ORDER BY found.a, found.b"
            )
            store.execute(
                "UPDATE main.item SET related = coalesce((SELECT related FROM temp.same WHERE same.number = item.number), 0)"
            )
            record_model(store, encoder, model)
            store.finish_generation()
            regroup(store, "model", everything=True)
            return store.count_items()
    finally:
        store.execute("DROP TABLE IF EXISTS temp.same")
        store.execute("DETACH beside")
