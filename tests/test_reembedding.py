"""Another model beside the running index: switched over at once, and nothing lost when killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from test_pipeline import CHIPS, PORT, documents, stories

from align.embedding import SHIPPED_MODEL, StaticEncoder
from align.errors import IndexBusyError, InputError
from align.pipeline import Pipeline
from align.reembedding import _alone, reembed
from training.model_folder import write_model


@pytest.fixture(scope="module")
def half_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of its own: the first half of the dimensions of the shipped one's token vectors, without bigrams."""
    folder = tmp_path_factory.mktemp("models") / "half"
    whole = StaticEncoder(SHIPPED_MODEL)
    rows = whole.rows(np.arange(whole.tokenizer.get_vocab_size()))
    write_model(folder, whole.tokenizer, rows[:, : whole.dimension // 2], "")
    return folder


def test_the_index_switches_and_keeps_what_it_has(tmp_path: Path, encoder: StaticEncoder, half_model: Path) -> None:
    """Under the new model: clusters as if made by it, ids that last, decisions that hold, and a history that says why."""
    rows = documents(PORT)
    with (
        Pipeline(tmp_path / "made", StaticEncoder(half_model)) as made,
        Pipeline(tmp_path / "switched", encoder) as switched,
    ):
        made.ingest_documents(rows)
        switched.ingest_documents(rows)
        before = {cluster.id for cluster in switched.clusters()}
        assert reembed(switched, str(half_model)) == len(rows)
        assert switched.encoder.dimension == encoder.dimension // 2
        assert stories(switched) == stories(made)
        assert [relation.score for relation in switched.store.relations()] == [
            relation.score for relation in made.store.relations()
        ]
        kept = "SELECT sentences FROM quantities ORDER BY item_number"
        assert switched.store.rows(kept) == made.store.rows(kept)
        assert len(switched.store.rows(kept)) == len(rows)
        assert before & {cluster.id for cluster in switched.clusters()}
        assert {change.why for change in switched.changes()} <= {"ingest", "model"}
        switched.ingest_documents(documents(CHIPS))
        assert switched.check(rows[0].text).matches
    with pytest.raises(InputError, match="no-such"):
        reembed(switched, str(tmp_path / "no-such"))


def test_readers_and_writers_go_on_and_follow(tmp_path: Path, encoder: StaticEncoder, half_model: Path) -> None:
    """An open index is read and written while another process embeds it anew, and answers by the new model at once."""
    rows = documents(PORT, CHIPS)
    with Pipeline(tmp_path) as opened:
        opened.ingest_documents(rows[:-3])
        draft = rows[0].text
        process = subprocess.Popen(
            [*COMMAND, "reembed", "--model", str(half_model), "--index", str(tmp_path)], cwd=ROOT
        )
        late = iter(rows[-3:])
        while process.poll() is None:
            assert opened.check(draft).matches
            if (row := next(late, None)) is not None:
                opened.ingest_documents([row])
        assert process.returncode == 0
        opened.ingest_documents(late)
        assert opened.check(draft).matches
        assert opened.encoder.dimension == encoder.dimension // 2
        found = stories(opened)
    with Pipeline(tmp_path / "made", StaticEncoder(half_model)) as made:
        made.ingest_documents(rows)
        assert stories(made) == found


COMMAND = [sys.executable, "-m", "align.cli"]


@pytest.mark.parametrize("moment", ["copied", "embedded", "related", "switching"])
def test_killed_in_the_middle_the_old_one_is_intact(tmp_path: Path, half_model: Path, moment: str) -> None:
    """A process killed while it embeds anew leaves the index as it was, and the next one ends well."""
    folder = tmp_path / "index"
    with Pipeline(folder) as opened:
        opened.ingest_documents(documents(PORT))
        before = (stories(opened), opened.clusters(), [*opened.store.relations()])
    # The process stops itself at the moment in question, so that the kill falls there and nowhere else.
    stop = {
        "copied": "align.description_rows.vectorise",
        "embedded": "align.pipeline.Pipeline.catch_up",
        "related": "align.reembedding._switch",
        "switching": "align.reembedding.regroup",
    }
    code = (
        "import os, signal, sys, align.cli, align.reembedding, align.pipeline, importlib\n"
        f"holder, _, name = {stop[moment]!r}.rpartition('.')\n"
        "owner = align.pipeline.Pipeline if holder.endswith('Pipeline') else importlib.import_module(holder)\n"
        "setattr(owner, name, lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))\n"
        f"align.cli.main(['reembed', '--model', {str(half_model)!r}, '--index', {str(folder)!r}])\n"
    )
    killed = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL
    with Pipeline(folder) as opened:
        assert (stories(opened), opened.clusters(), [*opened.store.relations()]) == before
        assert opened.check(documents(PORT)[0].text).matches
        reembed(opened, str(half_model))
        assert not (folder / "reembedding").exists()
        assert opened.check(documents(PORT)[0].text).matches


def test_killed_at_any_moment_it_is_the_old_or_the_new(
    tmp_path: Path, encoder: StaticEncoder, half_model: Path
) -> None:
    """Killed after random delays, the index is wholly under one model or the other, with the relations of that one."""
    rows = documents(PORT)
    dimensions = {encoder.dimension, encoder.dimension // 2}
    for number in range(3):
        folder = tmp_path / str(number)
        with Pipeline(folder) as opened:
            opened.ingest_documents(rows)
        process = subprocess.Popen([*COMMAND, "reembed", "--model", str(half_model), "--index", str(folder)], cwd=ROOT)
        while process.poll() is None and not (folder / "reembedding").exists():
            time.sleep(0.005)
        time.sleep(0.1 * number)
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
        process.wait()
        with Pipeline(folder) as opened:
            dimension = opened.encoder.dimension
            assert dimension in dimensions
            for number_, _ in opened.store.items():
                assert opened.store.vectors(number_, dimension).views.shape == (2, dimension)
            assert opened.check(rows[0].text).matches


def test_one_at_a_time(tmp_path: Path, half_model: Path) -> None:
    """A second process that would embed the same index anew is told so."""
    with Pipeline(tmp_path) as opened:
        opened.ingest_documents(documents(PORT)[:2])
        with _alone(tmp_path), pytest.raises(IndexBusyError, match="embedding this index anew"):
            reembed(opened, str(half_model))
