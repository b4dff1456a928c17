"""The bundled stories: what they promise to be, and what samestory makes of them."""

from __future__ import annotations

import json
import tomllib
from collections import defaultdict
from pathlib import Path

import pytest
from conftest import ROOT

from align.embedding import StaticEncoder
from align.evaluation import evaluate_stories, expected_stories
from align.measures import b_cubed
from align.pipeline import Pipeline
from align.relations import Kind

SEEDS = ROOT / "seeds"


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    """Every bundled item as it is written."""
    return [
        json.loads(line)
        for path in sorted(SEEDS.glob("*.jsonl"))
        for line in path.read_text(encoding="utf-8").splitlines()
    ]


def test_the_corpus_is_as_large_and_varied_as_it_says(rows: list[dict[str, str]]) -> None:
    """At least 60 stories, 40 of them in all four languages, in at least 10 topics of four or more stories."""
    langs: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        langs[row["id"].split(".")[0]].add(row["lang"])
    topics: dict[str, set[str]] = defaultdict(set)
    for story in langs:
        topics[story.rsplit("-", 1)[0]].add(story)
    assert len(langs) >= 60
    assert sum(len(found) == 4 for found in langs.values()) >= 40
    assert all(len(found) >= 2 for found in langs.values())
    assert sum(len(stories) >= 4 for stories in topics.values()) >= 10


def test_texts_have_the_length_of_a_short_report(rows: list[dict[str, str]]) -> None:
    """Full versions have 80 to 250 words; Japanese ones 160 to 650 characters."""
    for row in rows:
        if not row["id"].endswith(".excerpt"):
            length = len(row["text"]) if row["lang"] == "ja" else len(row["text"].split())
            assert (160 <= length <= 650) if row["lang"] == "ja" else (80 <= length <= 250), (row["id"], length)


def test_expected_toml_names_every_item_once(rows: list[dict[str, str]]) -> None:
    """The readable file of expectations and the stories are about the same items."""
    assert sorted(expected_stories(SEEDS / "expected.toml")) == sorted(row["id"] for row in rows)


def test_every_item_is_in_its_language(tmp_path: Path, rows: list[dict[str, str]], encoder: StaticEncoder) -> None:
    """Without being told, samestory finds the language of every bundled text."""
    source = tmp_path / "rows.jsonl"
    source.write_text(
        "".join(json.dumps({"id": row["id"], "title": row["title"], "text": row["text"]}) + "\n" for row in rows),
        encoding="utf-8",
    )
    with Pipeline(tmp_path / "index", encoder) as pipeline:
        pipeline.ingest([source])
        assert {item.document: item.lang for item in pipeline.items()} == {row["id"]: row["lang"] for row in rows}


def test_the_expected_clusters_come_out(encoder: StaticEncoder) -> None:
    """B-cubed F1 of at least 0.95 on the bundled stories, precision of at least 0.98; nothing was fitted on them."""
    precision, _, f1 = evaluate_stories(encoder, SEEDS, "Bundled stories")
    assert f1.value >= 95.0
    assert precision.value >= 98.0


def test_copies_excerpts_and_updates_are_recognised(tmp_path: Path, encoder: StaticEncoder) -> None:
    """Of the expected relations at least nine in ten have the expected kind, and every one joins its two items."""
    expected = tomllib.loads((SEEDS / "expected.toml").read_text(encoding="utf-8"))["relations"]
    with Pipeline(tmp_path, encoder) as pipeline:
        pipeline.ingest([SEEDS])
        found = [
            pipeline.store.relation(pipeline.find(entry["a"]).id, pipeline.find(entry["b"]).id) for entry in expected
        ]
    assert all(relation is not None and relation.kind.joins for relation in found)
    hits = sum(
        relation is not None and relation.kind is Kind(entry["kind"])
        for relation, entry in zip(found, expected, strict=True)
    )
    assert hits >= 0.9 * len(expected)


def test_b_cubed_on_a_toy() -> None:
    """Two stories of two items, one item astray: the figures worked out by hand."""
    expected = {"a1": "a", "a2": "a", "b1": "b", "b2": "b"}
    assert b_cubed(expected, expected) == (1.0, 1.0, 1.0)
    precision, recall, _ = b_cubed({"a1": 1, "a2": 1, "b1": 1, "b2": 2}, expected)
    assert precision == pytest.approx((2 / 3 + 2 / 3 + 1 / 3 + 1) / 4)
    assert recall == pytest.approx((1 + 1 + 1 / 2 + 1 / 2) / 4)
