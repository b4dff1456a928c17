"""The whole way from documents to variants, on the real model."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import GERMAN_EDITION, ROOT

from align.comparison_rows import ComparisonRows
from align.embedding import StaticEncoder
from align.errors import InputError, ModelMismatchError, NotFoundError
from align.pipeline import Pipeline
from align.records import Document, Kind
from align.rows import parse_record
from align.store import DATABASE

PORT = "seeds/port-strike.jsonl"
CHIPS = "seeds/chip-plant.jsonl"


def documents(*files: str) -> list[Document]:
    """The rows of bundled story files as documents."""
    rows = [json.loads(line) for file in files for line in (ROOT / file).read_text(encoding="utf-8").splitlines()]
    return [parse_record(row, row["id"], "rows", number) for number, row in enumerate(rows, 1)]


def stories(pipeline: Pipeline) -> set[frozenset[str]]:
    """The clusters as sets of external ids."""
    return {frozenset(item.document for item in pipeline.members(cluster)) for cluster in pipeline.clusters()}


@pytest.fixture
def pipeline(tmp_path: Path, encoder: StaticEncoder):
    """An empty index with the shipped model."""
    with Pipeline(tmp_path / "index", encoder) as opened:
        yield opened


def test_one_story_comes_back_in_its_other_languages(pipeline: Pipeline) -> None:
    """The English item of a story finds its German, Italian and Japanese versions, and nothing of another story."""
    pipeline.ingest_documents(documents(PORT))
    item, cluster, variants = pipeline.variants("port-strike-03.en")
    assert item.lang == "en"
    assert {variant.item.lang for variant in variants} == {"de", "it", "ja"}
    assert {variant.item.document.split(".")[0] for variant in variants} == {"port-strike-03"}
    assert all(pipeline.store.cluster_of(variant.item.id) == cluster for variant in variants)
    assert [variant.score for variant in variants] == sorted((variant.score for variant in variants), reverse=True)


def test_what_came_last_is_read_without_reading_the_rest(pipeline: Pipeline) -> None:
    """Whoever follows an index reads the rows of the last ingest through an index of the database, not every item's."""
    pipeline.ingest_documents(documents(PORT))
    asked: list[str] = []
    pipeline.store.connection().set_trace_callback(asked.append)
    pipeline.store.views_since(1, pipeline.encoder.dimension)
    ComparisonRows(pipeline.store).keys(1)
    pipeline.store.connection().set_trace_callback(None)
    plans = [row[3] for question in asked for row in pipeline.store.rows(f"EXPLAIN QUERY PLAN {question}")]
    assert plans
    assert not [plan for plan in plans if plan.startswith("SCAN")]


def test_a_draft_finds_what_another_has_added_since_the_last(pipeline: Pipeline) -> None:
    """What another pipeline over the folder adds is found by the next draft of this one."""
    [first, *rest] = documents(PORT)
    pipeline.ingest_documents(rest)
    assert not [
        match for match in pipeline.check(first.text).matches if match.variant.item.document == first.external_id
    ]
    with Pipeline(pipeline.folder, pipeline.encoder) as other:
        other.ingest_documents([first])
    assert [match for match in pipeline.check(first.text).matches if match.variant.item.document == first.external_id]


def test_only_the_language_asked_for(pipeline: Pipeline) -> None:
    """Variants can be limited to languages."""
    pipeline.ingest_documents(documents(PORT))
    assert {variant.item.lang for variant in pipeline.variants("port-strike-03.en", ["ja"])[2]} == {"ja"}


def test_the_same_input_again_adds_nothing(pipeline: Pipeline) -> None:
    """A second ingest leaves items, ids, relations and clusters as they were."""
    first = pipeline.ingest_documents(documents(PORT))
    before = ([*pipeline.items()], pipeline.clusters(), [*pipeline.store.relations()])
    second = pipeline.ingest_documents(documents(PORT))
    assert (second.added, second.updated, second.unchanged) == (0, 0, first.added)
    assert ([*pipeline.items()], pipeline.clusters(), [*pipeline.store.relations()]) == before


