"""What comparing needs of an item is worked out when it comes in, kept, and made anew where it no longer holds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from test_pipeline import CHIPS, PORT, documents, stories

from align.description_rows import DescriptionRows
from align.embedding import StaticEncoder
from align.pipeline import Pipeline
from align.records import Relation

KEPT = "SELECT * FROM traits ORDER BY item_number"


def related(pipeline: Pipeline) -> list[Relation]:
    """All relations."""
    return list(pipeline.store.relations())


def forget(pipeline: Pipeline) -> None:
    """Make of an index one of an earlier version, which kept no descriptions."""
    with pipeline.store.writing():
        pipeline.store.execute("DELETE FROM traits")
        pipeline.store.execute("DELETE FROM setting WHERE name = 'pieces_fingerprint'")


def test_a_text_is_described_once(tmp_path: Path, encoder: StaticEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading an item in describes it; relating it, comparing it with others, and drafts, read what is kept."""
    with Pipeline(tmp_path, encoder) as pipeline:
        pipeline.take_in(documents(PORT))
        assert len(pipeline.store.rows(KEPT)) == pipeline.store.count_items()
        monkeypatch.setattr("align.description_rows.describe", lambda *_: pytest.fail("described again"))
        pipeline.catch_up()
        assert pipeline.check(documents(PORT)[0].text).matches


def test_what_is_kept_is_what_is_worked_out(tmp_path: Path, encoder: StaticEncoder) -> None:
    """The columns of kept descriptions and of new ones are equal, of items with and without numbers, names and a date."""
    with Pipeline(tmp_path, encoder) as pipeline:
        pipeline.take_in(documents(PORT))
        numbers, rows = list(range(1, pipeline.store.count_items() + 1)), DescriptionRows(pipeline.store)
        [(order, kept)] = rows.described(numbers, encoder, encoder.dimension)
        forget(pipeline)
        [(others, made)] = rows.described(numbers, encoder, encoder.dimension)
    assert order == others == numbers
    for name, column in vars(kept).items():
        for own, other in zip(column, getattr(made, name), strict=True):
            np.testing.assert_array_equal(own, other, err_msg=name)


def test_an_index_of_an_earlier_version_is_filled_in(tmp_path: Path, encoder: StaticEncoder) -> None:
    """Drafts are answered the same before; the next reading keeps all descriptions, and relations are those of an index that had them."""
    rows = documents(PORT, CHIPS)
    with Pipeline(tmp_path / "early", encoder) as early, Pipeline(tmp_path / "late", encoder) as late:
        for pipeline in (early, late):
            pipeline.ingest_documents(rows[:-5])
        forget(early)
        assert early.check(rows[0].text) == late.check(rows[0].text)
        assert not early.store.rows(KEPT)
        for pipeline in (early, late):
            pipeline.ingest_documents(rows[-5:])
        assert early.store.rows(KEPT) == late.store.rows(KEPT)
        assert related(early) == related(late)


def test_other_pieces_are_another_description(tmp_path: Path, encoder: StaticEncoder) -> None:
    """Descriptions by another model's pieces count as none, and at the next reading all items are related anew."""
    rows = documents(PORT)
    with Pipeline(tmp_path, encoder) as pipeline:
        pipeline.ingest_documents(rows)
        kept, before, answer = pipeline.store.rows(KEPT), related(pipeline), pipeline.check(rows[0].text)
        with pipeline.store.writing():
            pipeline.store.set_setting("pieces_fingerprint", "another")
            pipeline.store.execute("UPDATE traits SET words = zeroblob(length(words))")
            pipeline.store.execute("UPDATE comparison SET logit = 3")
    with Pipeline(tmp_path, encoder) as pipeline:
        assert [match.variant.item for match in pipeline.check(rows[0].text).matches] == [
            match.variant.item for match in answer.matches
        ]
        pipeline.ingest_documents(rows)
        assert pipeline.store.rows(KEPT) == kept
        assert related(pipeline) == before
        assert pipeline.check(rows[0].text) == answer
        assert stories(pipeline)
