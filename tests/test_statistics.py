"""What an index holds, counted over time."""

from __future__ import annotations

from pathlib import Path

import pytest

from align.embedding import StaticEncoder
from align.pipeline import Pipeline
from align.records import Document, Form
from align.statistics import SPANS, count


def stored(folder: Path, encoder: StaticEncoder, days: list[str]) -> Pipeline:
    """An index of unlike items, one a day of `days`."""
    places = "Kiel Genoa Otaru Bremen Bari Kobe".split()
    pipeline = Pipeline(folder, encoder)
    pipeline.ingest_documents(
        Document(f"d{number}", f"d{number}", Form.ARTICLE, f"The library of {place} opens {number}.", "", published=day)
        for number, (place, day) in enumerate(zip(places, days, strict=False))
    )
    return pipeline


@pytest.mark.parametrize(
    ("days", "unit", "first", "n_spans"),
    [
        (["2026-03-30", "2026-04-02", "2026-04-02T09:00:00+02:00"], "day", "2026-03-30", 4),
        (["2026-01-01", "2026-06-30"], "week", "2025-12-29", 27),
        (["2024-01-31", "2026-02-01"], "month", "2024-01-01", 26),
        (["2011-05-05", "2026-02-01"], "month", "2021-01-01", SPANS),
    ],
)
def test_time_is_counted_in_equal_spans(
    tmp_path: Path, encoder: StaticEncoder, days: list[str], unit: str, first: str, n_spans: int
) -> None:
    """Spans of one length follow without a gap up to the newest item, days where they suffice, and what came before them is not lost."""
    with stored(tmp_path, encoder, days) as pipeline:
        found = count(pipeline.store)
    assert (found.unit, found.spans[0], len(found.spans)) == (unit, first, n_spans)
    assert sum(map(sum, found.by_span.values())) <= found.n_items == len(days)
    assert found.stories_before + sum(found.stories_by_span) == found.n_clusters


def test_a_far_date_moves_no_chart(tmp_path: Path, encoder: StaticEncoder) -> None:
    """A date of the far future, which stands for none, does not push the others off the chart, and its item is told; one outside the calendar is no failure."""
    days = ["2026-03-30", "2026-04-02", "9999-12-31", "0001-01-01T00:00:00+14:00"]
    with stored(tmp_path, encoder, days) as pipeline:
        found = count(pipeline.store)
    assert (found.unit, found.spans[0], found.spans[-1], found.items_outside) == ("day", "2026-03-30", "2026-04-02", 1)
    with stored(tmp_path / "far", encoder, ["9999-12-30"]) as pipeline:
        assert count(pipeline.store).spans == ("9999-12-30",)


def test_an_empty_index_is_counted(tmp_path: Path, encoder: StaticEncoder) -> None:
    """Of nothing there is nothing to show."""
    with Pipeline(tmp_path, encoder) as pipeline:
        found = count(pipeline.store)
    assert (found.n_items, found.n_clusters, found.spans, found.by_span) == (0, 0, (), {})