def test_any_order_and_any_portions_give_the_same_clusters(tmp_path: Path, encoder: StaticEncoder) -> None:
    """All at once, one by one and shuffled: the clusters hold the same items."""
    rows = documents(PORT, CHIPS)
    found = []
    for seed, portion in ((None, len(rows)), (1, 1), (2, 7)):
        order = list(rows)
        if seed is not None:
            random.Random(seed).shuffle(order)
        with Pipeline(tmp_path / f"{seed}", encoder) as opened:
            for start in range(0, len(order), portion):
                opened.ingest_documents(order[start : start + portion])
            found.append(stories(opened))
    assert found[0] == found[1] == found[2]


def test_copies_excerpts_and_updates_are_told_apart(pipeline: Pipeline) -> None:
    """The kinds of relation: a copy with edits is near, a part is an excerpt, a repeated text exact."""
    rows = documents(PORT, "seeds/strait-diplomacy.jsonl")
    again = parse_record(
        {
            "id": "printed again",
            "title": "Elsewhere",
            "text": next(row for row in rows if row.external_id == "port-strike-02.it").text.split("\n\n", 1)[1],
        },
        "x",
        "p",
        1,
    )
    pipeline.ingest_documents([*rows, again])
    kinds = {}
    for relation in pipeline.store.relations():
        names = [pipeline.find(item_id).document for item_id in (relation.a, relation.b)]
        kinds[frozenset(names)] = relation.kind
    assert kinds[frozenset({"printed again", "port-strike-02.it"})] is Kind.EXACT
    copies = [names for names in kinds if any(name.endswith(".copy") for name in names)]
    excerpts = [names for names in kinds if any(name.endswith(".excerpt") for name in names)]
    assert Kind.NEAR in {kinds[names] for names in copies if len({name.removesuffix(".copy") for name in names}) == 1}
    assert Kind.EXCERPT in {
        kinds[names] for names in excerpts if len({name.removesuffix(".excerpt") for name in names}) == 1
    }


def test_three_hundred_copies_are_one_story(pipeline: Pipeline) -> None:
    """All copies of an agency text come together, whatever their number, and each knows all the others."""
    text = documents(PORT)[0].text
    pipeline.ingest_documents(
        [parse_record({"id": f"copy{number}", "text": text}, "x", "p", number) for number in range(300)]
    )
    assert len(pipeline.clusters()) == 1
    variants = pipeline.variants("copy7")[2]
    assert len(variants) == 299
    assert {variant.kind for variant in variants} == {Kind.EXACT}


def test_every_relation_shows_its_evidence(pipeline: Pipeline) -> None:
    """A joining relation says which rule decided, and shows sentences that stand in its two items."""
    pipeline.ingest_documents(documents(PORT))
    shown = 0
    for item in pipeline.items():
        for variant in pipeline.variants(item.id)[2]:
            assert 0.0 <= variant.score <= 1.0
            assert variant.evidence["rule"] in ("overlap", "verifier", "cluster")
            if "features" in variant.evidence:
                sides = sorted((item, variant.item), key=lambda side: side.id)
                whole = [side.title + "\n" + side.text for side in sides]
                for pair in variant.evidence["sentences"]:
                    assert pair["a"] in whole[0]
                    assert pair["b"] in whole[1]
                    shown += 1
    assert shown


def test_a_page_keeps_offsets_that_slice_it(pipeline: Pipeline, tmp_path: Path) -> None:
    """Items of a page carry offsets in the document as it was read."""
    path = tmp_path / "edition.txt"
    path.write_text(GERMAN_EDITION, encoding="utf-8")
    report = pipeline.ingest([path])
    assert (report.documents, report.items) == (1, 4)
    for item in pipeline.items():
        text = pipeline.store.document_text(item.id)
        assert text is not None
        assert item.text == "\n".join(text[start:end] for start, end in item.spans)
        assert text[item.start : item.end].startswith(item.title or item.text.split("\n")[0])
    assert [item.lang for item in pipeline.items()] == ["en", "de", "en", "it"]


