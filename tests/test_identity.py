"""An item that is sent again is recognised, whatever has changed about it; a changed text is a revision, and kept."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_pipeline import PORT, documents

from align.embedding import StaticEncoder
from align.identity import address_of
from align.pipeline import Pipeline
from align.records import Document
from align.rows import parse_record

TEXT = (
    "The harbour council voted 17 to 4 on Tuesday to build a tidal barrier across the inner bay. Engineers expect it to cost "
    "340 million euros and to be ready by 2031. Fishing crews had asked for a wider gate, and the final plan gives them one."
)
SENT = {
    "id": "guid-1",
    "title": "Council approves barrier",
    "text": TEXT,
    "source": "The Bay Herald",
    "url": "https://www.bay-herald.example/2026/barrier?utm_source=rss&id=7",
    "published": "2026-03-04T08:15:00+01:00",
}


@pytest.fixture
def pipeline(tmp_path: Path, encoder: StaticEncoder):
    """An empty index with the shipped model."""
    with Pipeline(tmp_path / "index", encoder) as opened:
        yield opened


def row(**fields: object) -> Document:
    """A row like `SENT`, with some fields changed or, where None, left out."""
    return parse_record(
        {name: value for name, value in (SENT | fields).items() if value is not None}, "rows:1", "rows", 1
    )


@pytest.mark.parametrize(
    "changed",
    [
        {"url": "https://bay-herald.example/2026/barrier?id=7&fbclid=abc#top"},
        {"url": "https://bay-herald.example/council/tidal-barrier-approved"},
        {"title": "Tidal barrier: council says yes"},
        {"id": "guid-2"},
        {"id": "guid-2", "title": "Tidal barrier: council says yes"},
        {"id": "guid-2", "url": "http://bay-herald.example/2026/barrier/?id=7&utm_campaign=x"},
        {"id": "guid-2", "url": "https://bay-herald.example/council/tidal-barrier-approved"},
        {"id": "guid-2", "url": "https://bay-herald.example/moved", "title": "Tidal barrier: council says yes"},
    ],
)
def test_an_item_sent_again_is_recognised(pipeline: Pipeline, changed: dict[str, str]) -> None:
    """With another address, GUID, title or tracking parameters it stays one item under its id, found by old and new names."""
    pipeline.ingest_documents([row()])
    [item] = pipeline.items()
    report = pipeline.ingest_documents([row(**changed)])
    assert (report.added, len(list(pipeline.items()))) == (0, 1)
    assert pipeline.find("guid-1").id == pipeline.find(changed.get("id", "guid-1")).id == item.id
    again = pipeline.ingest_documents([row(**changed), row()])
    assert again.added == 0
    assert [found.id for found in pipeline.items()] == [item.id]


def test_tracking_parameters_change_nothing(pipeline: Pipeline) -> None:
    """An address that differs in tracking parameters alone is no update."""
    pipeline.ingest_documents([row()])
    before = list(pipeline.items())
    report = pipeline.ingest_documents([row(url="https://www.bay-herald.example/2026/barrier?id=7&utm_medium=mail")])
    assert (report.unchanged, list(pipeline.items())) == (1, before)


def test_copies_are_items_of_their_own(pipeline: Pipeline) -> None:
    """The same text from another paper, or under another id without any address, is another item."""
    pipeline.ingest_documents([row()])
    others = [
        row(id="other-paper", source="Inland Post", url="https://inland-post.example/barrier"),
        row(id="no-address", url=None),
        row(id="other-day", url="https://bay-herald.example/week-in-review", published="2026-03-08T09:00:00+01:00"),
        row(id="front-page", url="https://bay-herald.example/", published=None),
        row(id="front-page-too", url="https://bay-herald.example/", published=None),
    ]
    assert pipeline.ingest_documents(others).added == len(others)
    assert len({pipeline.store.cluster_of(item.id) for item in pipeline.items()}) == 1


def test_what_is_sent_side_by_side_is_not_sent_again(pipeline: Pipeline) -> None:
    """Two rows of one reading with ids of their own are two items, however alike; sent again they stay two."""
    rows = [row(), row(id="guid-2", title="Tidal barrier: council says yes")]
    assert pipeline.ingest_documents(rows).added == 2
    assert pipeline.ingest_documents(rows[::-1]).unchanged == 2


def test_another_story_at_the_same_address_is_another_item(pipeline: Pipeline) -> None:
    """A page that carries a new story every day does not turn one item into another."""
    pipeline.ingest_documents([row(id=None)])
    other = row(
        id=None, title="Museum opens clock show", text="A museum in Turin opened a show of Baroque clocks on Sunday."
    )
    assert pipeline.ingest_documents([Document(**{**other.__dict__, "name": "rows:2"})]).added == 1


def test_rows_without_ids_may_move(tmp_path: Path, pipeline: Pipeline) -> None:
    """A row put in before the others of a file leaves their items, and ids, as they are; equal rows stay copies."""
    path = tmp_path / "rows.jsonl"
    rows = [
        {"text": TEXT},
        {"text": "A museum in Turin opened a show of Baroque clocks on Sunday, its director said."},
        {"text": TEXT},
    ]
    path.write_text("".join(json.dumps(one) + "\n" for one in rows), encoding="utf-8")
    assert pipeline.ingest([path]).added == 3
    before = {item.id for item in pipeline.items()}
    first = {"text": "Rail operators in four countries agreed on a night train from Rome to Hamburg."}
    path.write_text("".join(json.dumps(one) + "\n" for one in [first, *rows]), encoding="utf-8")
    report = pipeline.ingest([path, path])
    assert report.added == 1
    assert before < {item.id for item in pipeline.items()}


def test_a_changed_text_is_a_revision_and_kept(pipeline: Pipeline) -> None:
    """Every text that an item has had can be read, in order, and the history says when it changed."""
    pipeline.ingest_documents([row()])
    pipeline.ingest_documents([row(text=TEXT.replace("340", "390"))])
    pipeline.ingest_documents([row(text=TEXT.replace("340", "410"), title="Barrier to cost more")])
    found = pipeline.revisions("guid-1")
    assert [revision.number for revision in found] == [1, 2, 3]
    assert ["340" in found[0].text, "390" in found[1].text, "410" in found[2].text] == [True] * 3
    assert [revision.title for revision in found[1:]] == ["Council approves barrier", "Barrier to cost more"]
    assert [revision.at for revision in found] == sorted(revision.at for revision in found)
    item = pipeline.find("guid-1")
    assert [change.items for change in pipeline.changes() if change.what == "revised"] == [(item.id,)] * 2


def test_translations_older_than_a_revision_are_stale_until_they_are_revised(pipeline: Pipeline) -> None:
    """When the original changes, its translation is marked, seen from either side; once it is revised itself, no more."""
    rows = documents(PORT)
    pipeline.ingest_documents(rows)
    english, german = "port-strike-01.en", "port-strike-01.de"
    pipeline.decide("translation", [english, german], "Ada")

    def marks() -> list[object]:
        return [
            (variant.evidence.get("stale"), variant.evidence.get("stale_item"))
            for asked, other in ((english, german), (german, english))
            for variant in pipeline.variants(asked)[2]
            if variant.item.document == other
        ]

    assert marks() == [(None, None)] * 2
    revise(pipeline, rows, english, "The vote was repeated on Thursday.")
    assert marks() == [(True, pipeline.find(german).id)] * 2
    revise(pipeline, rows, german, "Die Abstimmung wurde am Donnerstag wiederholt.")
    assert marks() == [(None, None)] * 2


def revise(pipeline: Pipeline, rows: list[Document], name: str, sentence: str) -> None:
    """Send the row again with a sentence more."""
    [found] = [row for row in rows if row.external_id == name]
    pipeline.ingest_documents([Document(**{**found.__dict__, "text": f"{found.text} {sentence}"})])


def test_revised_teasers_of_a_page_keep_their_ids(tmp_path: Path, pipeline: Pipeline) -> None:
    """A page without ids saved again with a sentence changed in its article holds the same item, revised."""
    path = tmp_path / "page.txt"
    page = f"Council approves barrier after ten-year debate\n\n{TEXT}\n\nOpponents said they would take the decision to court before the end of the month.\n"
    path.write_text(page, encoding="utf-8")
    pipeline.ingest([path])
    before = {item.id for item in pipeline.items()}
    path.write_text(page.replace("340 million", "390 million"), encoding="utf-8")
    report = pipeline.ingest([path])
    assert (report.added, report.updated, report.removed) == (0, 1, 0)
    assert {item.id for item in pipeline.items()} == before
    assert len(pipeline.revisions(next(iter(before)))) == 2


def test_an_address_is_what_is_left_of_an_url() -> None:
    """Scheme, www., tracking parameters, their order and the fragment make no other address; a path does."""
    plain = address_of("https://example.org/a/b?id=3&page=2")
    for same in (
        "http://www.example.org/a/b/?page=2&utm_source=x&id=3#c",
        " https://EXAMPLE.org/a/b?id=3&page=2&gclid=1 ",
    ):
        assert address_of(same) == plain
    for other in (
        "https://example.org/a/c?id=3&page=2",
        "https://example.org/a/b?id=4&page=2",
        "https://example.com/a/b?id=3&page=2",
    ):
        assert address_of(other) != plain
    for none in (None, "", "tag:example.org,2026:1", "https://example.org/", "http://[bad", "not an address"):
        assert address_of(none) is None


@given(st.text(max_size=60))
def test_any_text_may_stand_where_an_url_should(text: str) -> None:
    """Whatever is sent as an URL is an address or none, never an exception."""
    for url in (text, f"https://{text}", f"https://example.org/{text}"):
        found = address_of(url)
        assert found is None or found
