"""What many unlike items share counts for nothing; what copies share counts for all."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from test_order import ENCODER
from test_pipeline import stories

from align.boilerplate import sentence_digests, shared_sentences, without_boilerplate
from align.drafts import draft_item
from align.pipeline import Pipeline
from align.records import Document, Kind
from align.rows import parse_record
from align.vectors import full_text, vectorise

ABOUT = (
    "The Harbour Courier is an independent newspaper that is paid for by its readers alone. It has reported from the ports of the "
    "north since 1921. Write to the editors at the old customs house, or call on us there between nine and five."
)
STORIES = {
    "dockers": "Dockers in Hamburg will stop work for two days from Friday, their union said after a vote. "
    "Cranes stand still from six in the morning, and eleven freighters will wait at anchor.",
    "clocks": "A museum in Turin opened a show of forty Baroque clocks on Sunday, lent by a collector in Vienna. "
    "Most of them still run, and a watchmaker winds each by hand before the doors open.",
    "train": "Rail operators in four countries agreed on a night train from Rome to Hamburg, to start in May. "
    "Sleeping cars come from a Spanish builder, and a berth will cost from ninety euros.",
    "vaccine": "Health officials in Osaka recalled nine thousand doses of a flu vaccine after a fridge failed. "
    "Parents of children who were given the injections in October are being telephoned.",
    "orchestra": "The orchestra of Leeds has chosen a conductor of twenty-six years, the youngest it ever had. "
    "Her first programme pairs a Finnish symphony with a concerto for marimba.",
    "chips": "A chip maker will build its second plant near Dresden and hire eight hundred people, it said. "
    "Saxony pays a third of the costs, while farmers worry about their ground water.",
    "quake": "An earthquake off the coast of Noto cut the power of six villages, but nobody was hurt. "
    "Engineers inspected bridges and a dam through the night and found hairline cracks.",
    "football": "The cup final goes to extra time again after a goalkeeper scored in the last minute of play. "
    "His header from a corner silenced forty thousand supporters of the home side.",
}


def rows(texts: dict[str, str]) -> list[Document]:
    """Texts as rows of these ids."""
    return [parse_record({"id": name, "text": text}, name, "rows", 1) for name, text in texts.items()]


@pytest.fixture
def pipeline(tmp_path: Path):
    """An empty index with the shipped model."""
    with Pipeline(tmp_path / "index", ENCODER) as opened:
        yield opened


def test_a_long_note_about_the_paper_joins_nothing(pipeline: Pipeline) -> None:
    """Eight short stories that end on the same long note are eight stories, unrelated as they are without it."""
    pipeline.ingest_documents(rows({name: f"{text} {ABOUT}" for name, text in STORIES.items()}))
    assert len(shared_sentences(pipeline.store)) == 3
    assert stories(pipeline) == {frozenset({name}) for name in STORIES}
    assert not any(found.kind in (Kind.NEAR, Kind.EXCERPT) for found in pipeline.store.relations())


def test_a_copy_is_found_whatever_it_is_printed_with(pipeline: Pipeline) -> None:
    """A story is a copy of itself with or without the note."""
    noted = {name: f"{text} {ABOUT}" for name, text in STORIES.items()}
    pipeline.ingest_documents(rows(noted | {"plain": STORIES["quake"]}))
    assert frozenset({"quake", "plain"}) in stories(pipeline)


def test_three_hundred_copies_of_one_text_have_no_boilerplate(pipeline: Pipeline) -> None:
    """However often one text is printed, edited or under other headlines, its sentences count, and it is one story."""
    text = f"{STORIES['dockers']} {STORIES['quake']} {ABOUT}"
    printed = {f"copy-{number:03}": text for number in range(292)}
    edited = {f"edited-{number}": f"Desk {number} reports. {text}" for number in range(8)}
    pipeline.ingest_documents(rows(printed | edited))
    assert shared_sentences(pipeline.store) == frozenset()
    assert stories(pipeline) == {frozenset(printed | edited)}


def test_any_order_gives_the_same_and_what_leaves_takes_it_back(tmp_path: Path) -> None:
    """One by one, in any order, what is boilerplate and what relates is as in one go; when its holders go, it ceases to be."""
    texts = {name: f"{text} {ABOUT}" for name, text in STORIES.items()} | {"plain": STORIES["quake"], "note": ABOUT}
    found = []
    for seed in range(3):
        order = rows(texts)
        random.Random(seed).shuffle(order)
        with Pipeline(tmp_path / str(seed), ENCODER) as opened:
            for start in range(0, len(order), 1 + 4 * seed):
                opened.ingest_documents(order[start : start + 1 + 4 * seed])
            found.append((shared_sentences(opened.store), list(opened.store.relations()), stories(opened)))
            for name in ("clocks", "train", "vaccine"):
                opened.delete(name)
            assert shared_sentences(opened.store) == frozenset()
    assert found[0] == found[1] == found[2]
    assert found[0][0]


def test_what_is_left_is_an_item_with_its_own_sentences() -> None:
    """Without the boilerplate, spans, rows and text agree; an item of boilerplate alone stays as it is."""
    with_note, note = rows({"a": f"{STORIES['train']} {ABOUT}", "b": ABOUT})
    item, about = draft_item(with_note.text, "Night train"), draft_item(note.text)
    vectors, own = vectorise([item, about], ENCODER)
    shared = frozenset(sentence_digests(about, own.sentence_spans))
    stripped, kept = without_boilerplate(item, vectors, shared)
    assert [full_text(stripped)[start:end] for start, end in kept.sentence_spans] == ["Night train", STORIES["train"]]
    assert kept.sentences.shape == (2, ENCODER.dimension)
    assert without_boilerplate(about, own, shared) == (about, own)
    assert without_boilerplate(item, vectors, frozenset()) == (item, vectors)
