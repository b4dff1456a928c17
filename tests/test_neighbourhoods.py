"""Neighbourhoods that processes keep in turn are those of all items at once."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import numpy as np
import pytest
from test_order import ENCODER
from test_pipeline import ROOT, stories

import align.comparison_rows
from align.pipeline import Pipeline
from align.reading import read
from align.records import Document

SEEDS = [found for found in read([ROOT / "seeds"], None) if isinstance(found, Document)]


def neighbourhoods(pipeline: Pipeline) -> dict[str, np.ndarray]:
    """The similarities of each item's nearest, by the item's id, as whoever opens the index finds them."""
    with Pipeline(pipeline.folder, ENCODER) as opened:
        opened._relating.catch_up()
        ids = opened.store.ids_of()
        numbers = np.array(sorted(ids))
        return dict(zip((ids[number] for number in numbers.tolist()), opened._relating.near.rows(numbers), strict=True))


def related(pipeline: Pipeline) -> list[tuple[str, str, str, float]]:
    """The relations, in order."""
    return sorted((found.a, found.b, found.kind.value, found.score) for found in pipeline.store.relations())


@pytest.mark.parametrize("most_noted", [300, 500_000])
def test_two_processes_in_turn_leave_the_neighbourhoods_of_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most_noted: int
) -> None:
    """Two writers read the bundled stories by turns, a few at a time, and delete some: what they and a third one know is as in one go."""
    monkeypatch.setattr(align.comparison_rows, "PUSHES", most_noted)
    order = random.Random(5).sample(SEEDS, len(SEEDS))
    gone = {str(document.external_id) for document in order[20:200:45]}
    with Pipeline(tmp_path / "once", ENCODER) as once:
        once.ingest_documents(document for document in order if str(document.external_id) not in gone)
        expected, expected_relations, expected_stories = neighbourhoods(once), related(once), stories(once)
    with Pipeline(tmp_path / "turns", ENCODER) as one, Pipeline(tmp_path / "turns", ENCODER) as other:
        for start, writer in zip(range(0, len(order), 40), itertools.cycle((one, other))):
            writer.ingest_documents(order[start : start + 40])
        for name, writer in zip(sorted(gone), itertools.cycle((one, other))):
            writer.delete(name)
        found = neighbourhoods(one)
        n_noted = sum(len(pushes.numbers) for pushes in one._relating.rows.pushes())
        assert related(one) == expected_relations
        assert stories(one) == expected_stories
    assert n_noted <= 300 if most_noted == 300 else n_noted > 300  # or this would have tested nothing
    assert found.keys() == expected.keys()
    for name, rows in expected.items():
        np.testing.assert_allclose(found[name], rows, atol=1e-6, err_msg=name)
