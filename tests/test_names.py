"""Names in aligned sentences: across scripts, missing, or another's."""

from __future__ import annotations

import itertools
import tomllib
from pathlib import Path

import pytest

from align.differences import differences
from align.embedding import StaticEncoder
from align.names import NameReader, compare_names, consonants
from align.places import name_elsewhere
from align.sentences import Alignment, Bead

# Two sentences in two languages, and what comparing their names says: verdict, and how each side writes it.
CASES = [
    (
        ("en", "On Tuesday Prime Minister Sanae Takaichi met Donald Trump."),
        ("ja", "火曜日、高市早苗首相はトランプ大統領と会談した。"),
        [("agree", "Sanae Takaichi", "高市早苗"), ("agree", "Donald Trump", "トランプ")],
    ),
    (
        ("de", "Kanzler Merz traf Präsident Macron."),
        ("ja", "メルツ首相がマクロン大統領と会った。"),
        [("agree", "Merz", "メルツ"), ("agree", "Macron", "マクロン")],
    ),
    (
        ("it", "Il ministro Matteo Salvini ha visitato Milano."),
        ("de", "Der Minister Matteo Salvini besuchte Mailand."),
        [("agree", "Matteo Salvini", "Salvini"), ("agree", "Milano", "Mailand")],
    ),
    (
        ("en", "The strike was called by Giorgio Airaudo of the union."),
        ("de", "Die Gewerkschaft rief zum Streik auf."),
        [("missing", "Giorgio Airaudo", None)],
    ),
    (
        ("ja", "山田太郎氏が会見した。"),
        ("en", "A spokesman spoke to the press."),
        [("missing", "山田太郎", None)],
    ),
    (
        ("en", "Chancellor Friedrich Merz said talks would go on."),
        ("de", "Bundeskanzler Olaf Scholz sagte, die Gespräche gingen weiter."),
        [("contradict", "Friedrich Merz", "Olaf Scholz")],
    ),
    (
        ("en", "On Tuesday the prime minister met Donald Trump."),
        ("ja", "火曜日、首相はバイデン大統領と会談した。"),
        [("contradict", "Donald Trump", "バイデン")],
    ),
    (
        ("it", "Venerdì la delegazione è arrivata a Napoli."),
        ("de", "Am Freitag traf die Delegation in Neapel ein."),
        [("agree", "Napoli", "Neapel")],
    ),
    (
        ("it", "La squadra ha vinto a Monaco di Baviera."),
        ("ja", "チームはミュンヘンで勝った。"),
        [("agree", "Monaco di Baviera", "ミュンヘン")],
    ),
    (
        ("en", "On Friday the delegation travelled to Gdansk."),
        ("it", "Venerdì la delegazione è arrivata a Breslavia."),
        [("contradict", "Gdansk", "Breslavia")],
    ),
    (
        ("en", "In the evening the rescuers flew to Sardinia."),
        ("it", "In serata i soccorritori hanno raggiunto Paola Nardinocchi."),
        [("missing", "Sardinia", None), ("missing", None, "Paola Nardinocchi")],
    ),
    (
        ("en", "Meridian Line, which runs three terminals, offered less."),
        ("ja", "3つのターミナルを運営するメリディアン・ラインの提示は少ない。"),
        [("agree", "Meridian Line", "メリディアン・ライン")],
    ),
    (("de", "Die Fähre sank am Dienstag im Hafen."), ("it", "Il traghetto è affondato martedì nel porto."), []),
]


@pytest.mark.parametrize(("a", "b", "expected"), CASES)
def test_names_agree_are_missing_or_contradict(
    a: tuple[str, str], b: tuple[str, str], expected: list[tuple[str, str | None, str | None]], encoder: StaticEncoder
) -> None:
    """A name is found in the other script and language; what is not there is missing; one against one contradicts."""
    readers = NameReader([a[1]], a[0], encoder), NameReader([b[1]], b[0], encoder)
    found = compare_names(0, ((0,), (0,)), readers)
    assert [(entry.verdict, entry.a, entry.b) for entry in found] == expected


@pytest.mark.parametrize(
    ("latin", "katakana"),
    [("Salvini", "サルヴィーニ"), ("Trump", "トランプ"), ("Meridian", "メリディアン"), ("Hamburg", "ハンブルク")],
)
def test_katakana_has_the_consonants_of_the_name(latin: str, katakana: str) -> None:
    """A name that no model has seen is still known by its consonants."""
    assert consonants(latin) == consonants(katakana)


def test_a_name_said_in_the_next_sentence_is_not_missing(encoder: StaticEncoder) -> None:
    """What stands nearby on the other side is not called missing."""
    a = ("The mayor spoke.", "The union of Giorgio Airaudo agreed.")
    b = ("Der Bürgermeister und Giorgio Airaudo sprachen.", "Die Gewerkschaft stimmte zu.")
    beads = (Bead((0,), (0,), 1.0), Bead((1,), (1,), 1.0))
    assert differences(Alignment(("en", "de"), a, b, beads, ()), encoder).names == ()


def test_a_missing_name_is_said_in_plain_words(encoder: StaticEncoder) -> None:
    """The list names the version that leaves a name out."""
    a, b = ("The strike was called by Giorgio Airaudo.",), ("Die Gewerkschaft rief zum Streik auf.",)
    found = differences(Alignment(("en", "de"), a, b, (Bead((0,), (0,), 1.0),), ()), encoder)
    assert found.summary == ("The German version leaves out the name Giorgio Airaudo",)


def test_places_are_known_by_all_their_names() -> None:
    """Every row of the table has a name in each language, and each is found in a sentence of the others."""
    table = tomllib.loads((Path(__file__).parent.parent / "align" / "places.toml").read_text(encoding="utf-8"))["place"]
    around = {"en": "to {}.", "de": "nach {}.", "it": "a {}.", "ja": "昨日{}で"}
    for row in table:
        assert set(row) == set(around)
        for lang, other in itertools.permutations(around, 2):
            for name, written in itertools.product(row[lang].split("/"), row[other].split("/")):
                assert name_elsewhere(name, lang, around[other].format(written), other), (name, written)
