"""Described texts lie in files that every process maps: they are derived, and whatever becomes of them no answer changes."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from test_pipeline import CHIPS, PORT, ROOT, documents

from align.embedding import StaticEncoder
from align.pipeline import Pipeline
from align.records import Relation, Variant
from align.stack_files import PREFIX, SETTING

Answers = tuple[list[list[Variant]], list[Relation]]


def folders(index: Path) -> list[Path]:
    """The folders of such files."""
    return sorted(index.glob(f"{PREFIX}*"))


def stacked(pipeline: Pipeline) -> int:
    """How many texts the index says that its files hold."""
    return int(json.loads(pipeline.store.setting(SETTING) or "{}")["sizes"]["ids"])


def answers(pipeline: Pipeline) -> Answers:
    """What is found of drafts, and all relations. Clusters have their ids by who came first, and are left out."""
    found = [pipeline.check(document.text).matches for document in documents(PORT, CHIPS)[::3]]
    relations = sorted(pipeline.store.relations(), key=lambda relation: (relation.a, relation.b))
    return [[match.variant for match in matches] for matches in found], relations


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory, encoder: StaticEncoder) -> Answers:
    """What an index that had no trouble answers, and its relations."""
    with Pipeline(tmp_path_factory.mktemp("calm"), encoder) as pipeline:
        pipeline.ingest_documents(documents(PORT, CHIPS))
        return answers(pipeline)


def test_who_reads_follows_who_writes(
    tmp_path: Path, encoder: StaticEncoder, expected: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader that was there before the texts came compares drafts with them from the files alone."""
    rows = documents(PORT, CHIPS)
    with Pipeline(tmp_path, encoder) as writer, Pipeline(tmp_path, encoder) as reader:
        for start in range(0, len(rows), 7):
            writer.ingest_documents(rows[start : start + 7])
            assert reader.check(rows[start].text).matches or start == 0
        monkeypatch.setattr("align.description_rows.DescriptionRows.described", lambda *_: iter(()))
        assert answers(reader) == expected
        assert stacked(reader) == reader.store.count_items()


@pytest.mark.parametrize("harm", ["gone", "short", "empty"])
def test_without_the_files_answers_are_the_same(
    tmp_path: Path, encoder: StaticEncoder, expected: Answers, harm: str
) -> None:
    """Deleted, cut short or emptied, they are gone without for reading, and made anew by who writes next; the old ones are cleared away."""
    rows = documents(PORT, CHIPS)
    with Pipeline(tmp_path, encoder) as pipeline:
        pipeline.ingest_documents(rows[:-4])
    [folder] = folders(tmp_path)
    if harm == "gone":
        shutil.rmtree(folder)
    for path in folder.glob("sentences.bin" if harm == "short" else "*"):
        path.write_bytes(path.read_bytes()[:1000] if harm == "short" else b"")
    with Pipeline(tmp_path, encoder) as pipeline:
        assert pipeline.check(rows[0].text).matches
        pipeline.ingest_documents(rows[-4:])
        assert folders(tmp_path) != [folder]
        assert len(folders(tmp_path)) == 1
        assert stacked(pipeline) == pipeline.store.count_items()
        assert answers(pipeline) == expected


def test_what_a_failed_reading_left_does_not_count(
    tmp_path: Path, encoder: StaticEncoder, expected: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Texts of a batch that was taken back are written over by the next, in the same process."""
    rows = documents(PORT, CHIPS)
    with Pipeline(tmp_path, encoder) as pipeline:
        pipeline.ingest_documents(rows[:10])
        with monkeypatch.context() as patch:
            patch.setattr("align.store.Store.finish_generation", lambda _: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                pipeline.ingest_documents(rows[10:20])
        assert stacked(pipeline) == 10
        pipeline.ingest_documents(rows[10:])
        assert stacked(pipeline) == pipeline.store.count_items()
        assert answers(pipeline) == expected


def test_a_killed_process_leaves_files_that_serve(tmp_path: Path, encoder: StaticEncoder, expected: Answers) -> None:
    """Killed after the files were written and before the store was, an index goes on from what the store says."""
    rows = documents(PORT, CHIPS)
    with Pipeline(tmp_path, encoder) as pipeline:
        pipeline.ingest_documents(rows[:10])
    code = (
        "import os, signal, sys, align.store\nfrom pathlib import Path\n"
        f"sys.path.insert(0, {str(ROOT / 'tests')!r})\n"
        "from test_pipeline import CHIPS, PORT, documents\n"
        "from align.pipeline import Pipeline\n"
        "align.store.Store.finish_generation = lambda _: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"Pipeline(Path({str(tmp_path)!r})).ingest_documents(documents(PORT, CHIPS)[10:])\n"
    )
    killed = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL
    with Pipeline(tmp_path, encoder) as pipeline:
        assert stacked(pipeline) == 10
        pipeline.ingest_documents(rows[10:])
        assert answers(pipeline) == expected


def test_texts_that_count_no_more_are_cleared_away(
    tmp_path: Path, encoder: StaticEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often items change, the files hold a few times as many texts as there are items."""
    monkeypatch.setattr("align.stack_files.SPARE", 0)
    with Pipeline(tmp_path, encoder) as pipeline:
        for number in range(6):
            changed = [
                one.__class__(**{**vars(one), "text": f"{one.text} No. {number}."}) for one in documents(PORT)[:8]
            ]
            pipeline.ingest_documents(changed)
            assert stacked(pipeline) <= 3 * pipeline.store.count_items()
        assert pipeline.store.count_items() == 8
        assert len(folders(tmp_path)) == 1
        assert pipeline.check(changed[0].text).matches
