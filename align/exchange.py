"""Alignments → TMX 1.4b and XLIFF 2.1, for translation memories and translators' tools.

A bead's id is made from its languages and texts alone, whichever side comes first, so a memory that
reads the same bead twice knows it. Beads with one empty side hold no translation and stay out.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version

from lxml import etree

from align.errors import InputError
from align.sentences import Alignment
from align.versions import Version

XLIFF = "urn:oasis:names:tc:xliff:document:2.0"
"""The namespace of XLIFF 2.0 and 2.1 alike."""
METADATA = "urn:oasis:names:tc:xliff:metadata:2.0"
_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 (section 2.2) cannot hold, not even escaped."""
_NO_SPACES = ("ja", "zh")


@dataclass(frozen=True)
class Unit:
    """A bead as translators' tools see it: two texts with their languages, its score in [0, 1], its stable id."""

    id: str
    langs: tuple[str, str]
    texts: tuple[str, str]
    score: float


@dataclass(frozen=True)
class AlignedPair:
    """Two versions and the alignment between them."""

    a: Version
    b: Version
    alignment: Alignment


def units(pair: AlignedPair, min_score: float = 0.0) -> Iterator[Unit]:
    """The beads of a pair with text on both sides and at least `min_score`, moved ones last, each id once."""
    seen: set[str] = set()
    for bead in (*pair.alignment.beads, *pair.alignment.moved):
        if bead.a and bead.b and bead.score >= min_score:
            texts = (_joined(pair.a, bead.a), _joined(pair.b, bead.b))
            unit = Unit(_unit_id((pair.a.lang, pair.b.lang), texts), (pair.a.lang, pair.b.lang), texts, bead.score)
            if unit.id not in seen:
                seen.add(unit.id)
                yield unit


def _joined(side: Version, places: Sequence[int]) -> str:
    glue = "" if side.lang in _NO_SPACES else " "
    return glue.join(side.sentences[place] for place in places)


def _unit_id(langs: tuple[str, str], texts: tuple[str, str]) -> str:
    sides = sorted(zip(langs, texts, strict=True))
    content = "\x1e".join(f"{lang}\x1f{text}" for lang, text in sides)
    return "u" + hashlib.sha256(content.encode("utf-8")).hexdigest()[:24]


def _xml_text(text: str) -> str:
    """`text` with what XML cannot hold shown as U+FFFD, the sign for a character that cannot be shown."""
    return _NOT_XML.sub("\ufffd", text)


def to_tmx(pairs: Iterable[AlignedPair], min_score: float = 0.0) -> bytes:
    """TMX 1.4b: one tu a bead, its score and where it comes from as props."""
    root = etree.Element("tmx", version="1.4")
    etree.SubElement(
        root, "header", creationtool="samestory", creationtoolversion=version("samestory"), segtype="sentence",
        adminlang="en", srclang="*all*", datatype="plaintext", **{"o-tmf": "samestory"},
    )  # fmt: skip
    body = etree.SubElement(root, "body")
    seen: set[str] = set()
    for pair in pairs:
        for unit in units(pair, min_score):
            if unit.id in seen:
                continue
            seen.add(unit.id)
            tu = etree.SubElement(body, "tu", tuid=unit.id)
            for name, value in (("score", f"{unit.score:.4f}"), ("a", pair.a.name), ("b", pair.b.name)):
                etree.SubElement(tu, "prop", type=f"x-{name}").text = _xml_text(value)
            for lang, text in zip(unit.langs, unit.texts, strict=True):
                tuv = etree.SubElement(tu, "tuv", {_LANG: lang})
                etree.SubElement(tuv, "seg").text = _xml_text(text)
    doctype = '<!DOCTYPE tmx SYSTEM "tmx14.dtd">'
    return bytes(etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True, doctype=doctype))


def to_xliff(pairs: Iterable[AlignedPair], min_score: float = 0.0) -> bytes:
    """XLIFF 2.1: one file a pair, one unit a bead, its score as metadata.

    Raises InputError where the pairs are of several language pairs, because a document has one.
    """
    root = etree.Element(f"{{{XLIFF}}}xliff", {"version": "2.1"}, nsmap={None: XLIFF, "mda": METADATA})
    langs: tuple[str, str] | None = None
    for pair in pairs:
        found = list(units(pair, min_score))
        if not found:
            continue
        own = (pair.a.lang, pair.b.lang)
        if langs is not None and own != langs:
            raise InputError(
                f"an XLIFF document has one language pair, here are {'-'.join(langs)} and {'-'.join(own)}; choose one with --langs, or --format tmx"
            )
        langs = own
        names = _xml_text(f"{pair.a.name}\x1f{pair.b.name}")
        file = etree.SubElement(root, f"{{{XLIFF}}}file", id="f" + hashlib.sha256(names.encode()).hexdigest()[:24])
        file.set("original", _xml_text(pair.a.name))
        for unit in found:
            _xliff_unit(file, unit)
    if langs is None:
        raise InputError(
            "no bead has text on both sides and the score asked for, and an XLIFF document cannot be empty"
        )
    root.set("srcLang", langs[0])
    root.set("trgLang", langs[1])
    return bytes(etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True))


def _xliff_unit(file: etree._Element, unit: Unit) -> None:
    element = etree.SubElement(file, f"{{{XLIFF}}}unit", id=unit.id)
    metadata = etree.SubElement(element, f"{{{METADATA}}}metadata")
    group = etree.SubElement(metadata, f"{{{METADATA}}}metaGroup", category="samestory")
    etree.SubElement(group, f"{{{METADATA}}}meta", type="score").text = f"{unit.score:.4f}"
    segment = etree.SubElement(element, f"{{{XLIFF}}}segment")
    for name, text in zip(("source", "target"), unit.texts, strict=True):
        etree.SubElement(segment, f"{{{XLIFF}}}{name}").text = _xml_text(text)
