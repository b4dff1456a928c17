"""Ids that last, and the history of what became of them, on real stories and the real model."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_pipeline import CHIPS, PORT, documents, stories

from align.embedding import StaticEncoder
from align.errors import InputError, NotFoundError
from align.naming import rename_clusters, resolve_cluster
from align.pipeline import Pipeline
from align.records import DecisionKind, Form
from align.store import Store

A, A_DE, B = "port-strike-01.en", "port-strike-01.de", "port-strike-02.en"


@pytest.fixture
def pipeline(tmp_path: Path, encoder: StaticEncoder):
    """An empty index with the shipped model."""
    with Pipeline(tmp_path / "index", encoder) as opened:
        yield opened


def ids(pipeline: Pipeline) -> dict[str, str]:
    """External id → cluster."""
    return {item.document: pipeline.store.cluster_of(item.id) or "" for item in pipeline.items()}


def test_the_same_input_gives_the_same_ids(tmp_path: Path, encoder: StaticEncoder) -> None:
    """Read in one go, in whatever order, the same items stand in clusters of the same ids."""
    rows = documents(PORT, CHIPS)
    found = []
    for seed in (1, 2):
        random.Random(seed).shuffle(rows)
        with Pipeline(tmp_path / str(seed), encoder) as opened:
            opened.ingest_documents(rows)
            found.append(ids(opened))
    assert found[0] == found[1]


def test_ids_last_through_new_items_and_rereading(pipeline: Pipeline) -> None:
    """What was in a cluster stays under its id, whatever is read again or comes in."""
    rows = documents(PORT)
    pipeline.ingest_documents(rows[:7])
    before = ids(pipeline)
    pipeline.ingest_documents([*rows, *documents(CHIPS)])
    assert before.items() <= ids(pipeline).items()
    pipeline.ingest_documents(rows)
    assert before.items() <= ids(pipeline).items()


def test_every_change_is_a_row(pipeline: Pipeline) -> None:
    """Created, grown, merged, split, shrunk and gone, each with what, why and which items; the feed can be resumed."""
    rows = documents(PORT)
    pipeline.ingest_documents([row for row in rows if row.external_id in (A, B)])
    assert [(change.what, change.why) for change in pipeline.changes()] == [("created", "ingest")] * 2
    pipeline.ingest_documents([row for row in rows if row.external_id == A_DE])
    seen = pipeline.changes()[-1]
    story = ids(pipeline)[A]
    assert (seen.what, seen.cluster, seen.items) == ("grew", story, (pipeline.find(A_DE).id,))
    made = pipeline.decide("same_story", [A, B], "Ada")
    [merged] = pipeline.changes(after=seen.number)
    assert (merged.what, merged.why) == ("merged", f"decision {made.id}")
    assert pipeline.undo(made.id, "Ada")
    [split] = [change for change in pipeline.changes(after=merged.number) if change.what == "split"]
    assert (split.cluster, split.others, split.why) == (merged.cluster, merged.others, f"undo {made.id}")
    for name in (A, A_DE):
        pipeline.delete(name)
    ended = [(change.what, change.why) for change in pipeline.history(story)]
    assert ended[-2:] == [("shrank", "delete"), ("gone", "delete")]
    assert [change.number for change in pipeline.changes()] == sorted(change.number for change in pipeline.changes())
    with pytest.raises(NotFoundError, match=story):
        pipeline.cluster(story)


def test_a_story_that_comes_back_has_its_id_back(pipeline: Pipeline) -> None:
    """Deleted to the last item and read again, a story has the id that it was cited by."""
    rows = documents(PORT)[:1]
    pipeline.ingest_documents(rows)
    before = ids(pipeline)
    pipeline.delete(str(rows[0].external_id))
    pipeline.ingest_documents(rows)
    assert ids(pipeline) == before


def test_a_past_state_can_be_asked_for(pipeline: Pipeline) -> None:
    """As of a change or a time, clusters, variants and texts are as they were then."""
    rows = documents(PORT)
    pipeline.ingest_documents(rows[:6])
    then, told = pipeline.changes()[-1], stories(pipeline)
    title = pipeline.find(A).title
    pipeline.decide("same_story", [A, "port-strike-02.it"], "Ada")
    [row] = [row for row in rows if row.external_id == A]
    pipeline.ingest_documents(
        [*rows[6:], row.__class__(row.name, "rows", Form.ARTICLE, f"New\n\n{row.text}", "New", A)]
    )
    for as_of in (str(then.number), then.at):
        past = pipeline.clusters(as_of)
        assert {frozenset(item.document for item in pipeline.members(cluster)) for cluster in past} == told
        assert {item.title for cluster in past for item in pipeline.members(cluster, as_of) if item.document == A} == {
            title
        }
        _, _, variants = pipeline.variants(A, as_of=as_of)
        assert {variant.item.document for variant in variants} == next(story for story in told if A in story) - {A}
    assert pipeline.clusters("2001-01-01") == []
    assert len(pipeline.clusters("2999-12-31")) == len(pipeline.clusters())
    with pytest.raises(InputError, match="yesterday"):
        pipeline.clusters("yesterday")


@settings(max_examples=60)
@given(st.lists(st.lists(st.integers(0, 3), min_size=8, max_size=8), min_size=1, max_size=5))
def test_ids_follow_the_rules_through_any_history(
    tmp_path_factory: pytest.TempPathFactory, partitions: list[list[int]]
) -> None:
    """Whatever clusters come after one another: the largest part keeps an id, of several the oldest stays, all resolve."""
    store = Store(tmp_path_factory.mktemp("names"))
    items = [f"i{number}" for number in range(8)]
    with store.writing():
        store.execute("INSERT INTO document (name, path, form, digest, text) VALUES ('', '', 'page', '', '')")
        store.executemany(
            "INSERT INTO item (id, document_number, document, lang, lang_confidence, title, text, start, end, spans) VALUES (?, 1, '', '', 1.0, '', '', 0, 0, '[]')",
            ((item,) for item in items),
        )

    def age(name: str) -> int:
        return int(store.execute("SELECT number FROM cluster WHERE id = ?", (name,)).fetchone()[0])

    known: list[str] = []
    before: dict[str, str] = {}
    for partition in partitions:
        groups = sorted(
            {tuple(item for item, place in zip(items, partition, strict=True) if place == one) for one in partition}
        )
        with store.writing():
            rename_clusters(store, groups, "ingest")
        after = store.clusters_of(items)
        assert {frozenset(item for item in items if after[item] == name) for name in after.values()} == set(
            map(frozenset, groups)
        )
        for old in dict.fromkeys(before.values()):
            parts = [
                sum(before[item] == old for item in group)
                for group in groups
                if any(before[item] == old for item in group)
            ]
            heirs = [group for group in groups if sum(before[item] == old for item in group) == max(parts)]
            names = {after[group[0]] for group in heirs}
            assert resolve_cluster(store, old) in names
            assert any(name == old or age(name) < age(old) for name in names)
        known += [name for name in dict.fromkeys(after.values()) if name not in known]
        assert {resolve_cluster(store, name) for name in known} <= set(after.values())
        before = after
    store.close()


def test_variants_of_a_past_moment_are_those_of_then(pipeline: Pipeline) -> None:
    """Kind, score and decisions are as they were, whatever came since: newcomers, another text, a correction."""
    rows = documents(PORT)
    named = {str(row.external_id): row for row in rows}
    pipeline.ingest_documents(rows[:14])
    moment = pipeline.changes()[-1].at
    before = {found.item.id: (found.kind, found.score) for found in pipeline.variants(A)[2]}
    assert before
    pipeline.ingest_documents([*rows[14:], replace(named[A_DE], text=named[B].text)])
    pipeline.decide(DecisionKind.SAME_STORY, [A, B], "Ada")
    now = {found.item.id: (found.kind, found.score) for found in pipeline.variants(A)[2]}
    then = {found.item.id: (found.kind, found.score) for found in pipeline.variants(A, as_of=moment)[2]}
    assert now != before
    assert then == before
