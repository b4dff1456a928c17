"""Words from installed dictionaries as training pairs, and fewer dimensions for a table."""

from __future__ import annotations

import lzma
import math
import sqlite3
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer
from untaught import untaught_pairs, untaught_side

from align.embedding import SHIPPED_MODEL, StaticEncoder
from training.dictionaries import inflected, names, plain, words, write
from training.prepare import Side
from training.reduction import most_used, principal, respelt
from training.segmentation import joined
from training.vocabulary import with_words


@pytest.mark.parametrize(
    ("word", "part_of_speech", "forms"),
    [
        ("落ち込む", "Godan verb with 'mu' ending", ("落ち込んで", "落ち込んだ", "落ち込みます", "落ち込まない")),
        ("書く", "Godan verb with 'ku' ending", ("書いて", "書いた", "書きます", "書かない")),
        ("始める", "Ichidan verb", ("始めて", "始めた", "始めます", "始めない")),
        ("高い", "adjective (keiyoushi)", ("高く", "高かった", "高くない")),
        ("選挙", "noun (common) (futsuumeishi)", ()),
    ],
)
def test_verbs_and_adjectives_come_in_the_forms_of_sentences(
    word: str, part_of_speech: str, forms: tuple[str, ...]
) -> None:
    """Each class of words ends as its grammar says, and what does not change has no other form."""
    assert inflected(word, part_of_speech) == forms


def test_a_gloss_is_what_a_sentence_would_say() -> None:
    """Remarks in brackets and the "to" of verbs go; what only begins with "to" stays."""
    assert plain("to fall into (e.g. a hole)") == "fall into"
    assert plain("today (archaic)") == "today"


def test_endings_of_japanese_words_stay_together() -> None:
    """Words are parted, a chain of particles and auxiliaries is not, and nothing is lost."""
    words = [("落ち込ん", "動詞", "一般"), ("で", "助詞", "接続助詞"), ("い", "動詞", "非自立可能"), ("た", "助動詞", "*"), ("首相", "名詞", "普通名詞"), ("と", "助詞", "格助詞")]  # fmt: skip
    assert joined(words) == "落ち込ん でいた 首相 と"


def test_frequent_japanese_words_become_pieces_in_place_of_the_rarest() -> None:
    """As many pieces as before; words seen often come in, the rarest longer pieces go, single characters and the unknown stay."""
    pieces = [("<unk>", 0.0), ("会", -3.0), ("見", -3.0), ("▁the", -2.0), ("▁zaburo", -12.0), ("q", -13.0)]
    found = with_words(pieces, Counter({"会見": 60, "は": 900, "消費税": 3, "▁press": 50}))
    assert [piece for piece, _ in found] == ["<unk>", "会", "見", "▁the", "q", "会見"]
    share = 2 * math.exp(-3.0)
    assert found[-1][1] == pytest.approx(math.log(share * 60 / 1013))


@pytest.fixture
def dictionary() -> sqlite3.Connection:
    """Two words and three names in the tables of the dictionary's package."""
    database = sqlite3.connect(":memory:")
    database.executescript(
        """
        CREATE TABLE Kanji (ID, idseq, text); CREATE TABLE Kana (ID, idseq, text);
        CREATE TABLE KJI (kid, text); CREATE TABLE KJP (kid, text); CREATE TABLE KNP (kid, text);
        CREATE TABLE Sense (ID, idseq); CREATE TABLE misc (sid, text); CREATE TABLE pos (sid, text);
        CREATE TABLE SenseGloss (sid, lang, text);
        INSERT INTO Kanji VALUES (1, 10, '書く'), (2, 10, '斯く'), (3, 11, '古語');
        INSERT INTO KJI VALUES (2, 'word containing out-dated kanji'); INSERT INTO KJP VALUES (1, 'news1');
        INSERT INTO Sense VALUES (100, 10), (101, 11); INSERT INTO misc VALUES (101, 'archaism');
        INSERT INTO pos VALUES (100, 'Godan verb with ''ku'' ending');
        INSERT INTO SenseGloss VALUES (100, 'eng', 'to write'), (101, 'eng', 'old word');
        CREATE TABLE NEKanji (ID, idseq, text); CREATE TABLE NEKana (ID, idseq, text);
        CREATE TABLE NETranslation (ID, idseq); CREATE TABLE NETransType (tid, text);
        CREATE TABLE NETransGloss (tid, text);
        INSERT INTO NEKanji VALUES (1, 20, '伊藤'), (2, 21, '井上');
        INSERT INTO NEKana VALUES (1, 20, 'いとう'), (2, 21, 'いのうえ'), (3, 22, 'カリフォルニア');
        INSERT INTO NETranslation VALUES (1, 20), (2, 21), (3, 22);
        INSERT INTO NETransType VALUES (1, 'surname'), (2, 'surname'), (3, 'place');
        INSERT INTO NETransGloss VALUES (1, 'Itou'), (2, 'Inoue'), (3, 'California (state)');
        """
    )
    return database


