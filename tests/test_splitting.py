"""Sentences end where a reader would end them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from align.splitting import split_sentences


@pytest.mark.parametrize(
    ("lang", "sentences"),
    [
        (
            "en",
            ["The U.S. President met Mr. Xi on Nov. 25 in Busan.", '"We will see," he said.', "It cost $3.5 million."],
        ),
        ("de", ["Der 1. FC Köln gewann am 3. Oktober z. B. gegen Bayern.", "Rund 1,5 Mio. Euro kostete es."]),
        ("it", ["Il sig. Rossi ha citato l'art. 3 della legge.", "Costa 3,5 mln. di euro.", "È finita."]),
        ("ja", ["高市首相は「台湾は重要だ。守る。」と述べた。", "中国は反発した！"]),
    ],
)
def test_abbreviations_and_quotes_end_no_sentence(lang: str, sentences: list[str]) -> None:
    """Full stops of abbreviations, ordinals and quotations inside a sentence do not end it."""
    text = ("" if lang == "ja" else " ").join(sentences)
    assert [text[start:end] for start, end in split_sentences(text, lang)] == sentences


@given(st.text(max_size=300), st.sampled_from(["en", "de", "it", "ja", "fr", "und"]))
def test_every_character_is_in_one_sentence(text: str, lang: str) -> None:
    """Offsets are in order, do not overlap, and leave out white space alone."""
    spans = split_sentences(text, lang)
    covered = set()
    for start, end in spans:
        assert text[start:end].strip()
        assert covered.isdisjoint(range(start, end))
        covered.update(range(start, end))
    assert spans == sorted(spans)
    assert all(text[place].isspace() for place in range(len(text)) if place not in covered)
