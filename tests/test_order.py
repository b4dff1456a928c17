"""Batch and incremental give the same: the order of arrival leaves no trace in relations and clusters."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from test_pipeline import PORT, documents, stories

from align.archive import Archive
from align.clustering import cluster_items
from align.embedding import SHIPPED_MODEL, StaticEncoder
from align.identity import sender_of
from align.pipeline import Pipeline
from align.records import Document, Form, Item, Kind, Relation
from align.regrouping import regroup
from align.rows import parse_record

ENCODER = StaticEncoder(SHIPPED_MODEL)
ABOUT = "The Harbour Courier is an independent newspaper for everyone who lives by the sea. Write to us at any time."


def shared_texts() -> list[Document]:
    """A topic's stories with a copy, an excerpt, a round-up that holds parts of two stories, and a line that many share."""
    rows = documents(PORT)
    texts = {str(row.external_id): row.text.split("\n\n", 1)[1] for row in rows}
    english = [name for name in texts if name.endswith(".en")]
    halves = [texts[name][: len(texts[name]) // 2] for name in english[:2]]
    made = {
        "copy": texts[english[0]].replace("Hamburg", "the city"),
        "excerpt": halves[0],
        "round-up": "\n\n".join(halves),
        **{f"about-{number}": f"{text}\n\n{ABOUT}" for number, text in enumerate(halves)},
    }
    extra = [parse_record({"id": name, "text": text}, name, "made", 1) for name, text in made.items()]
    return [*rows[:14], *extra]


TEXTS = shared_texts()


def outcome(pipeline: Pipeline) -> tuple[set[frozenset[str]], set[tuple[str, str, str, float]]]:
    """The clusters and relations, by external ids."""
    relations = {(found.a, found.b, found.kind.value, found.score) for found in pipeline.store.relations()}
    return stories(pipeline), relations


with tempfile.TemporaryDirectory() as _folder, Pipeline(Path(_folder), ENCODER) as _at_once:
    _at_once.ingest_documents(TEXTS)
    EXPECTED = outcome(_at_once)


@settings(max_examples=15)
@given(st.permutations(range(len(TEXTS))), st.lists(st.integers(1, 8), min_size=20, max_size=20), st.data())
def test_any_order_of_arrival_gives_the_same(order: list[int], portions: list[int], data: st.DataObject) -> None:
    """One by one, in portions, in any order, with items that come, go and come again: clusters and relations are those of all at once."""
    waiting = [TEXTS[number] for number in order]
    with tempfile.TemporaryDirectory() as folder, Pipeline(Path(folder), ENCODER) as pipeline:
        for portion in portions:
            part, waiting = waiting[:portion], waiting[portion:]
            if not part:
                break
            pipeline.ingest_documents(part)
            gone = data.draw(st.sampled_from(part))
            if data.draw(st.booleans()):
                pipeline.delete(str(gone.external_id))
                waiting.append(gone)
        pipeline.ingest_documents(waiting)
        assert outcome(pipeline) == EXPECTED


ITEMS = [f"i{number}" for number in range(6)]
edges = st.dictionaries(
    st.tuples(st.sampled_from(ITEMS), st.sampled_from(ITEMS)).filter(lambda pair: pair[0] < pair[1]),
    st.tuples(
        st.sampled_from([0.3, 0.65, 0.9]), st.sampled_from([Kind.SAME_STORY, Kind.SAME_STORY, Kind.NEAR, Kind.EXCERPT])
    ),
    min_size=2,
    max_size=9,
)


def put_items(archive: Archive, names: Iterable[str]) -> None:
    """Store items of these ids, which say no more than that."""
    for name in names:
        document = Document(name, name, Form.ARTICLE, name)
        number = archive.store.put_document(document, name, sender_of(document), None)
        archive.store.put_item(Item(name, name, "en", 1.0, "", name, None, None, None, 0, 2), number, "2026-03-04")


@settings(max_examples=200)
@given(edges, st.permutations(ITEMS), st.sets(st.sampled_from(ITEMS)), st.integers(1, 4))
def test_stored_clusters_are_those_of_all_relations_at_once(
    found: dict[tuple[str, str], tuple[float, Kind]], order: list[str], leaving: set[str], portion: int
) -> None:
    """Items that arrive in any order, and leave, with any relations: only parts are worked out, and the whole is right."""
    relations = [
        Relation(a, b, kind if score > 0.3 else Kind.RELATED, score, {"contained": a})
        for (a, b), (score, kind) in found.items()
    ]
    with tempfile.TemporaryDirectory() as folder, Archive(Path(folder)) as archive:
        store = archive.store
        here: set[str] = set()
        for start in range(0, len(order), portion):
            with store.writing():
                for name in order[start : start + portion]:
                    put_items(archive, [name])
                    here.add(name)
                    store.put_relations(one for one in relations if name in (one.a, one.b) and {one.a, one.b} <= here)
                store.mark_related(order[start : start + portion])
                regroup(store, "ingest")
        with store.writing():
            store.delete_items(sorted(leaving))
            regroup(store, "delete")
        left = [name for name in ITEMS if name not in leaving]
        kept = [one for one in relations if one.a in left and one.b in left]
        assert sorted(tuple(sorted(cluster.item_ids)) for cluster in archive.clusters()) == cluster_items(left, kept)
