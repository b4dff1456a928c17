"""Edited copies and excerpts are found, in all four languages, and three hundred copies are one story."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from conftest import ROOT

from align.embedding import StaticEncoder
from align.evaluation import story_texts
from align.pipeline import Pipeline
from align.planted_eval import edited, evaluate_planted, plant, words_of
from align.records import Document, Form

TEXTS = story_texts(ROOT / "seeds")


def test_the_same_seed_plants_the_same() -> None:
    """Planting is a program with a seed; a copy has at most 15 words in a hundred edited, an excerpt stands in its text."""
    planted = plant(TEXTS[:8], 5)
    assert planted == plant(TEXTS[:8], 5)
    assert planted != plant(TEXTS[:8], 6)
    texts = {document.name: document.text for document in planted.documents}
    for name, kind in planted.kinds.items():
        if kind == "excerpt" and not name.split(".")[1].startswith("ja"):
            assert len(texts[name].split()) >= 40
            assert " ".join(texts[name].split()) in " ".join(texts[planted.made_from[name]].split())


def test_planted_copies_and_excerpts_are_found(encoder: StaticEncoder) -> None:
    """Of the texts of four topics, every edited copy and excerpt is found, and nothing else is called one."""
    topics = ("port-strike", "lunar-mission", "chip-plant", "cup-football")
    texts = [item for item in TEXTS if item.id.startswith(topics)]
    copies, excerpts, precision = evaluate_planted(encoder, texts, "four topics")
    assert copies.value == excerpts.value == 100.0
    assert precision.value >= 99.0


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_three_hundred_copies_of_one_text_are_one_story(tmp_path: Path, encoder: StaticEncoder, lang: str) -> None:
    """An agency's text printed by three hundred papers, every other one with its own edits, is one cluster of three hundred."""
    text = next(item for item in TEXTS if item.id == f"port-strike-01.{lang}").text
    chance = random.Random(3)
    words = [word for item in TEXTS if item.lang == lang for word in words_of(item.text, lang) if word.isalnum()]
    rows = [
        Document(f"paper{number}", "made", Form.ARTICLE, text if number % 2 else edited(text, lang, words, chance), external_id=f"paper{number}")
        for number in range(300)
    ]  # fmt: skip
    with Pipeline(tmp_path, encoder) as pipeline:
        pipeline.ingest_documents(rows)
        assert [len(cluster.item_ids) for cluster in pipeline.clusters()] == [300]
