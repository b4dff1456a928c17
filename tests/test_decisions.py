"""Editors' corrections, on real stories and the real model: applied at once, kept, listed, undone, never contradictory."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_order import ITEMS, edges, put_items
from test_pipeline import CHIPS, PORT, documents, stories

from align.archive import Archive
from align.decisions import constraints
from align.embedding import StaticEncoder
from align.errors import DecisionConflictError, InputError, NotFoundError
from align.pipeline import Pipeline
from align.records import DecisionKind, Kind, Relation
from align.regrouping import regroup
from align.rows import parse_record

A, A_DE, B, B_DE = "port-strike-01.en", "port-strike-01.de", "port-strike-02.en", "port-strike-02.de"


@pytest.fixture
def pipeline(tmp_path: Path, encoder: StaticEncoder):
    """An index of the stories of one topic."""
    with Pipeline(tmp_path / "index", encoder) as opened:
        opened.ingest_documents(documents(PORT))
        yield opened


def story_of(pipeline: Pipeline, name: str) -> str:
    """The id of the story in which the item of this external id stands."""
    return pipeline.store.cluster_of(pipeline.find(name).id) or ""


def test_same_story_joins_two_stories_at_once(pipeline: Pipeline) -> None:
    """Two stories called one are one, under the older id; the evidence names the decision."""
    older, newer = sorted((story_of(pipeline, A), story_of(pipeline, B)), key=pipeline.store.cluster_ids().index)
    made = pipeline.decide("same_story", [A, B], "Ada", "one dispute")
    assert story_of(pipeline, A_DE) == story_of(pipeline, B_DE) == older
    assert pipeline.resolve_cluster(newer) == older
    assert pipeline.cluster(newer).id == older
    [variant] = [found for found in pipeline.variants(A)[2] if found.item.document == B]
    assert (variant.score, variant.evidence["decision"], variant.evidence["by"]) == (1.0, made.id, "Ada")
    # Whoever neither the decision nor a relation joins to an item is joined through others, as strongly as the weakest step.
    through = {found.item.document: found for found in pipeline.variants(A_DE)[2] if found.item.document in (B, B_DE)}
    assert {name: found.evidence["rule"] for name, found in through.items()} == {B: "cluster", B_DE: "cluster"}
    steps = [pipeline.find(name).id for name in (A, B)]
    [first] = [found for found in pipeline.variants(A_DE)[2] if found.item.document == A]
    [last] = [found for found in pipeline.variants(B)[2] if found.item.document == B_DE]
    assert (through[B].score, through[B].evidence["through"]) == (first.score, steps[:1])
    assert (through[B_DE].score, through[B_DE].evidence["through"]) == (min(first.score, last.score), steps)


def test_not_same_story_parts_what_was_one(pipeline: Pipeline) -> None:
    """Two items of one story called different stand in two, whatever their relation."""
    pipeline.decide(DecisionKind.NOT_SAME_STORY, [A, A_DE], "Ada")
    assert story_of(pipeline, A) != story_of(pipeline, A_DE)


def test_split_takes_items_out_together(pipeline: Pipeline) -> None:
    """What is split off is one new story; the larger part keeps the id; undone, the story is whole again."""
    before, whole = stories(pipeline), story_of(pipeline, A)
    made = pipeline.decide("split", [A, A_DE], "Ada")
    off = story_of(pipeline, A)
    assert off == story_of(pipeline, A_DE) != whole
    assert story_of(pipeline, "port-strike-01.ja") == whole
    assert len(pipeline.cluster(off).item_ids) == 2
    pipeline.undo(made.id, "Grace")
    assert stories(pipeline) == before
    assert story_of(pipeline, A) == whole
    assert pipeline.resolve_cluster(off) == whole


def test_translation_says_what_the_relation_is(pipeline: Pipeline) -> None:
    """Items called translations are shown as translations of one another."""
    pipeline.decide("translation", [A, B_DE], "Ada")
    [variant] = [found for found in pipeline.variants(A)[2] if found.item.document == B_DE]
    assert variant.kind is Kind.TRANSLATION


def test_decisions_survive_whatever_comes(tmp_path: Path, encoder: StaticEncoder) -> None:
    """Read again, revised, deleted and read again, more read, settings turned, opened anew: what was decided holds."""
    rows = documents(PORT)
    with Pipeline(tmp_path, encoder) as pipeline:
        pipeline.ingest_documents(rows)
        pipeline.decide("same_story", [A, B], "Ada")
        pipeline.decide("not_same_story", [A, A_DE], "Ada")

    def holds(pipeline: Pipeline) -> bool:
        return story_of(pipeline, A) == story_of(pipeline, B) != story_of(pipeline, A_DE)

    with Pipeline(tmp_path, encoder) as pipeline:
        assert holds(pipeline)
        pipeline.ingest_documents(rows)
        assert holds(pipeline)
        revised = {
            "id": A,
            "title": "Dockers in Hamburg vote for a strike",
            "text": "Hamburg's dockers will strike for two days.",
        }
        pipeline.ingest_documents([parse_record(revised, A, "rows", 1), *documents(CHIPS)])
        assert holds(pipeline)
        pipeline.delete(A)
        pipeline.ingest_documents(rows)
        assert holds(pipeline)
        pipeline.set_threshold("link", "0.6")
        assert holds(pipeline)
        assert [entry.by for entry in pipeline.decisions()] == ["Ada", "Ada"]


def test_a_contradiction_is_refused_with_the_conflict(pipeline: Pipeline) -> None:
    """A with B and B with C leave no room for A apart from C, nor the other way round; nothing is stored."""
    first = pipeline.decide("same_story", [A, B], "Ada")
    second = pipeline.decide("translation", [B, "port-strike-03.en"], "Grace")
    before = pipeline.clusters()
    with pytest.raises(DecisionConflictError, match=r"d1.*Ada.*d2.*Grace") as refused:
        pipeline.decide("not_same_story", [A, "port-strike-03.en"], "Mary")
    assert [entry.id for entry in refused.value.conflicts] == [first.id, second.id]
    assert (pipeline.decisions(), pipeline.clusters()) == ([first, second], before)
    pipeline.undo(first.id, "Mary")
    parted = pipeline.decide("not_same_story", [A, "port-strike-03.en"], "Mary")
    with pytest.raises(DecisionConflictError) as refused:
        pipeline.decide("same_story", [A, B], "Ada")
    assert {entry.id for entry in refused.value.conflicts} == {second.id, parted.id}


def test_a_split_is_contradicted_by_what_it_left(pipeline: Pipeline) -> None:
    """Once split off, an item cannot be called the same story as one that was left."""
    made = pipeline.decide("split", [A], "Ada")
    with pytest.raises(DecisionConflictError) as refused:
        pipeline.decide("same_story", [A, A_DE], "Grace")
    assert [entry.id for entry in refused.value.conflicts] == [made.id]


def test_decisions_are_listed_and_undone_once(pipeline: Pipeline) -> None:
    """Who decided and who took it back stay on record; a second undo is refused."""
    made = pipeline.decide("same_story", [A, B], "Ada", "why not")
    undone = pipeline.undo(made.id, "Grace")
    assert pipeline.decisions() == []
    assert pipeline.decisions(include_undone=True) == [undone]
    assert (undone.by, undone.note, undone.undone_by) == ("Ada", "why not", "Grace")
    with pytest.raises(InputError, match="undone already, by Grace"):
        pipeline.undo(made.id, "Grace")


def test_what_is_no_decision_is_refused(pipeline: Pipeline) -> None:
    """An unknown kind, item or decision, one item alone, nobody named, nothing left: each is one clear error."""
    with pytest.raises(InputError, match="same_story, not_same_story, split, translation"):
        pipeline.decide("merge", [A, B], "Ada")
    with pytest.raises(NotFoundError, match="nowhere"):
        pipeline.decide("same_story", [A, "nowhere"], "Ada")
    with pytest.raises(InputError, match="two items"):
        pipeline.decide("same_story", [A, A], "Ada")
    with pytest.raises(InputError, match="name of who decides"):
        pipeline.decide("same_story", [A, B], " ")
    with pytest.raises(InputError, match="different stories"):
        pipeline.decide("split", [A, B], "Ada")
    everything = [item.document for item in pipeline.members(pipeline.cluster(story_of(pipeline, A)))]
    with pytest.raises(InputError, match="whole story"):
        pipeline.decide("split", everything, "Ada")
    with pytest.raises(NotFoundError, match="d99"):
        pipeline.undo("d99", "Ada")


def test_the_queue_brings_borderline_pairs_and_never_decided_ones(pipeline: Pipeline) -> None:
    """Pairs near the threshold come most useful first; one that was decided, even through others, does not come again."""
    # Two texts that share an event and little else, so that the real verifier is in two minds.
    pipeline.ingest_documents(documents(CHIPS, "seeds/strait-diplomacy.jsonl"))
    pipeline.set_threshold("joins", "0.6")
    pairs = pipeline.queue(1000)
    assert pairs
    assert [pair.usefulness for pair in pairs] == sorted((pair.usefulness for pair in pairs), reverse=True)
    assert all(0.0 <= pair.usefulness <= 1.0 and pair.why for pair in pairs)
    first = pairs[0]
    pipeline.decide("not_same_story", [first.a.id, first.b.id], "Ada")
    assert {first.a.id, first.b.id} not in [{pair.a.id, pair.b.id} for pair in pipeline.queue(1000)]
    assert all("ja" in (pair.a.lang, pair.b.lang) for pair in pipeline.queue(1000, ["ja"]))
    assert all({pair.a.lang, pair.b.lang} <= {"en", "de"} for pair in pipeline.queue(1000, ["en", "de"]))


kinds = st.sampled_from(["same_story", "not_same_story", "split", "translation", "undo"])


@settings(max_examples=60)
@given(edges, st.lists(st.tuples(kinds, st.lists(st.sampled_from(ITEMS), min_size=1, max_size=3)), max_size=8))
def test_decisions_hold_until_undone(
    found: dict[tuple[str, str], tuple[float, Kind]], wanted: list[tuple[str, list[str]]]
) -> None:
    """Whatever is decided and undone in a row: all that holds is obeyed, and with all undone the stories are as before."""
    relations = [Relation(a, b, kind, score, {"contained": a}) for (a, b), (score, kind) in found.items()]
    with tempfile.TemporaryDirectory() as folder, Archive(Path(folder)) as archive:
        store = archive.store
        with store.writing():
            put_items(archive, ITEMS)
            store.put_relations(relations)
            store.mark_related(ITEMS)
            regroup(store, "ingest")
        before = archive.clusters()
        for kind, names in wanted:
            held = archive.decisions()
            try:
                if kind != "undo":
                    archive.decide(kind, names, "Ada")
                elif held:
                    archive.undo(held[0].id, "Ada")
            except (InputError, DecisionConflictError):
                assert archive.decisions() == held
            story = {item: cluster.id for cluster in archive.clusters() for item in cluster.item_ids}
            asked = constraints(archive.decisions())
            assert all(len({story[item] for item in group}) == 1 for group in asked.together)
            assert all(story[left] != story[right] for left, right in asked.apart)
        for entry in archive.decisions():
            archive.undo(entry.id, "Ada")
        assert {cluster.item_ids for cluster in archive.clusters()} == {cluster.item_ids for cluster in before}
        for change in archive.changes():
            assert archive.resolve_cluster(change.cluster)
