"""The way from pairs to a model folder, on a handful of pairs made here."""

from __future__ import annotations

import lzma
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT

from align.embedding import StaticEncoder
from training.pairs import Decontamination, corpora, evaluation_sides, read_pairs

NOUNS = [("house", "Haus"), ("river", "Fluss"), ("bridge", "Brücke"), ("mountain", "Berg"), ("garden", "Garten"), ("letter", "Brief"), ("window", "Fenster"), ("winter", "Winter"), ("summer", "Sommer"), ("street", "Straße")]  # fmt: skip
VERBS = [("is old", "ist alt"), ("is new", "ist neu"), ("is small", "ist klein"), ("is far away", "ist weit weg"), ("was closed", "wurde geschlossen"), ("was found", "wurde gefunden"), ("is expensive", "ist teuer"), ("has changed", "hat sich verändert")]  # fmt: skip


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Eighty pairs of two languages, one of them contaminated, and an evaluation set that holds it."""
    pairs = [f"The {noun} {verb}.\tDer {nomen} {verbum}.\n" for noun, nomen in NOUNS for verb, verbum in VERBS]
    with lzma.open(tmp_path / "toy.en-de.tsv.xz", "wt", encoding="utf-8") as handle:
        handle.writelines([*pairs, pairs[0], "one column only\n"])
    (tmp_path / "eval").mkdir()
    (tmp_path / "eval" / "set.tsv").write_text("en\tde\nTHE HOUSE, is old!\tetwas anderes\n", encoding="utf-8")
    (tmp_path / "settings.toml").write_text("default = 3.0\n[weight]\n", encoding="utf-8")
    return tmp_path


def test_pairs_that_share_a_side_with_an_evaluation_set_are_dropped(data: Path) -> None:
    """Case and punctuation do not hide a contaminated pair; repeated and malformed ones go too, and all are counted."""
    count = Decontamination()
    (corpus,) = corpora(data, data / "settings.toml")
    kept = list(read_pairs(corpus, evaluation_sides(data / "eval"), set(), count))
    assert len(kept) == 79
    assert not any(source == "The house is old." for source, _ in kept)
    assert (count.read, count.contaminated, count.malformed, count.repeated) == (82, 2, 1, 0)


def test_training_gives_a_model_folder_and_gives_it_again(data: Path) -> None:
    """One command makes a folder that both readers load alike; the same pieces and seed make the same vectors."""
    vectors = []
    for run in ("first", "second"):
        arguments = ["--data", data, "--evaluation", data / "eval", "--settings", data / "settings.toml", "--work", data / "work", "--out", data / run, "--vocabulary", "700", "--characters", "100000", "--dimensions", "16", "--epochs", "3", "--batch", "64"]  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-m", "training", *map(str, arguments)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        assert done.returncode == 0, done.stderr
        vectors.append(StaticEncoder(data / run).encode(["The bridge was closed.", "Die Brücke wurde geschlossen."]))
    np.testing.assert_array_equal(vectors[0], vectors[1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from sentence_transformers import SentenceTransformer

        theirs = SentenceTransformer(str(data / "first"), device="cpu").encode(
            ["The bridge was closed.", "Die Brücke wurde geschlossen."]
        )
    np.testing.assert_allclose(vectors[0], theirs, atol=1e-5)
    assert "Decontamination" in (data / "first" / "README.md").read_text(encoding="utf-8")
