"""A draft that is not stored → the items that tell its story already."""

from __future__ import annotations

from dataclasses import dataclass

from align.errors import InputError
from align.language import identify_language
from align.records import Document, Form, Item, Variant
from align.segmenting import segment, segment_texts

DRAFT = "draft"


@dataclass(frozen=True)
class Match:
    """A variant of a draft, and the cluster it stands in."""

    variant: Variant
    cluster: str


@dataclass(frozen=True)
class Checked:
    """What is known of a draft: its item as it would be, and the items that tell its story, best first."""

    item: Item
    matches: tuple[Match, ...]


def draft_item(text: str, title: str = "", published: str | None = None) -> Item:
    """The item that a draft would be, read like a page: a first line shaped like a headline is its title.

    Raises InputError for a text without a word.
    """
    document = (
        Document(DRAFT, "-", Form.ARTICLE, f"{title}\n\n{text}", title, published=published)
        if title
        else Document(DRAFT, "-", Form.PAGE, text.replace("\r\n", "\n").replace("\r", "\n"))
    )
    segments = segment(document) if any(character.isalnum() for character in text) else []
    if not segments:
        raise InputError("the draft holds no story text; give at least a headline or a sentence")
    (title, body), *_ = segment_texts(document, segments[:1])
    lang, confidence = identify_language(f"{title}\n{body}" if title else body)
    found = segments[0]
    return Item(
        DRAFT, DRAFT, lang, confidence, title, body, None, None, published, found.start, found.end, found.paragraphs
    )