def test_words_out_of_use_are_left_out_and_the_rest_come_in_all_their_forms(
    dictionary: sqlite3.Connection, tmp_path: Path
) -> None:
    """What goes into the files is one line a pair: the word, and beside it its forms; neither old words nor old spellings."""
    write(words(dictionary), tmp_path)
    files = {path.name: lzma.decompress(path.read_bytes()).decode() for path in tmp_path.glob("*.xz")}
    assert files == {
        "jmdict_common.en-ja.tsv.xz": "write\t書く\n",
        "jmdict_inflected.en-ja.tsv.xz": "write\t書いて\nwrite\t書いた\nwrite\t書きます\nwrite\t書かない\n",
    }


def test_names_are_written_as_newspapers_write_them(dictionary: sqlite3.Connection) -> None:
    """Long vowels are short in Latin letters, Inoue stays, and a name without kanji comes in kana."""
    assert list(names(dictionary)) == [
        ("jmnedict_surname.en-ja", "Ito", "伊藤"),
        ("jmnedict_surname.en-ja", "Inoue", "井上"),
        ("jmnedict_place.en-ja", "California", "カリフォルニア"),
    ]


def test_the_principal_dimensions_keep_the_cosines() -> None:
    """A table that varies in 8 directions only loses nothing when 8 dimensions of 32 are kept."""
    chance = np.random.default_rng(4)
    table = (chance.normal(size=(100, 8)) @ chance.normal(size=(8, 32))).astype(np.float32)
    side = untaught_side(chance.integers(0, 100, 600).astype(np.int32), np.arange(0, 601, 6))
    pairs = untaught_pairs(side, side)
    kept = table @ principal(table, pairs, 8, evenness=0.0, seed=1)
    assert kept.shape == (100, 8)
    np.testing.assert_allclose(kept @ kept.T, table @ table.T, rtol=1e-3, atol=1e-2)


def test_a_smaller_vocabulary_spells_what_it_lost_by_parts() -> None:
    """The pieces used most stay with the bytes, and training's pairs become what the smaller tokenizer reads, text for text."""
    whole = Tokenizer.from_file(str(SHIPPED_MODEL / "tokenizer.json"))
    texts = [
        "Die Hafenarbeiter streiken.",
        "Il porto resta chiuso.",
        "港湾労働者がストライキを始めた。",
        "The port is shut.",
    ] * 2
    encoded = [whole.encode(text, add_special_tokens=False).ids for text in texts]
    flat = np.array([number for ids in encoded for number in ids], dtype=np.int32)
    side = untaught_side(flat, np.cumsum([0, *map(len, encoded)]))
    pairs = untaught_pairs(side, side)
    enough, same = most_used(whole, pairs, whole.get_vocab_size())
    assert enough.to_str() == whole.to_str()
    assert len(same) == whole.get_vocab_size()
    everything, numbers = most_used(whole, pairs, 12_000)
    assert everything.get_vocab_size() == 12_000
    assert set(flat.tolist()) <= set(numbers.tolist())
    bare, numbers = most_used(whole, replace(pairs, source=_first(side), target=_first(side)), 8_000)
    read = respelt(pairs, whole, bare, numbers).source
    for number, text in enumerate(texts):
        ids = read.tokens[read.starts[number] : read.starts[number + 1]]
        spelt = [bare.id_to_token(one) for one in ids]
        assert "".join(spelt) == "".join(bare.encode(text, add_special_tokens=False).tokens)


def _first(side: Side) -> Side:
    """The first text alone."""
    return untaught_side(side.tokens[: side.starts[1]], side.starts[:2])


def test_names_meet_across_scripts() -> None:
    """A name in kanji or kana lies nearest to the same name in Latin letters, among names of its kind."""
    latin = ["Takaichi", "Ishiba", "Kishida", "California", "Texas", "Hokkaido"]
    japanese = ["高市", "石破", "岸田", "カリフォルニア", "テキサス", "北海道"]
    encoder = StaticEncoder(SHIPPED_MODEL)
    cosines = encoder.encode(latin) @ encoder.encode(japanese).T
    assert cosines.argmax(axis=1).tolist() == list(range(len(latin)))