def test_a_changed_page_keeps_the_items_that_did_not_change(pipeline: Pipeline, tmp_path: Path) -> None:
    """Read again with one teaser gone, a page loses that item alone; the others keep their ids."""
    path = tmp_path / "edition.txt"
    path.write_text(GERMAN_EDITION, encoding="utf-8")
    pipeline.ingest([path])
    before = {item.id for item in pipeline.items()}
    path.write_text(GERMAN_EDITION.replace(GERMAN_EDITION.split("\n\n")[11], ""), encoding="utf-8")
    pipeline.ingest([path])
    assert {item.id for item in pipeline.items()} < before
    assert len(before) - len(list(pipeline.items())) == 1


def test_a_row_with_the_same_id_and_another_text_is_an_update(pipeline: Pipeline) -> None:
    """An external id names one item for good: its text can change, its id does not, and its story is worked out anew."""
    pipeline.ingest_documents(documents(PORT))
    item = pipeline.find("port-strike-03.en")
    changed = parse_record(
        {"id": "port-strike-03.en", "text": "The museum in Turin opened a show of Baroque clocks on Sunday."},
        "x",
        "p",
        1,
    )
    report = pipeline.ingest_documents([changed])
    assert (report.added, report.updated) == (0, 1)
    assert pipeline.find("port-strike-03.en").id == item.id
    assert pipeline.variants("port-strike-03.en")[2] == []
    assert {v.item.document for v in pipeline.variants("port-strike-03.de")[2]} == {
        "port-strike-03.it",
        "port-strike-03.ja",
    }


def test_deleting_an_item_leaves_the_rest_of_its_story(pipeline: Pipeline) -> None:
    """A deleted item is gone from items, clusters and variants; the others stay together."""
    pipeline.ingest_documents(documents(PORT))
    pipeline.delete("port-strike-03.en")
    with pytest.raises(NotFoundError, match=r"port-strike-03\.en"):
        pipeline.find("port-strike-03.en")
    assert {v.item.document for v in pipeline.variants("port-strike-03.de")[2]} == {
        "port-strike-03.it",
        "port-strike-03.ja",
    }
    assert pipeline.check("Hackerangriff auf die Meridian Linie").matches is not None


def test_a_draft_finds_its_story_and_is_not_stored(pipeline: Pipeline) -> None:
    """A draft on a known story is covered, one on something else is not, and neither leaves a trace."""
    pipeline.ingest_documents(documents(PORT, CHIPS))
    before = pipeline.clusters()
    draft = (
        "Genueser Dockarbeiter lassen Frachter nicht an die Pier\n\nWeil in Hamburg gestreikt wird, haben etwa dreißig Dockarbeiter in Genua am Freitag das "
        "Containerschiff Meridian Aurora mit 1.150 Containern an Bord nicht anlegen lassen. Der Reederei entgehen nach eigenen Angaben 400.000 Euro am Tag."
    )
    checked = pipeline.check(draft)
    assert checked.item.lang == "de"
    assert {match.variant.item.document.split(".")[0] for match in checked.matches} == {"port-strike-02"}
    assert {match.variant.item.lang for match in checked.matches} >= {"de", "it", "en"}
    assert (
        pipeline.check(
            "Zoo in Leipzig tauft Elefantenkalb\n\nDas Elefantenkalb im Leipziger Zoo heißt Kiran. Tausende hatten abgestimmt."
        ).matches
        == ()
    )
    assert pipeline.clusters() == before
    assert len(list(pipeline.items())) == len(documents(PORT, CHIPS))


