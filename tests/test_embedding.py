"""The shipped model, read by our reader and by sentence-transformers."""

from __future__ import annotations

import itertools
import subprocess
import sys
import warnings
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open

from align.embedding import CONTEXTUAL_MODEL, SHIPPED_MODEL, StaticEncoder, load_encoder
from align.errors import InputError
from align.token_table import LEVELS, Bigrams

TEXTS = [
    "Dockers in Hamburg have called a two-day strike.",
    "Die Hafenarbeiter in Hamburg haben einen zweitägigen Streik ausgerufen.",
    "I portuali di Amburgo hanno proclamato uno sciopero di due giorni.",
    "ハンブルクの港湾労働者が2日間のストライキを宣言した。",
    "ก ⁂ 𓀀",
    "word " * 5000,
]


def test_the_light_reader_gives_the_vectors_of_sentence_transformers(encoder: StaticEncoder) -> None:
    """SentenceTransformer(folder) gives the vectors of the light reader."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from sentence_transformers import SentenceTransformer

        theirs = SentenceTransformer(str(SHIPPED_MODEL), device="cpu", trust_remote_code=True)
    assert theirs.get_embedding_dimension() == encoder.dimension
    np.testing.assert_allclose(theirs.encode(TEXTS), encoder.encode(TEXTS), atol=1e-6)


def test_a_vector_is_made_of_tokens_bigrams_and_a_hidden_layer(encoder: StaticEncoder) -> None:
    """A text's vector is exact to the sixth decimal, of 5,000 words to the fifth: its token vectors, those of the bigrams that the model file names, wherever they stand, and the hidden layer."""
    with safe_open(str(SHIPPED_MODEL / "model.safetensors"), framework="numpy") as tensors:
        held = {name: tensors.get_tensor(name) for name in tensors.keys()}  # noqa: SIM118 - no dict
    counts, n_tokens = held["bigram_counts"].tolist(), encoder.tokenizer.get_vocab_size()
    distances = [distance for distance, count in enumerate(counts, 1) for _ in range(count)]
    row_of = {
        (first, second, distance): n_tokens + number
        for number, ((first, second), distance) in enumerate(zip(held["bigrams"].tolist(), distances, strict=True))
    }
    levels = LEVELS.tolist()
    for text in TEXTS:
        [ids] = encoder.token_ids([text])
        rows = ids + [
            row_of[ids[at], ids[at + distance], distance]
            for distance in (1, 2)
            for at in range(len(ids) - distance)
            if (ids[at], ids[at + distance], distance) in row_of
        ]
        total = np.zeros(encoder.dimension)
        for row, times in Counter(rows).items():
            values = [levels[half] for byte in held["embeddings"][row].tolist() for half in (byte & 15, byte >> 4)]
            total += times * float(held["weights"][row]) * np.array(values, dtype=np.float64)
        unit = total / np.linalg.norm(total)
        inward, outward = (held[name] * held[name + ".scale"].astype(np.float64) for name in ("hidden", "hidden_out"))
        vector = unit + np.maximum(unit @ inward + held["hidden_bias"], 0.0) @ outward
        exact = vector / np.linalg.norm(vector)
        np.testing.assert_allclose(encoder.encode([text])[0], exact, atol=1e-6 if len(ids) < 1000 else 1e-5)


def test_bigrams_do_not_reach_from_one_text_into_the_next() -> None:
    """Texts end to end have the bigrams that each has alone, and a text of one token has none."""
    bigrams = Bigrams(np.array([1, 2, 2, 1]), np.array([2, 1, 2, 1]), np.array([1, 1, 1, 2]), 3)
    rows, bounds = bigrams.joined(np.array([1, 2, 1, 2, 2]), np.array([0, 1, 4, 5]))
    found = [rows[start:end].tolist() for start, end in itertools.pairwise(bounds)]
    assert found == [[1], [2, 1, 2, 4, 3], [2]]
    with pytest.raises(InputError, match="share a place"):
        Bigrams(np.array([1, 1]), np.array([2, 2]), np.array([1, 1]), 3)


def test_sums_of_sentences_are_those_of_their_vectors(encoder: StaticEncoder) -> None:
    """A sum that is finished is the text's vector, with many texts as with few, and a text without a token has zeros."""
    ids, vectors = encoder.token_ids(TEXTS), encoder.encode(TEXTS)
    for many in (1, 100):
        sums = encoder.sums([*ids * many, []])
        found = encoder.finished(sums)[: len(TEXTS)]
        np.testing.assert_allclose(found[:-1], vectors[:-1], atol=1e-6)
        np.testing.assert_allclose(found[-1], vectors[-1], atol=2e-5)  # 5,000 words one after the other in float32
        assert not encoder.finished(sums)[-1].any()


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
    """Vectors do not depend, to the last bit, on what else is in the batch."""
    many = [f"{text} {number}" for number in range(300) for text in TEXTS[:4]] + TEXTS
    vectors = encoder.encode(many)
    for place in (0, 777, 1199, len(many) - 2, len(many) - 1):
        np.testing.assert_array_equal(vectors[place], encoder.encode([many[place]])[0])


def test_threads_do_not_disturb_one_another(encoder: StaticEncoder) -> None:
    """Texts that several threads encode at once have the vectors that they have alone."""
    batches = [[f"{text} {number}" for number in range(start, start + 100) for text in TEXTS[:4]] for start in range(8)]
    with ThreadPoolExecutor(4) as threads:
        for texts, vectors in zip(batches, threads.map(encoder.encode, batches), strict=True):
            np.testing.assert_array_equal(vectors, encoder.encode(texts))


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
    ("texts", "tiers"),
    [
        (("The dog bit the man.", "The man bit the dog."), 2),
        (("The minister accused the company of fraud.", "The company accused the minister of fraud."), 2),
        (("Germany beat Italy two to one.", "Italy beat Germany two to one."), 1),  # no frequent bigrams
    ],
)
def test_word_order_counts(encoder: StaticEncoder, texts: tuple[str, str], tiers: int) -> None:
    """Who did it to whom is two vectors to the contextual tier, and to the first one where the words often stand together: a thousandth apart, where rounding is a millionth."""
    for tier in (load_encoder(CONTEXTUAL_MODEL.name), encoder)[:tiers]:
        first, second = tier.encode(texts)
        assert float(first @ second) < 0.999


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
