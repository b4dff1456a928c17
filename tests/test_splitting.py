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
        ("en", ["The price, i.e. the fee, is approx. 5 dollars.", "Gov. Lee met Sen. Ray at 10 a.m. Monday."]),
        ("en", ['"I don\'t know. Maybe," he said.', "Wait... what?", "Then he left…", "Nobody spoke."]),
        (
            "en",
            [
                "He said: \"They told us 'no. never.' and left.\"",
                "The U.S. and the U.K. signed in Washington, D.C., on Dec. 3.",
            ],
        ),
        ("en", ["He lives in the U.S.", "The army moved."]),
        (
            "de",
            [
                "Der 1. FC Köln spielt am 3. Oktober gegen den 2. Sieger.",
                "Das war z. B. im 19. Jahrhundert.",
                "Dr. Müller kam um 8.30 Uhr.",
            ],
        ),
        (
            "de",
            [
                "„Das ist gut. Sehr gut.“, sagte er.",
                "Er wurde 2.",
                "Danach kam der 3. Mann.",
                "Es gab u. a. Kritik vom Abg. Schulz.",
            ],
        ),
        (
            "de",
            ["Die Firma (ca. 300 Mitarbeiter) ist lt. Angaben pleite.", "Am 5. 3. 2024 war es so weit … oder nicht."],
        ),
        (
            "it",
            [
                "L'art. 3 della legge n. 104 vale.",
                "Il dott. Bianchi e la sig.ra Verdi ci sono.",
                "Nel 50 a. C. era così.",
            ],
        ),
        (
            "it",
            [
                "«Non so. Forse», ha detto il presidente.",
                "Costa 3.500 euro, ecc. ecc. e basta.",
                "La S.p.A. di Torino... non risponde.",
            ],
        ),
        ("ja", ["「行きます。必ず。」と述べた。", "彼は『「はい。」と言え。』と命じた。", "そうか……。", "だが…違う。"]),
        (
            "ja",
            [
                "価格は3.5倍になった（前年比。過去最高）。",
                "本当か？",
                "「やめろ！」と叫んだ。",
                "「賛成です。」",
                "議長はそう答えた。",
            ],
        ),
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


@pytest.mark.parametrize("lang", ["en", "de", "it", "ja"])
def test_a_headline_without_a_full_stop_stands_alone(lang: str) -> None:
    """A line is never run together with the next, whatever it ends with."""
    text = "3,5 Mio.\nNov. 25\nDer 1.\n速報"
    assert [text[start:end] for start, end in split_sentences(text, lang)] == text.split("\n")