def test_a_draft_without_a_word_is_refused(pipeline: Pipeline) -> None:
    """An empty draft, or one of signs, is an error that says what is needed."""
    for text in ("", "  \n", "… — !"):
        with pytest.raises(InputError, match="headline or a sentence"):
            pipeline.check(text)


def test_another_model_is_refused(tmp_path: Path, encoder: StaticEncoder) -> None:
    """An index made by one model says so when opened with another."""

    class Other:
        name, fingerprint, dimension = "other-model", "0" * 16, encoder.dimension

        def encode(self, texts: list[str]) -> np.ndarray:
            return encoder.encode(texts)

    with Pipeline(tmp_path, encoder) as opened:
        opened.ingest_documents(documents(PORT)[:2])
    with pytest.raises(ModelMismatchError, match=r"samestory-static.*other-model"):
        Pipeline(tmp_path, Other())


def test_a_lost_or_stale_neighbour_file_is_rebuilt(tmp_path: Path, encoder: StaticEncoder) -> None:
    """The file beside the database is derived: without it, or with a damaged one, answers are the same."""
    rows = documents(PORT)
    with Pipeline(tmp_path, encoder) as opened:
        opened.ingest_documents(rows)
        expected = [(m.variant.item.id, m.variant.score) for m in opened.check(rows[0].text).matches]
    path = tmp_path / "neighbours.json"
    for damage in (path.unlink, lambda: path.write_bytes(b"not an index")):
        damage()
        with Pipeline(tmp_path, encoder) as opened:
            assert [(m.variant.item.id, m.variant.score) for m in opened.check(rows[0].text).matches] == expected
    assert expected


def test_a_database_of_something_else_is_refused(tmp_path: Path) -> None:
    """A file that is no database, and a schema from the future, end in one clear error."""
    (tmp_path / DATABASE).write_bytes(b"this is not a database" * 100)
    with pytest.raises(InputError, match="not a samestory database"):
        Pipeline(tmp_path)
    (tmp_path / DATABASE).unlink()
    connection = sqlite3.connect(tmp_path / DATABASE)
    connection.execute("PRAGMA user_version = 999")
    connection.close()
    with pytest.raises(InputError, match="newer samestory"):
        Pipeline(tmp_path)


