"""Pages fall apart into their stories, without furniture."""

from __future__ import annotations

import pytest
from conftest import GERMAN_EDITION, page
from hypothesis import given
from hypothesis import strategies as st

from align.records import Document, Form
from align.segmenting import lines_of, segment, segment_texts


def texts(document: Document) -> list[tuple[str, str]]:
    """Title and body of each item of the document."""
    return segment_texts(document, segment(document))


def test_a_page_is_its_article_and_its_teasers() -> None:
    """An article and three teasers, one of them with a headline of its own, are four items."""
    found = texts(page(GERMAN_EDITION))
    assert [title for title, _ in found] == [
        "Harbour council approves tidal barrier after ten-year debate",
        "Reederei verlegt Fähren während der Bauarbeiten",
        "",
        "",
    ]
    assert [body.split()[0] for _, body in found] == ["The", "Die", "Fishing", "Il"]


@pytest.mark.parametrize(
    "furniture", ["Verwandte Artikel", "Von KI berichtet", "Bild generiert", "drone picture", "Cookies", "Ablehnen"]
)
def test_furniture_is_in_no_item(furniture: str) -> None:
    """Headings, captions, credits and the cookie notice are in no item's title or text."""
    assert not any(furniture in title or furniture in body for title, body in texts(page(GERMAN_EDITION)))


def test_offsets_slice_the_page() -> None:
    """Title and paragraphs are slices of the page, inside the item's start and end."""
    document = page(GERMAN_EDITION)
    for found, (title, body) in zip(segment(document), texts(document), strict=True):
        assert body == "\n".join(document.text[start:end] for start, end in found.paragraphs)
        assert not title or document.text[found.start :].startswith(title)
        assert all(found.start <= start < end <= found.end for start, end in found.paragraphs)


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        (
            "TOKYO / WASHINGTON, November 27, 2025 – The prime minister spoke by phone with the president.",
            "The prime minister",
        ),
        ("ROMA, 3 marzo (ANSA) - Il ministro ha firmato il decreto sulle coste e sui porti minori.", "Il ministro"),
        ("BERLIN (dpa/AFP) – Die Ministerin hat das Gesetz am Dienstag vorgestellt und verteidigt.", "Die Ministerin"),
        ("【東京＝山田太郎】外務省は三日、大使を呼んで説明を求めたと発表した。", "外務省は"),
    ],
)
def test_datelines_are_cut_off(line: str, kept: str) -> None:
    """Place, date and agency before the first sentence belong to no item."""
    ((_, body),) = texts(page(line))
    assert body.startswith(kept)


@pytest.mark.parametrize(
    "line",
    [
        "By Anna Keller and Tom Reed",
        "Nov. 25, 2025, 6:39 a.m. ET",
        "3 hours ago 4",
        "25. November 2025, 18.30 Uhr",
        "2025年11月25日 18:30",
        "Publié le 03 janvier 2024 à 08h12, modifié le 03 janvier 2024 à 19h44",
        "Publicado el 3 de enero de 2024 a las 10:12",
        "Por María López y Juan Ruiz",
        "Already a subscriber? Log in.",
        "Please enable JavaScript and disable your ad blocker to continue.",
        "この記事は会員限定です。ログインしてお読みください。",
        "Abbonati per leggere l'articolo completo: hai già un account? Accedi.",
        "Home > Politik > Ausland",
        "© 2025 Der Bote. Alle Rechte vorbehalten.",
        "Photo: Rita Moll/Reuters",
    ],
)
def test_single_lines_of_furniture(line: str) -> None:
    """A byline, a date, a paywall, a breadcrumb or a credit between two paragraphs is in no item."""
    above = (
        "The ferry company has cancelled all evening crossings until the end of the month, citing a shortage of crews."
    )
    below = "Passengers with season tickets will be paid back a third of the price, the company said on its website on Monday."
    ((_, body),) = texts(page(f"Ferries cancelled until the end of the month\n\n{above}\n\n{line}\n\n{below}"))
    assert body == f"{above}\n{below}"


def test_lines_that_other_pages_share_are_furniture() -> None:
    """A short sentence that many other pages hold is dropped; an agency text that others printed is not."""
    slogan = "The Harbour Post has told the stories of this coast since 1890."
    story = (
        "The ferry company has cancelled all evening crossings until the end of the month, citing a shortage of crews."
    )
    document = page(f"Ferries cancelled\n\n{story}\n\n{slogan}")
    seen_in = {slogan.lower(): 7}
    assert segment_texts(document, segment(document, seen_in))[0][1] == story
    everywhere = {slogan.lower(): 7, story.lower(): 7}
    assert segment_texts(document, segment(document, everywhere))[0][1] == f"{story}\n{slogan}"


def test_a_row_is_one_item_whatever_it_says() -> None:
    """Text that comes as a row is not searched for furniture: it is what the sender says it is."""
    document = Document("a", "a", Form.ARTICLE, "Titel\n\nVerwandte Artikel\n\nTeilen", "Titel")
    assert texts(document) == [("Titel", "Verwandte Artikel\n\nTeilen")]


def test_nothing_but_furniture_is_no_item() -> None:
    """A page of buttons holds no story."""
    assert segment(page("Teilen\n\nAblehnen\n\nImpressum\n")) == []


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=400))
def test_offsets_hold_for_any_text(text: str) -> None:
    """Whatever the page holds, spans lie inside it, in order, without white space at their ends."""
    document = page(text)
    for start, end in lines_of(text):
        assert text[start:end] == text[start:end].strip(" \t\r\xa0\u200b\u3000\ufeff") != ""
    for found in segment(document):
        assert all(0 <= start < end <= len(text) for start, end in found.paragraphs)
        assert list(found.paragraphs) == sorted(found.paragraphs)
