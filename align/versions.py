"""An item, or a text file → its sentences in order, and two of them → their alignment."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from align.embedding import Encoder
from align.encodings import decode, unix_newlines
from align.errors import InputError
from align.language import identify_language
from align.quantities import Quantity, quantities
from align.records import Item
from align.sentences import Alignment, align_sentences
from align.splitting import split_sentences
from align.vectors import full_text, item_sentences

JAPAN = datetime.timezone(datetime.timedelta(hours=9))


@dataclass(frozen=True)
class Version:
    """One text in one language: its sentences, the `name` it is called by in outputs, and the day it was `published`."""

    name: str
    lang: str
    sentences: tuple[str, ...]
    published: datetime.date | None = None


def version_of_item(item: Item) -> Version:
    """The sentences of an item, its title first."""
    text = full_text(item)
    return Version(item.id, item.lang, tuple(text[start:end] for start, end in item_sentences(item)), local_day(item))


def quantities_of_item(item: Item, spans: Sequence[tuple[int, int]]) -> list[list[Quantity]]:
    """The quantities of each sentence of an item, the sentences being slices of ``full_text(item)``."""
    text, day = full_text(item), local_day(item)
    return [quantities(text[start:end], item.lang, day) for start, end in spans]


def local_day(item: Item) -> datetime.date | None:
    """The day that an item was published on where its readers are: Japan is nine hours ahead."""
    if item.published is None:
        return None
    moment = datetime.datetime.fromisoformat(item.published)
    if moment.tzinfo is not None and item.lang == "ja":
        moment = moment.astimezone(JAPAN)
    return moment.date()


def version_of_file(path: Path, lines: bool = False, lang: str | None = None) -> Version:
    """The sentences of a text file: split here, or with `lines` one a line, where blank lines hold none.

    The language is found out where `lang` does not say it. Raises InputError for a file that cannot be
    read or holds no word.
    """
    try:
        text = unix_newlines(decode(path.read_bytes(), str(path)))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    if not any(character.isalnum() for character in text):
        raise InputError(f"{path}: holds no word to align; give a file of text")
    lang = lang or identify_language(text)[0]
    if lines:
        sentences = [stripped for line in text.split("\n") if (stripped := line.strip())]
    else:
        sentences = [text[start:end] for start, end in split_sentences(text, lang)]
    return Version(str(path), lang, tuple(sentences))


def align_versions(a: Version, b: Version, encoder: Encoder) -> Alignment:
    """Align the sentences of two versions."""
    alignment = align_sentences(a.sentences, b.sentences, (a.lang, b.lang), encoder)
    return replace(alignment, published=(a.published, b.published))