def test_a_killed_ingest_is_made_good_by_the_next(tmp_path: Path, encoder: StaticEncoder) -> None:
    """Killed in the middle of an ingest, the index opens, and ingesting again ends where an unbroken run ends."""
    rows = [line for file in (PORT, CHIPS) for line in (ROOT / file).read_text(encoding="utf-8").splitlines()]
    source = tmp_path / "rows.jsonl"
    source.write_text(
        "".join(line.replace('"id": "', f'"id": "{copy}-', 1) + "\n" for copy in range(12) for line in rows),
        encoding="utf-8",
    )
    folder = tmp_path / "killed"
    process = subprocess.Popen(
        [sys.executable, "-m", "align.cli", "ingest", str(source), "--index", str(folder)],
        cwd=ROOT,
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    while process.poll() is None:
        # Wait until a first batch is committed, so that the kill falls between two.
        if (folder / DATABASE).exists() and _count(folder / DATABASE):
            os.kill(process.pid, signal.SIGKILL)
            break
        time.sleep(0.01)
    process.wait()
    with Pipeline(folder, encoder) as opened:
        opened.ingest([source])
        resumed = stories(opened)
    with Pipeline(tmp_path / "whole", encoder) as opened:
        opened.ingest([source])
        assert stories(opened) == resumed


def test_killed_before_the_clusters_nothing_is_forgotten(tmp_path: Path, encoder: StaticEncoder) -> None:
    """Killed when the relations are there and the clusters are not, the next command that writes works them out."""
    folder = tmp_path / "killed"
    code = (
        "import os, signal, align.cli, align.pipeline\n"
        "align.pipeline.regroup = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"align.cli.main(['ingest', {PORT!r}, '--index', {str(folder)!r}])\n"
    )
    killed = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL
    with Pipeline(tmp_path / "whole", encoder) as whole, Pipeline(folder, encoder) as opened:
        whole.ingest([ROOT / PORT])
        assert opened.clusters() == []
        assert opened.ingest([ROOT / PORT]).added == 0
        assert stories(opened) == stories(whole)


def _count(path: Path) -> int:
    connection = sqlite3.connect(path)
    try:
        return int(connection.execute("SELECT count(*) FROM item").fetchone()[0])
    except sqlite3.OperationalError:
        return 0
    finally:
        connection.close()


def test_an_update_says_which_numbers_changed(pipeline: Pipeline) -> None:
    """A later version with other numbers is one story with the first, and its evidence names what agrees and what changed, from the earlier on."""
    text = (
        "Twelve people were hurt when a tram left the rails in Linz on Monday. {hurt} passengers were taken to hospital, the fire brigade said. "
        "Damage was put at {damage} million euros. The line stays closed until Friday, the operator said."
    )
    rows = [
        {"id": "first", "text": text.format(hurt=14, damage="1.2"), "published": "2026-03-02T09:00:00+01:00"},
        {"id": "update", "text": text.format(hurt=17, damage="1.2"), "published": "2026-03-02T15:00:00+01:00"},
    ]
    pipeline.ingest_documents([parse_record(row, row["id"], "made", 1) for row in rows])
    for asked in ("first", "update"):
        [variant] = pipeline.variants(asked)[2]
        assert variant.kind in (Kind.NEAR, Kind.SAME_STORY)
        assert variant.evidence["numbers"]["changed"] == ["14 → 17"]
        assert "1.2 million euros = 1.2 million euros" in variant.evidence["numbers"]["agree"]
        assert variant.evidence["days_apart"] == 0.25


def test_days_named_from_two_days_agree(pipeline: Pipeline) -> None:
    """Yesterday and the day before yesterday are one day in the evidence, if published a day apart; also in an index that kept no quantities."""
    text = (
        "A tram left the rails in Linz {day}, and fourteen passengers were taken to hospital, the fire brigade said. "
        "Damage was put at 1.2 million euros, and the line stays closed for repairs, the operator said in a statement."
    )
    rows = [
        {"id": "first", "text": text.format(day="yesterday"), "published": "2026-03-03T09:00:00+01:00"},
        {"id": "later", "text": text.format(day="the day before yesterday"), "published": "2026-03-04T09:00:00+01:00"},
    ]
    pipeline.ingest_documents([parse_record(row, row["id"], "made", 1) for row in rows])
    [kept] = pipeline.variants("first")[2]
    assert "yesterday = the day before yesterday" in kept.evidence["numbers"]["agree"]
    with pipeline.store.writing():
        assert pipeline.store.execute("DELETE FROM quantities").rowcount == 2
    [read] = pipeline.variants("first")[2]
    assert read == kept


def test_a_draft_with_a_nul_is_refused_with_its_place(pipeline: Pipeline) -> None:
    """As an item is: nothing could store it."""
    with pytest.raises(InputError, match="NUL at character 6"):
        pipeline.check("Strike\0 ends.")
    with pytest.raises(InputError, match="NUL at character 4"):
        pipeline.check("A strike ends.", "Port\0")


def test_drafts_do_not_pile_up(pipeline: Pipeline) -> None:
    """However many drafts are checked, none stays among the texts that are compared, and each is answered as the first was."""
    pipeline.ingest([ROOT / PORT])
    item = next(item for _, item in pipeline.store.items())
    first = pipeline.check(item.text)
    assert first.matches
    kept = pipeline._opinions.descriptions.files.stack
    assert kept is not None
    before = kept.sizes()
    for _ in range(20):
        assert pipeline.check(item.text) == first
    assert kept.sizes() == before
