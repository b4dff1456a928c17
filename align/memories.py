"""TMX → sentence pairs: translation memories as evaluation or training text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lxml import etree

from align.errors import InputError

_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
Pair = tuple[str, str]


def read_tmx(path: Path) -> dict[tuple[str, str], list[Pair]]:
    """The pairs of a TMX file by language pair, in the file's order, each once.

    Of a translation unit in several languages every two make a pair. Language codes are cut to their first
    part ("en-GB" is en), and a pair's languages are in the order of the unit, unless the file began with
    the other. Inline elements give their text. Raises InputError for a file that is no TMX or has no pair.
    """
    found: dict[tuple[str, str], dict[Pair, None]] = {}
    for texts in _units(path):
        for at, (lang_a, text_a) in enumerate(texts):
            for lang_b, text_b in texts[at + 1 :]:
                if lang_a == lang_b:
                    continue
                if (lang_b, lang_a) in found:
                    found[lang_b, lang_a][text_b, text_a] = None
                else:
                    found.setdefault((lang_a, lang_b), {})[text_a, text_b] = None
    if not found:
        raise InputError(f"{path}: holds no translation unit with text in two languages")
    return {langs: list(pairs) for langs, pairs in found.items()}


def _units(path: Path) -> Iterator[list[tuple[str, str]]]:
    # No entities, no DTD from elsewhere: a memory from a stranger is only read.
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        root = etree.parse(str(path), parser).getroot()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    except etree.XMLSyntaxError as error:
        raise InputError(f"{path}: not well-formed XML ({error.msg})") from error
    if etree.QName(root).localname != "tmx":
        raise InputError(f"{path}: the root is <{etree.QName(root).localname}>, not <tmx>; give a TMX file")
    for unit in root.iter("tu"):
        texts = []
        for variant in unit.iter("tuv"):
            lang = variant.get(_LANG) or variant.get("lang")  # TMX 1.1 had no xml:
            segment = variant.find("seg")
            if not lang:
                raise InputError(f"{path}:{variant.sourceline}: a tuv without xml:lang; name its language")
            text = " ".join("".join(segment.itertext()).split()) if segment is not None else ""
            if text:
                texts.append((lang.replace("_", "-").split("-")[0].lower(), text))
        yield texts
