"""The shipped model, read by our reader and by sentence-transformers."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from align.embedding import CONTEXTUAL_MODEL, SHIPPED_MODEL, StaticEncoder, load_encoder
from align.errors import InputError

TEXTS = [
    "Dockers in Hamburg have called a two-day strike.",
    "Die Hafenarbeiter in Hamburg haben einen zweitägigen Streik ausgerufen.",
    "I portuali di Amburgo hanno proclamato uno sciopero di due giorni.",
    "ハンブルクの港湾労働者が2日間のストライキを宣言した。",
    "ก ⁂ 𓀀",
    "word " * 5000,
]


def test_the_light_reader_gives_the_vectors_of_sentence_transformers(encoder: StaticEncoder) -> None:
    """The light reader's vectors are exact to the sixth decimal, and SentenceTransformer(folder)'s are the same, as exactly as torch adds up 5,000 words."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from sentence_transformers import SentenceTransformer

        theirs = SentenceTransformer(str(SHIPPED_MODEL), device="cpu").encode(TEXTS, normalize_embeddings=True)
    sums = np.stack([encoder.rows(ids).astype(np.float64).sum(axis=0) for ids in encoder.token_ids(TEXTS)])
    exact = sums / np.linalg.norm(sums, axis=1, keepdims=True)
    np.testing.assert_allclose(encoder.encode(TEXTS), exact, atol=1e-6)
    np.testing.assert_allclose(theirs[:-1], exact[:-1], atol=1e-6)
    np.testing.assert_allclose(theirs[-1], exact[-1], atol=2e-5)


def test_translations_are_nearer_than_other_sentences(encoder: StaticEncoder) -> None:
    """A sentence's translations are nearer to it than a sentence on the same subject that says something else."""
    other = encoder.encode(["The port of Hamburg reported record profits for the shipping year."])[0]
    vectors = encoder.encode(TEXTS[:4])
    for translation in vectors[1:]:
        assert float(vectors[0] @ translation) > float(vectors[0] @ other)


@given(
    st.lists(
        st.text(min_size=1, max_size=60).filter(
            lambda text: text.strip(" \u3000") and any(not c.isspace() for c in text)
        ),
        min_size=1,
        max_size=5,
    )
)
def test_every_text_has_a_vector_of_unit_length(texts: list[str]) -> None:
    """Whatever a text is made of, its vector has length 1, or the text is refused by name."""
    reader = load_encoder()
    try:
        vectors = reader.encode(texts)
    except InputError as error:
        assert "no vector" in str(error)  # noqa: PT017 - either outcome is right
    else:
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-4)


def test_a_batch_is_its_texts_one_by_one(encoder: StaticEncoder) -> None:
    """Vectors do not depend on what else is in the batch."""
    many = [f"{text} {number}" for number in range(300) for text in TEXTS[:4]]
    np.testing.assert_allclose(encoder.encode(many)[777], encoder.encode([many[777]])[0], atol=1e-6)


def test_a_blank_text_is_refused(encoder: StaticEncoder) -> None:
    """A blank text has no vector, and the message says which it was."""
    with pytest.raises(InputError, match="text 2 of 3 is blank"):
        encoder.encode(["a", "  ", "b"])


def test_commands_do_not_import_torch() -> None:
    """Reading the model and embedding a text imports neither torch nor sentence-transformers."""
    code = "import sys; from align.embedding import load_encoder; load_encoder().encode(['a']); print('torch' in sys.modules, 'sentence_transformers' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["False", "False"]


@pytest.mark.parametrize(
    "texts",
    [
        ("The dog bit the man.", "The man bit the dog."),
        ("Germany beat Italy two to one.", "Italy beat Germany two to one."),
        ("The minister accused the company of fraud.", "The company accused the minister of fraud."),
    ],
)
def test_word_order_counts_in_the_second_tier_alone(encoder: StaticEncoder, texts: tuple[str, str]) -> None:
    """Who did it to whom is one vector to the sum of token vectors, and two to the contextual tier: a thousandth, where rounding is a millionth."""
    static, contextual = encoder.encode(texts), load_encoder(CONTEXTUAL_MODEL.name).encode(texts)
    assert float(static[0] @ static[1]) > 0.999999
    assert float(contextual[0] @ contextual[1]) < 0.999


def test_the_second_tiers_batch_is_its_texts_one_by_one() -> None:
    """The contextual tier's vectors have length 1 and do not depend on what else is in the batch, long and odd texts included."""
    contextual = load_encoder(CONTEXTUAL_MODEL.name)
    many = [f"{text} {number}" for number in range(300) for text in TEXTS[:4]] + TEXTS
    vectors = contextual.encode(many)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-4)
    for place in (0, 777, len(many) - 2, len(many) - 1):
        np.testing.assert_allclose(vectors[place], contextual.encode([many[place]])[0], atol=1e-6)


def test_the_model_folders_are_small_enough_to_ship() -> None:
    """Both tiers together stay under 32 MB."""
    folders = (SHIPPED_MODEL, CONTEXTUAL_MODEL)
    assert sum(path.stat().st_size for folder in folders for path in folder.rglob("*") if path.is_file()) <= 32e6


def test_any_sentence_transformers_model_is_taken_by_path(tmp_path: Path) -> None:
    """A model that the light reader does not know goes through sentence-transformers, with its own vectors."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from sentence_transformers import SentenceTransformer
        from sentence_transformers.sentence_transformer.modules import Dense, Normalize, StaticEmbedding
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(SHIPPED_MODEL / "tokenizer.json"))
        model = SentenceTransformer(
            modules=[StaticEmbedding(tokenizer, embedding_dim=8), Dense(8, 6), Normalize()], device="cpu"
        )
        model.save(str(tmp_path / "tiny"))
        found = load_encoder(str(tmp_path / "tiny"))
        assert not isinstance(found, StaticEncoder)
        assert found.dimension == 6
        np.testing.assert_allclose(found.encode(TEXTS[:4]), model.encode(TEXTS[:4]), atol=1e-5)
        assert found.fingerprint == load_encoder(str(tmp_path / "tiny")).fingerprint


def test_a_model_that_is_not_there_is_named(tmp_path: Path) -> None:
    """A wrong model name ends in one message with the name in it."""
    with pytest.raises(InputError, match="no-such-model"):
        load_encoder(str(tmp_path / "no-such-model"))
