"""Language identification on short, name-laden and foreign text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from align.language import identify_language


@pytest.mark.parametrize(
    ("text", "lang"),
    [
        ("Takaichi und Trump halten erstes Gipfeltreffen in Tokio ab", "de"),
        ("Merz trifft Meloni", "de"),
        ("Takaichi and Trump hold first summit in Tokyo", "en"),
        ("China and Japan, With Trump in the Middle, Are in a Showdown", "en"),
        ("Meloni a Tokyo: vertice con Takaichi", "it"),
        ("Sciopero dei treni, caos a Milano", "it"),
        ("日米首脳会談", "ja"),
        ("高市首相訪米", "ja"),
        ("日本銀行金融政策決定会合", "ja"),
        ("トランプ氏、4月に訪中へ", "ja"),
    ],
)
def test_headlines_full_of_foreign_names(text: str, lang: str) -> None:
    """A headline is recognised although half of its words are names."""
    assert identify_language(text)[0] == lang


@pytest.mark.parametrize(
    ("text", "lang"),
    [
        ("Le président Macron rencontre Takaichi à Tokyo", "fr"),
        ("El presidente se reúne con Takaichi", "es"),
        ("中国外交部发言人林剑主持例行记者会", "zh"),
        ("台灣總統賴清德訪美", "zh"),
        ("한국 대통령 도쿄 방문", "ko"),
        ("Путин встретился с Си", "ru"),
    ],
)
def test_other_languages_are_not_forced_into_the_four(text: str, lang: str) -> None:
    """French, Spanish, Chinese and others keep their own codes."""
    assert identify_language(text)[0] == lang


@pytest.mark.parametrize("text", ["", "   ", "12 345", "— … !", "Tokyo"])
def test_what_shows_no_language_is_undetermined(text: str) -> None:
    """Numbers, signs and a bare place name are in no language."""
    assert identify_language(text)[0] == "und"


@given(st.text(max_size=300))
def test_any_text_gets_a_code_and_a_confidence(text: str) -> None:
    """Whatever the text, the answer is a code and a number from 0 to 1."""
    code, confidence = identify_language(text)
    assert code
    assert 0.0 <= confidence <= 1.0
