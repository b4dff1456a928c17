"""What two versions say differently: quantities by value, and what is left out or added."""

from __future__ import annotations

import itertools
import json
from collections import Counter

import pytest
from conftest import ROOT

from align.bead_scores import background
from align.differences import differences
from align.embedding import StaticEncoder
from align.quantities import quantities
from align.sentences import Alignment, Bead, align_sentences
from align.splitting import split_sentences

# Text, language, and the (value, unit) of each quantity in it, in order.
CASES = [
    ("About 12,000 people came.", "en", [(12_000, "")]),
    ("1.2万人が集まった。", "ja", [(12_000, "")]),
    ("Rund 12.000 Menschen kamen.", "de", [(12_000, "")]),
    ("Sono venute circa 12.000 persone.", "it", [(12_000, "")]),
    ("It costs 340 million euros.", "en", [(340e6, "EUR")]),
    ("Es kostet 340 Millionen Euro.", "de", [(340e6, "EUR")]),
    ("Costa 340 milioni di euro.", "it", [(340e6, "EUR")]),
    ("費用は3億4000万ユーロだ。", "ja", [(340e6, "EUR")]),
    ("The fund holds $3.4 billion.", "en", [(3.4e9, "USD")]),
    ("Der Fonds hält 3,4 Milliarden Dollar.", "de", [(3.4e9, "USD")]),
    ("Il fondo ha 3,4 miliardi di dollari.", "it", [(3.4e9, "USD")]),
    ("基金は34億ドルを持つ。", "ja", [(3.4e9, "USD")]),
    ("Prices rose 2.5 percent.", "en", [(2.5, "%")]),
    ("Die Preise stiegen um 2,5 Prozent.", "de", [(2.5, "%")]),
    ("I prezzi sono saliti del 2,5 per cento.", "it", [(2.5, "%")]),
    ("物価は2.5％上がった。", "ja", [(2.5, "%")]),
    ("They met on March 4.", "en", [(304, "date")]),
    ("They met on 4 March.", "en", [(304, "date")]),
    ("Sie trafen sich am 4. März.", "de", [(304, "date")]),
    ("Si sono incontrati il 4 marzo.", "it", [(304, "date")]),
    ("両者は3月4日に会った。", "ja", [(304, "date")]),
    ("17 were for it, 4 against it.", "en", [(17, ""), (4, "")]),
    ("Three of twelve ships wait.", "en", [(3, ""), (12, "")]),
    ("Drei der zwölf Schiffe warten.", "de", [(3, ""), (12, "")]),
    ("Tre navi su dodici aspettano.", "it", [(3, ""), (12, "")]),
    ("Nothing was counted.", "en", []),
]


@pytest.mark.parametrize(("text", "lang", "expected"), CASES)
def test_quantities_have_value_and_unit(text: str, lang: str, expected: list[tuple[float, str]]) -> None:
    """The same quantity has the same value and unit in every language."""
    found = [(quantity.value, quantity.unit) for quantity in quantities(text, lang)]
    assert found == [(pytest.approx(value), unit) for value, unit in expected]


def _pair(a: str, b: str, langs: tuple[str, str]) -> Alignment:
    return Alignment(langs, (a,), (b,), (Bead((0,), (0,), 1.0),), ())


def test_one_value_in_two_notations_agrees() -> None:
    """12,000 and 1.2万 are one value, and said to be."""
    found = differences(_pair("12,000 people came.", "1.2万人が集まった。", ("en", "ja")))
    assert found.summary == ("12,000 against 1.2万: agree",)


def test_another_value_contradicts_and_a_lone_one_is_missing() -> None:
    """17 against 18 contradicts; a percentage that only one side has is missing in the other."""
    found = differences(_pair("17 ships and 5 percent.", "18 Schiffe.", ("en", "de")))
    assert [(entry.verdict, entry.b is None) for entry in found.quantities] == [
        ("contradict", False),
        ("missing", True),
    ]


def test_a_sentence_left_out_is_named_and_lowers_coverage(encoder: StaticEncoder) -> None:
    """What the German version lacks is quoted; its own coverage stays whole."""
    a = ["The council voted to build a tidal barrier.", "Fishing crews had asked for a wider gate."]
    b = ["Der Rat stimmte für den Bau eines Sperrwerks."]
    found = differences(align_sentences(a, b, ("en", "de"), encoder))
    assert found.summary == (f"The German version leaves out: {a[1]}",)
    assert found.coverage[0] < found.coverage[1] == 1.0


def test_a_value_said_twice_on_one_side_is_not_missing_on_the_other() -> None:
    """A quantity that the other version has in another sentence neither contradicts nor is missing."""
    a, b = (
        ("A 48-hour strike begins.", "The strike of 48 hours affects 22 ships."),
        ("48時間のスト。", "22隻に影響する。"),
    )
    beads = (Bead((0,), (0,), 1.0), Bead((1,), (1,), 1.0))
    found = differences(Alignment(("en", "ja"), a, b, beads, ()))
    assert [entry.verdict for entry in found.quantities] == ["agree", "agree"]


def test_a_story_in_other_words_is_no_translation(encoder: StaticEncoder) -> None:
    """Sentence by sentence translations are full ones, or partial ones of a part; of reporters' versions of a story at most one in ten is taken for one."""
    texts = background()
    for lang in ("de", "it", "ja"):
        whole = align_sentences(texts["en"], texts[lang], ("en", lang), encoder)
        part = align_sentences(texts["en"], texts[lang][3:12], ("en", lang), encoder)
        assert (differences(whole).kind, differences(part).kind) == ("full_translation", "partial_translation")
    told = {}
    lines = itertools.chain.from_iterable(
        (ROOT / f"training/stories/{topic}.jsonl").read_text(encoding="utf-8").splitlines()
        for topic in ("airport-strike", "data-breach", "trade-tariffs", "volley-cup")
    )
    for line in lines:
        item = json.loads(line)
        lang = item["id"].split(".")[1]
        told[item["id"]] = [item["text"][start:end] for start, end in split_sentences(item["text"], lang)]
    kinds = Counter(
        differences(align_sentences(told[f"{story}.en"], told[f"{story}.{lang}"], ("en", lang), encoder)).kind
        for story, lang in itertools.product(sorted({name.split(".")[0] for name in told}), ("de", "it", "ja"))
        if f"{story}.en" in told and f"{story}.{lang}" in told
    )
    assert kinds.total() >= 50
    assert kinds["full_translation"] + kinds["partial_translation"] <= kinds.total() / 10, kinds
