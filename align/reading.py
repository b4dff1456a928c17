"""Files, feeds and pages → documents.

Every reader is a generator of documents and rejections: what cannot be read is reported with its
place and reason, and the rest goes on. Rows are streamed; pages and feeds are read whole. What only
some formats need (trafilatura, lxml, feedparser, pyarrow, charset-normalizer) is imported where it is used.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import html
import io
import itertools
import json
import logging
import os
import re
import unicodedata
import zlib
from calendar import timegm
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urljoin

from align.errors import InputError
from align.records import Document, Form, Rejection

log = logging.getLogger("samestory")

Read = Iterator[Document | Rejection]
Reader = Callable[[str, str, BinaryIO], Read]
"""(name, path, handle) → what the file holds; raises nothing but what the handle itself raises."""

FIELDS = ("id", "title", "text", "lang", "source", "url", "published")
"""The names of the contract's JSONL shape, and so of the columns of a table."""
MAX_FIELD = 10_000_000
"""Most characters in one CSV field; an unclosed quote must not take the rest of a large file into memory."""
MAX_CHAOS = 0.1
"""Most disorder, in [0, 1] as charset-normalizer counts it and inclusive, at which a detected encoding is believed."""
SAMPLE = 65_536
"""Bytes of a CSV file's undecodable lines that its encoding is detected from."""

ENCODING_REMEDY = "convert to UTF-8, or declare its encoding"
_LANG = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{1,8})*")


# paths


def read(paths: Sequence[Path | str], standard_input: BinaryIO | None = None) -> Read:
    """The documents of `paths`: files, folders (recursive, in name order, hidden entries left out), or "-".

    "-" is JSONL on `standard_input`. Raises InputError, before anything is read, for a path that does
    not exist. Whatever else cannot be read comes as a Rejection, and the reading goes on.
    """
    for path in paths:
        if str(path) == "-":
            if standard_input is None:
                raise InputError("-: there is no standard input to read; name a file or folder")
        elif not Path(path).exists():
            raise InputError(f"{path}: no such file or folder; check the path")
    return _read_all(paths, standard_input)


def passed_over(path: Path) -> list[Path]:
    """The visible files in the folder `path` that `read` passes over, since no reader knows their kind; in name order."""
    if not path.is_dir():
        return []
    return [found for found in found_files(path) if isinstance(found, Path) and _reader_of(found) is None]


def found_files(folder: Path) -> Iterator[Path | Rejection]:
    """The visible files in `folder` and its visible folders, in name order; a Rejection for a folder that cannot be listed.

    Links to folders are followed, but never back to a folder that they are in.
    """
    yield from _found_files(folder, ())


def _found_files(folder: Path, above: tuple[str, ...]) -> Iterator[Path | Rejection]:
    here = os.path.realpath(folder)
    if here in above:
        return
    try:
        entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        yield Rejection(str(folder), None, f"cannot be listed ({error.strerror}); check its permissions")
        return
    for entry in entries:
        if entry.is_dir():
            yield from _found_files(entry, (*above, here))
        else:
            yield entry


def _read_all(paths: Sequence[Path | str], standard_input: BinaryIO | None) -> Read:
    for given in paths:
        if str(given) == "-" and standard_input is not None:
            yield from _until_fault("-", _read_jsonl("-", "-", standard_input))
        elif Path(given).is_dir():
            for found in found_files(Path(given)):
                if isinstance(found, Rejection):
                    yield found
                elif _reader_of(found) is not None:
                    yield from _read_file(found, str(found))
        else:
            yield from _read_file(Path(given), str(given))


def _reader_of(path: Path) -> Reader | None:
    return READERS.get(Path(_unpacked_name(path)).suffix.lower())


def _unpacked_name(path: Path) -> str:
    return path.stem if path.suffix.lower() == ".gz" else path.name


def _read_file(path: Path, given: str) -> Read:
    reader = _reader_of(path)
    if reader is None:
        known = f"known are {', '.join(READERS)}, each also with .gz"
        yield Rejection(given, None, f"files of kind {path.suffix!r} cannot be read; {known}")
        return
    name = _unpacked_name(path)
    try:
        handle = path.open("rb")
    except OSError as error:
        yield Rejection(given, None, f"cannot be opened ({error.strerror}); check that it is a file you may read")
        return
    with handle:
        unpacked: Any = handle if name == path.name else gzip.GzipFile(fileobj=handle)
        yield from _until_fault(given, reader(name, given, unpacked))


def _until_fault(path: str, entries: Read) -> Read:
    """`entries`, and where the medium itself fails, a Rejection at the line after the last one that came."""
    line = 0
    try:
        for entry in entries:
            line = entry.line or 0
            yield entry
    except (EOFError, zlib.error, OSError, UnicodeDecodeError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        remedy = "the file is damaged or cut off: fetch it again"
        yield Rejection(path, line + 1 if line else None, f"cannot be read from here on ({reason}); {remedy}")


# encodings

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),  # not utf-8-sig, which counts its offsets from behind the mark
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark is its beginning
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_MEANT = {
    # What browsers read a declared name as, since pages are written for them (https://encoding.spec.whatwg.org/#names-and-labels).
    # No Western page happens to be valid UTF-8: one that is and says ISO 8859-1 was converted, and its label was not.
    "iso8859-1": ("utf-8", "cp1252", "iso8859-1"),
    "cp1252": ("utf-8", "cp1252", "iso8859-1"),
    "ascii": ("utf-8", "cp1252", "iso8859-1"),
    "shift_jis": ("cp932",),
    "euc_jp": ("euc_jp", "euc_jisx0213"),  # the latter has the ① and ㈱ of Windows that Python's euc_jp lacks
    "gb2312": ("gb18030",),
    "gbk": ("gb18030",),
    "euc_kr": ("cp949",),
    "big5": ("big5hkscs", "big5"),
}
_UNKNOWN_TO_PYTHON = {"x-sjis": "shift_jis", "x-euc-jp": "euc_jp", "unicode": "utf-8", "none": "utf-8"}
_DETECTABLE = ["cp932", "euc_jp", "cp1252"]
"""Encodings that are taken without a declaration: the old ones of our languages. More would only be confused with them."""
_WESTERN = frozenset("ÀÁÂÃÄÇÈÉÊËÌÍÎÏÑÒÓÔÕÖŒÙÚÛÜßàáâãäçèéêëìíîïñòóôõöœùúûüÿ‘’‚“”„‹›«»–—…•·€£§°©®™ªº¿¡½¼¾²³´µ×±† \xad")
"""What German, Italian, French, Spanish and Portuguese need beyond ASCII: anything else hints at another encoding."""


def decode(raw: bytes, path: str, declared: str | None = None) -> str:
    """`raw` as text, its newlines as "\\n": by its byte order mark, as declared, as UTF-8, or as detected beyond doubt.

    Where the encoding is neither marked nor declared nor UTF-8, or is not the declared one, a warning
    is logged that names `path`. Raises InputError with the offset of the first byte that cannot be read.
    """
    marked = _marked(raw)
    try:
        text = raw.decode(marked) if marked else _unmarked(raw, path, declared)
    except UnicodeDecodeError as error:
        says = "its byte order mark says" if marked else "it declares"
        raise InputError(f"byte {error.start} is not {error.encoding}, which {says}; {ENCODING_REMEDY}") from error
    if "\x00" in text:
        raise InputError(f"is not a text: character {text.index(chr(0))} is NUL; {ENCODING_REMEDY}")
    return _unix(text.removeprefix("\ufeff"))


def _unmarked(raw: bytes, path: str, declared: str | None) -> str:
    """Raises UnicodeDecodeError where the declared encoding does not fit, InputError where none fits."""
    fault = None
    for codec in _meant(declared, path):
        try:
            text = raw.decode(codec)
        except UnicodeDecodeError as error:
            fault = fault or error
            continue
        if codec == "utf-8" and not text.isascii() and not _is_utf8(declared):
            log.warning("%s: declares the encoding %s and is UTF-8; read as UTF-8", path, declared)
        return text
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        if fault is not None:
            raise fault from error
        found = _detected(raw)
        if found is None:
            reason = f"byte {error.start} is not UTF-8, and no other encoding fits beyond doubt"
            raise InputError(f"{reason}; {ENCODING_REMEDY}") from error
    else:
        if fault is not None:
            log.warning("%s: declares the encoding %s and is UTF-8; read as UTF-8", path, declared)
            return text
        # UTF-16 and ISO-2022-JP can pass for UTF-8.
        found = _detected(raw) if "\x00" in text or "\x1b$" in text else None
        if found is None:
            return text
    log.warning("%s: the encoding is not declared; read as %s, by its look", path, found)
    return raw.decode(found)


def _is_utf8(declared: str | None) -> bool:
    return declared is not None and declared.lower().replace("-", "") == "utf8"


def _marked(raw: bytes) -> str | None:
    return next((codec for mark, codec in _MARKS if raw.startswith(mark)), None)


def _meant(declared: str | None, path: str) -> tuple[str, ...]:
    """The codecs to try for a declared encoding, in order; none where it declares nothing or nothing known."""
    if declared is None:
        return ()
    try:
        name = codecs.lookup(_UNKNOWN_TO_PYTHON.get(declared.lower(), declared)).name
        "".encode(name)  # some of Python's codecs, such as hex, are not for text
    except (LookupError, UnicodeError):
        log.warning("%s: declares the encoding %r, which is not known; read as if it declared none", path, declared)
        return ()
    if name in ("idna", "punycode", "unicode_escape", "raw_unicode_escape"):
        return ()  # Python's own, which no page means
    if name.startswith(("utf-16", "utf-32")):
        return ("utf-8",)  # the declaration could be read, so it is not true
    return _MEANT.get(name, (name,))


def _detected(raw: bytes) -> str | None:
    """The one undeclared encoding that gives plausible text, or None where none does or two do."""
    if b"\x1b$" in raw:
        candidates = ["iso2022_jp"]
    elif b"\x00" in raw:
        candidates = ["utf-16-le", "utf-16-be"]
    else:
        from charset_normalizer import from_bytes

        candidates = [match.encoding for match in from_bytes(raw, cp_isolation=_DETECTABLE) if match.chaos <= MAX_CHAOS]
    found: dict[str, str] = {}
    for codec in candidates:
        try:
            text = raw.decode(codec)
        except UnicodeDecodeError:
            continue
        if _plausible(text):
            found.setdefault(text, codec)
    return next(iter(found.values())) if len(found) == 1 else None


def _plausible(text: str) -> bool:
    """Whether `text` is made of the signs of a Western European language, or holds enough kana for Japanese."""
    counts = Counter(text)
    if any(unicodedata.category(sign) in ("Cc", "Cn", "Co", "Cs") and sign not in "\n\r\t\f" for sign in counts):
        return False
    foreign = Counter({sign: count for sign, count in counts.items() if not sign.isascii() and sign not in _WESTERN})
    if not foreign:
        return True
    kana = sum(count for sign, count in foreign.items() if "\u3041" <= sign <= "\u30ff")
    # Half-width kana are what stray bytes look like in Shift_JIS.
    narrow = sum(count for sign, count in foreign.items() if "\uff61" <= sign <= "\uff9f")
    return kana >= 0.1 * foreign.total() and narrow < kana


def _unix(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


# pages


def _read_page(name: str, path: str, handle: BinaryIO) -> Read:
    try:
        text = decode(handle.read(), path)
    except InputError as error:
        yield Rejection(path, None, str(error))
        return
    if text.strip():
        yield Document(name, path, Form.PAGE, text)
    else:
        yield Rejection(path, None, "is empty; leave it out")


_META_CHARSET = re.compile(rb"<meta\b[^>]*?\bcharset\s*=\s*[\"']?\s*([A-Za-z0-9_.:-]+)", re.IGNORECASE)
_XML_ENCODING = re.compile(rb"^\s*<\?xml\b[^>]*?\bencoding\s*=\s*[\"']([A-Za-z0-9_.:-]+)[\"']")
_NAVIGATION = ["//nav", "//*[@role='navigation']", "//footer[not(ancestor::article)]"]
"""Taken out before trafilatura looks: on a page with little text it would take a menu for the text."""


def _read_html(name: str, path: str, handle: BinaryIO) -> Read:
    raw = handle.read()
    declared = _XML_ENCODING.search(raw[:1024]) or _META_CHARSET.search(raw[:8192])
    try:
        yield _article(decode(raw, path, declared.group(1).decode("ascii") if declared else None), name, path)
    except InputError as error:
        yield Rejection(path, None, str(error))


def _article(source: str, name: str, path: str) -> Document:
    """The article of an HTML page. Raises InputError for a page without one.

    An identical paragraph right after itself comes once: trafilatura takes it for an artefact.
    """
    import lxml.etree
    import lxml.html

    try:
        # As bytes, since lxml refuses a string that begins with an XML declaration.
        parser = lxml.html.HTMLParser(encoding="utf-8")
        tree = lxml.html.document_fromstring(source.encode("utf-8", "replace"), parser=parser)
    except (lxml.etree.LxmlError, ValueError, AssertionError) as error:
        raise InputError("holds no HTML; check that it is a page") from error
    meta = _page_meta(tree)
    paragraphs = _main_text(source)
    stated = _html_lines(meta["body"])
    if _surpasses(stated, paragraphs):
        paragraphs = stated
    title = " ".join(meta["title"].split())
    while paragraphs and " ".join(paragraphs[0].split()) == title:
        paragraphs = paragraphs[1:]
    if not paragraphs:
        raise InputError("holds no article text that can be told from its furniture; give the text as .txt or JSONL")
    body = "\n".join(paragraphs)
    text = f"{title}\n\n{body}" if title else body
    _string({"text": text}, "text")  # metadata can smuggle in half a surrogate pair
    return Document(
        name=name,
        path=path,
        form=Form.ARTICLE,
        text=text,
        title=title,
        lang=meta["lang"] or None,
        source=meta["source"] or None,
        url=meta["url"] or None,
        published=_lenient_date(meta["published"]),
        alternates=_alternates(tree, meta["url"]),
    )


def _alternates(tree: Any, url: str) -> dict[str, str]:
    """hreflang → absolute address of the same article in another language; the first one of each."""
    found: dict[str, str] = {}
    for link in tree.iterfind(".//link[@hreflang]"):
        lang, address = link.get("hreflang").strip(), (link.get("href") or "").strip()
        if address and _LANG.fullmatch(lang):
            try:
                found.setdefault(lang, urljoin(url, address))
            except ValueError:
                continue  # an address that is none
    return found


def _surpasses(stated: list[str], found: list[str]) -> bool:
    """Whether the text in the metadata is the better one: a page that a script fills holds it there alone.

    It is where it is more than twice as long, or the same in more paragraphs (trafilatura runs them together).
    """
    theirs, ours = ("".join("".join(lines).split()) for lines in (stated, found))
    return len(theirs) > 2 * len(ours) or (theirs == ours and len(stated) > len(found))


_SILENT = logging.NullHandler()
"""Takes trafilatura's complaints, which would reach standard error without a page's name; the Rejection says it better."""


def _main_text(source: str) -> list[str]:
    """The paragraphs that trafilatura finds."""
    import trafilatura

    logging.getLogger("trafilatura").addHandler(_SILENT)
    try:
        # Tables would come as rows of bars; a page laid out in tables is read all the same.
        text = trafilatura.extract(
            source, include_comments=False, include_tables=False, deduplicate=False, prune_xpath=_NAVIGATION
        )
    except Exception as error:  # whatever a parser of broken pages may raise concerns this page alone
        raise InputError(
            f"cannot be read as HTML ({type(error).__name__}: {error}); give the text as .txt or JSONL"
        ) from error
    return [line.strip() for line in _unix(text or "").split("\n") if line.strip()]


def _page_meta(tree: Any) -> dict[str, str]:
    """What a page says of itself: title, lang, source, url, published, body; "" for what it leaves out.

    JSON-LD speaks first, then meta tags, then links, headings and the language of the page.
    """
    tags: dict[str, str] = {}
    for tag in tree.iterfind(".//meta[@content]"):
        key = (tag.get("property") or tag.get("name") or tag.get("itemprop") or "").strip().lower()
        if key and tag.get("content").strip():
            tags.setdefault(key, tag.get("content").strip())
    article = _json_ld(tree)
    headings = (" ".join(heading.text_content().split()) for tag in ("h1", "title") for heading in tree.iter(tag))
    links = (link for link in tree.iterfind(".//link[@href]") if (link.get("rel") or "").lower() == "canonical")
    canonical = next((link.get("href").strip() for link in links), "")
    source = _told(article.get("publisher"), "name") or tags.get("og:site_name", "")
    langs = (
        _told(article.get("inLanguage"), "alternateName"),
        tree.get("lang") or tree.get("{http://www.w3.org/XML/1998/namespace}lang") or tree.get("xml:lang") or "",
        tags.get("og:locale", ""),
    )
    urls = (
        _told(article.get("url"), "@id"),
        _told(article.get("mainEntityOfPage"), "@id"),
        tags.get("og:url", ""),
        canonical,
    )
    dates = (_told(article.get("datePublished")), *(tags.get(key, "") for key in _DATE_TAGS))
    return {
        "title": _told(article.get("headline"))
        or _without_site(tags.get("og:title") or next(filter(None, headings), ""), source),
        "lang": next((lang.strip().replace("_", "-") for lang in langs if _LANG.fullmatch(lang.strip())), ""),
        "source": source,
        "url": next((url for url in urls if url.startswith(("http://", "https://"))), "")
        or next(filter(None, urls), ""),
        "published": next((date for date in dates if _lenient_date(date)), ""),
        "body": _told(article.get("articleBody")),
    }


_DATE_TAGS = (
    "article:published_time",
    "og:article:published_time",
    "datepublished",
    "date",
    "pubdate",
    "dc.date",
    "dc.date.issued",
    "dcterms.date",
)


def _without_site(title: str, site: str) -> str:
    """`title` without the site's name that many pages add to it."""
    return re.sub(rf"\s+[-–—|·•:]\s+{re.escape(site)}\s*$", "", title) if site else title


def _told(value: object, key: str = "name") -> str:
    """The string that a JSON-LD value amounts to: itself, the first of a list, or `key` of an object; else ""."""
    if isinstance(value, list):
        value = value[0] if value else None
    if isinstance(value, dict):
        value = value.get(key)
    text = html.unescape(value).strip() if isinstance(value, str) else ""
    return "" if re.search("[\x00\ud800-\udfff]", text) else text  # what is no text is as good as not said


def _json_ld(tree: Any) -> dict[str, Any]:
    """The first article object with a headline in the page's JSON-LD, or else the first one; {} if there is none."""
    nodes: list[dict[str, Any]] = []
    for script in tree.iterfind(".//script[@type]"):
        if script.get("type").split(";")[0].strip().lower() == "application/ld+json":
            nodes += _nodes(_lenient_json(script.text or ""))
    by_id = {node["@id"]: node for node in nodes if isinstance(node.get("@id"), str) and len(node) > 1}
    articles = [node for node in nodes if _is_article(node.get("@type"))]
    found = dict(next((node for node in articles if node.get("headline")), articles[0] if articles else {}))
    publisher = found.get("publisher")
    if isinstance(publisher, dict) and "name" not in publisher:
        found["publisher"] = by_id.get(str(publisher.get("@id")), publisher)
    return found


def _lenient_json(script: str) -> object:
    """The JSON in a script, whatever comment it is wrapped in; None for none: broken metadata does not make a text unreadable."""
    start = re.search(r"[{\[](?!CDATA)", script)
    try:
        return json.JSONDecoder(strict=False).raw_decode(script, start.start())[0] if start else None
    except (ValueError, RecursionError):
        return None


def _nodes(value: object) -> list[dict[str, Any]]:
    """The objects that stand for themselves: those of lists, of @graph, and what a page says it is about."""
    found, waiting = [], [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += reversed(value)
        elif isinstance(value, dict):
            found.append(value)
            waiting += [value.get("mainEntity"), value.get("@graph")]
    return found


def _is_article(kinds: object) -> bool:
    names = (str(kind).rsplit("/", 1)[-1].lower() for kind in (kinds if isinstance(kinds, list) else [kinds]))
    return any(name.endswith(("article", "blogposting")) for name in names)


def _lenient_date(value: str) -> str | None:
    """ISO 8601 of a page's or feed's own date, or None where it cannot be read: the date is an extra there."""
    for parse in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            return parse(value.strip()).isoformat()
        except (ValueError, TypeError, IndexError, OverflowError):
            continue
    return None


_BLOCKS = ("p", "br", "div", "li", "ul", "ol", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "figure", "pre", "tr")


def _html_lines(markup: str) -> list[str]:
    """The text of a piece of HTML, a line for each block; where it has no tags, its lines."""
    import lxml.etree
    import lxml.html

    text = html.unescape(markup)
    if re.search(r"<[A-Za-z/!]", markup):
        try:
            tree = lxml.html.fragment_fromstring(markup, create_parent="div")
        except (lxml.etree.LxmlError, ValueError):
            return _lines(text)
        lxml.etree.strip_elements(tree, "script", "style", lxml.etree.Comment, with_tail=False)
        for element in tree.iter():
            element.text, element.tail = _run_on(element.text), _run_on(element.tail)
        for block in tree.iter(*_BLOCKS):
            block.text = "\n" + (block.text or "")
            block.tail = "\n" + (block.tail or "")
        text = tree.text_content()
    return _lines(text)


def _lines(text: str) -> list[str]:
    """The lines that are not blank, runs of white space as one space."""
    return [" ".join(line.split()) for line in _unix(text).split("\n") if line.strip()]


def _run_on(text: str | None) -> str | None:
    """Text as a page shows it, where a line break in the source is a space; so are control characters, which lxml gives and does not take."""
    return text and re.sub("[\\s\x00-\x1f\x7f\ud800-\udfff\ufffe\uffff]+", " ", text)


# rows


def parse_record(record: Mapping[str, object], name: str, path: str, line: int | None) -> Document:
    """One object of the contract's JSONL shape as a document, named by its `id`, or `name` where it has none.

    Unknown fields are ignored, and null is the same as no field. Raises InputError with the field, the
    value and the remedy.
    """
    text = _string(record, "text")
    if not text or not text.strip():
        raise InputError(f"`text` is {'empty' if 'text' in record else 'missing'}; every item needs a text")
    if not any(sign.isalnum() for sign in text):
        raise InputError(f"`text` {text[:30]!r} holds no letter or digit; every item needs a text")
    title = " ".join((_string(record, "title") or "").split())
    external_id = _external_id(record)
    lang = _string(record, "lang")
    if lang and not _LANG.fullmatch(lang):
        raise InputError(f"`lang` {lang[:40]!r} is not a BCP 47 code; write en, ja, de, it or another, or leave it out")
    published = _string(record, "published")
    if published:
        try:
            published = datetime.fromisoformat(published.strip()).isoformat()
        except ValueError as error:
            remedy = "write 2026-03-04 or 2026-03-04T08:15:00+01:00, or leave it out"
            raise InputError(f"`published` {published[:40]!r} is not ISO 8601; {remedy}") from error
    body = _unix(text)
    return Document(
        name=external_id or name,
        path=path,
        form=Form.ARTICLE,
        text=f"{title}\n\n{body}" if title else body,
        title=title,
        external_id=external_id,
        line=line,
        lang=lang.replace("_", "-") if lang else None,
        source=_string(record, "source") or None,
        url=_string(record, "url") or None,
        published=published or None,
    )


def _external_id(record: Mapping[str, object]) -> str | None:
    given = record.get("id")
    if isinstance(given, int) and not isinstance(given, bool):
        try:
            return str(given)
        except ValueError as error:  # Python writes out 4300 digits at most
            raise InputError("`id` is an integer of thousands of digits; give a shorter one") from error
    if given is not None and not isinstance(given, str):
        raise InputError(f"`id` {_shown(given)} is neither a string nor an integer; write it in quotes")
    external_id = _string(record, "id")
    if external_id is not None and not external_id.strip():
        raise InputError("`id` is empty; leave it out, or give one that stays the same")
    return external_id


def _string(record: Mapping[str, object], field: str) -> str | None:
    """The field as a string, None if it is not there. Raises InputError for what is not Unicode text."""
    value = record.get(field)
    if value is None:
        return None
    if not isinstance(value, str):
        raise InputError(f"`{field}` is {_shown(value)}, not a string; write it in quotes")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InputError(
            f"`{field}` holds half a surrogate pair (U+{ord(value[error.start]):04X}) at character {error.start}; send valid Unicode"
        ) from error
    if "\x00" in value:
        raise InputError(f"`{field}` holds NUL at character {value.index(chr(0))}; remove it")
    return value


def _shown(value: object) -> str:
    try:
        shown = json.dumps(value, ensure_ascii=False, default=repr)
    except ValueError:
        shown = type(value).__name__
    return shown if len(shown) <= 40 else shown[:40] + "…"


def _row(record: Mapping[str, object], name: str, path: str, line: int) -> Document | Rejection:
    try:
        return parse_record(record, f"{name}:{line}", path, line)
    except InputError as error:
        return Rejection(path, line, str(error))


def _read_jsonl(name: str, path: str, handle: BinaryIO) -> Read:
    for number, raw in enumerate(_jsonl_lines(handle), 1):
        try:
            line = raw.decode("utf-8").removeprefix("\ufeff" if number == 1 else "")
        except UnicodeDecodeError as error:
            yield Rejection(path, number, f"byte {error.start} of the line is not UTF-8, as JSON is; convert to UTF-8")
            continue
        if not line.strip():
            continue
        try:
            record = json.loads(line.rstrip("\r\n"))
        except json.JSONDecodeError as error:
            yield Rejection(path, number, f"is not JSON (column {error.colno}: {error.msg}); write one object a line")
        except (RecursionError, ValueError):
            yield Rejection(
                path, number, "is JSON nested too deeply, or with a number too long; write one flat object a line"
            )
        else:
            if isinstance(record, dict):
                yield _row(record, name, path, number)
            else:
                yield Rejection(path, number, f"is {_shown(record)}, not an object; write one object a line")


def _jsonl_lines(handle: BinaryIO) -> Iterator[bytes]:
    """The lines in UTF-8; a file that begins with the mark of UTF-16 or UTF-32, as PowerShell writes it, is converted."""
    first = handle.readline()
    codec = _marked(first)
    if codec is None or codec == "utf-8":
        yield first
        yield from handle
        return
    decoder = codecs.getincrementaldecoder(codec)("surrogatepass")
    rest = ""
    for block in itertools.chain([first], iter(lambda: handle.read(SAMPLE), b"")):
        *lines, rest = (rest + decoder.decode(block)).split("\n")
        yield from (line.encode("utf-8", "surrogatepass") for line in lines)
    yield (rest + decoder.decode(b"", final=True)).encode("utf-8", "surrogatepass")


def _read_csv(name: str, path: str, handle: BinaryIO, delimiter: str = ",") -> Read:
    csv.field_size_limit(MAX_FIELD)
    codec = _table_codec(handle, path)
    # A byte that is not of the encoding goes on as half a surrogate pair, so that its row alone is rejected.
    errors = "surrogatepass" if codec.startswith(("utf-16", "utf-32")) else "surrogateescape"
    with io.TextIOWrapper(handle, codec, errors, newline="") as lines:
        first = next(lines, "")
        if delimiter == "," and first.count(";") > first.count(","):
            delimiter = ";"  # what a spreadsheet saves where the comma is the decimal sign
        rows = _csv_rows(itertools.chain([first], lines), delimiter)
        line, header = next(rows, (1, []))
        fault = _header_fault(header)
        if isinstance(header, csv.Error) or fault:
            yield Rejection(path, line, fault)
            return
        spaced = any(column.startswith(" ") for column in header)
        columns = [column.strip() for column in header]
        recovering = False
        for line, row in rows:
            if isinstance(row, csv.Error):
                recovering = True
                yield Rejection(path, line, f"is not CSV ({row}); write a quote mark in a quoted field twice")
            elif recovering and not spaced and any(field.startswith(" ") for field in row):
                # Prose has a space after its commas and a table has none: this is a paragraph of the broken row.
                yield Rejection(path, line, "looks like the rest of the broken row above; mend that row")
            elif fault := _row_fault(row, columns, codec.removesuffix("-sig"), delimiter):
                yield Rejection(path, line, fault)
            else:
                recovering = False
                # An empty cell is no value; but an empty text is to be named as such.
                cells = zip(columns, row, strict=True)
                yield _row({column: cell for column, cell in cells if cell or column == "text"}, name, path, line)


def _row_fault(row: list[str], columns: list[str], codec: str, delimiter: str) -> str:
    """What is wrong with a row before its values are looked at, "" if nothing is."""
    if len(row) != len(columns):
        return f"has {len(row)} columns where the header has {len(columns)}; quote fields that hold {delimiter!r}"
    for column, cell in zip(columns, row, strict=True):
        if stray := re.search("[\udc80-\udcff]", cell):
            return f"byte 0x{ord(stray.group()) - 0xDC00:02X} in column {column!r} is not {codec}; {ENCODING_REMEDY}"
    return ""


def _read_tsv(name: str, path: str, handle: BinaryIO) -> Read:
    return _read_csv(name, path, handle, "\t")


def _header_fault(row: list[str] | csv.Error) -> str:
    """What is wrong with a table's header, "" if nothing is."""
    if isinstance(row, csv.Error):
        return f"the header is not CSV ({row}); its columns are {', '.join(FIELDS)}"
    if not row:
        return f"is empty; its first line names the columns {', '.join(FIELDS)}"
    columns = [column.strip() for column in row]
    twice = [field for field in FIELDS if columns.count(field) > 1]
    if twice:
        return f"the header names {twice[0]!r} twice; name each column once"
    shown = ", ".join(map(repr, columns[:8]))
    return (
        ""
        if "text" in columns
        else f"the header has no column `text`, only {shown[:200]}; name the columns {', '.join(FIELDS)}"
    )


def _csv_rows(lines: Iterable[str], delimiter: str) -> Iterator[tuple[int, list[str] | csv.Error]]:
    """(physical line where it begins, row or what is wrong with it) for every row that is not blank.

    After a broken row it goes on at the next physical line, so that an unclosed quote does not
    swallow the rows after it.
    """
    fresh = iter(lines)
    again: list[str] = []
    number = 1
    while True:
        source = itertools.chain(again, fresh)
        taken: list[str] = []
        try:
            row = next(csv.reader(_noting(source, taken), delimiter=delimiter, strict=True))
        except StopIteration:
            return
        except csv.Error as error:
            yield number, error
            again, number = [*taken[1:], *again[len(taken) :]], number + 1
            continue
        if row:
            yield number, row
        again, number = again[len(taken) :], number + len(taken)


def _noting(source: Iterator[str], taken: list[str]) -> Iterator[str]:
    for line in source:
        taken.append(line)
        yield line


def _table_codec(handle: BinaryIO, path: str) -> str:
    """The encoding of a CSV file, from one pass over it; the handle is at its beginning afterwards.

    Where some lines are not UTF-8 and more are, or no encoding fits beyond doubt, it is UTF-8, and
    those rows alone cannot be read.
    """
    marked = _marked(handle.read(4))
    handle.seek(0)
    if marked:
        return "utf-8-sig" if marked == "utf-8" else marked
    good = bad = 0
    sample = bytearray()
    try:
        for line in handle:
            try:
                good += not line.decode("utf-8").isascii()
            except UnicodeDecodeError:
                bad += 1
                sample += line if len(sample) < SAMPLE else b""
    except (EOFError, zlib.error, OSError):
        pass  # the file is cut off here: the second pass says so, after the rows before
    handle.seek(0)
    detected = _detected(bytes(sample)) if bad > good else None
    if detected is None:
        return "utf-8-sig"
    log.warning("%s: the encoding is not declared; read as %s, by its look", path, detected)
    return detected


def _read_parquet(name: str, path: str, handle: BinaryIO) -> Read:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # Without pre-buffering and in small reads, so that a large row group is not held whole.
        table = pq.ParquetFile(handle, pre_buffer=False, buffer_size=1 << 20)
        fault = _header_fault(table.schema_arrow.names)
    except (pa.ArrowException, OSError) as error:
        fault = (
            f"is not Parquet that can be read ({str(error).splitlines()[0]}); it is damaged or cut off: write it again"
        )
    if fault:
        yield Rejection(path, None, fault)
        return
    columns = [column for column in FIELDS if column in table.schema_arrow.names]
    end = 0
    for group in range(table.num_row_groups):
        number, end = end, end + table.metadata.row_group(group).num_rows
        try:
            for batch in table.iter_batches(batch_size=1024, row_groups=[group], columns=columns):
                for record in _batch_records(batch):
                    number += 1
                    yield _row(record, name, path, number)
        except (pa.ArrowException, OSError) as error:
            yield Rejection(
                path,
                number + 1,
                f"rows {number + 1} to {end} cannot be read ({str(error).splitlines()[0]}); write the file again",
            )


def _batch_records(batch: Any) -> Iterator[dict[str, object]]:
    """The rows of an Arrow batch, dates as ISO 8601; a value that is not UTF-8 as bytes, which no field takes."""
    import pyarrow as pa

    columns: dict[str, list[object]] = {}
    for field, values in zip(batch.schema, batch.columns, strict=True):
        if pa.types.is_timestamp(field.type):
            # Python's datetime has no nanoseconds; a date with them is as good without.
            values = values.cast(pa.timestamp("us", field.type.tz), safe=False)
        try:
            columns[field.name] = values.to_pylist()
        except UnicodeDecodeError:
            columns[field.name] = [_value_or_bytes(value) for value in values]
    for row in zip(*columns.values(), strict=True):
        yield {
            key: value.isoformat() if hasattr(value, "isoformat") else value
            for key, value in zip(columns, row, strict=True)
        }


def _value_or_bytes(value: Any) -> object:
    try:
        return value.as_py()
    except UnicodeDecodeError:
        return bytes(value.as_buffer())


# feeds


def _read_feed(name: str, path: str, handle: BinaryIO) -> Read:
    raw = handle.read()
    declared = _XML_ENCODING.search(raw[:1024])
    try:
        source = decode(raw, path, declared.group(1).decode("ascii") if declared else None)
        found = _parsed_feed(source)
    except InputError as error:
        yield Rejection(path, None, str(error))
        return
    fault = found.get("bozo_exception")
    line = fault.getLineNumber() if hasattr(fault, "getLineNumber") else None
    if not found.get("version"):
        reason = f"is not well-formed XML ({fault})" if line else "is not an RSS or Atom feed"
        yield Rejection(path, line, f"{reason}; pages are read as .html, rows as .jsonl")
        return
    # An entry without its end is cut off, and half a text must not pass for the whole.
    n_whole = len(re.findall(r"</(?:\w+:)?(?:item|entry)\s*>", source)) if line else len(found.entries)
    for number, entry in enumerate(found.entries[:n_whole], 1):
        yield _row(_feed_record(entry, found.feed), name, path, number)
    if line:
        lost = (
            f"entry {n_whole + 1} is cut off and left out"
            if n_whole < len(found.entries)
            else "what could be made out was read"
        )
        yield Rejection(
            path, line, f"is not well-formed XML ({fault.getMessage()}); {lost}: mend or fetch the feed again"
        )


_DECLARATION = "<?xml version='1.0' encoding='utf-8'?>"
"""Put in even where there is none: feedparser would put it on a line of its own, and the lines would not count right."""


def _parsed_feed(source: str) -> Any:
    import feedparser

    # The text is decoded already: the declaration of another encoding would only mislead the parser.
    plain = re.sub(
        r"^(\s*<\?xml\b[^>]*\?>)?", lambda found: _DECLARATION + "\n" * found.group().count("\n"), source, count=1
    )
    try:
        # In a BytesIO, since feedparser would open a string that looks like a path or address.
        return feedparser.parse(
            io.BytesIO(plain.encode("utf-8", "replace")),
            response_headers={"content-type": "application/xml; charset=utf-8"},
            resolve_relative_uris=False,
        )
    except Exception as error:  # whatever a parser of broken feeds may raise concerns this feed alone
        raise InputError(f"cannot be read as a feed ({type(error).__name__}: {error}); fetch it again") from error


def _feed_record(entry: Any, feed: Any) -> dict[str, object]:
    """A feed's entry in the shape of a row. Without an id of its own it goes by its link, which stays the same as entries move down."""
    parts = [*entry.get("content", ()), entry.get("summary_detail") or {"value": entry.get("summary", "")}]
    body = next((part for part in parts if str(part.get("value") or "").strip()), parts[-1])
    langs = (body.get("language"), feed.get("language"))
    stamps = [key for key in ("published", "updated", "created") if key in entry]
    return {
        "id": entry.get("id") or entry.get("link") or None,
        "title": " ".join(_plain(entry.get("title_detail") or {"value": entry.get("title", "")})),
        "text": "\n".join(_plain(body)),
        "lang": next((lang for lang in langs if lang and _LANG.fullmatch(lang)), None),
        "source": " ".join(_plain(feed.get("title_detail") or {"value": ""})) or None,
        "url": entry.get("link") or None,
        "published": _feed_date(entry, stamps[0]) if stamps else None,
    }


def _plain(detail: Mapping[str, Any]) -> list[str]:
    """The lines of a feed's text construct."""
    value = str(detail.get("value") or "")
    if detail.get("type") == "text/plain":
        return _lines(value)
    return _html_lines(value)


def _feed_date(entry: Any, key: str) -> str | None:
    """The entry's date as it gives it, or where only feedparser can read it, in UTC."""
    parsed = entry.get(f"{key}_parsed")
    return _lenient_date(entry[key]) or (datetime.fromtimestamp(timegm(parsed), UTC).isoformat() if parsed else None)


READERS: dict[str, Reader] = {
    ".txt": _read_page,
    ".html": _read_html,
    ".htm": _read_html,
    ".jsonl": _read_jsonl,
    ".ndjson": _read_jsonl,
    ".csv": _read_csv,
    ".tsv": _read_tsv,
    ".parquet": _read_parquet,
    ".xml": _read_feed,
    ".rss": _read_feed,
    ".atom": _read_feed,
}
"""By suffix, in lower case; each also with .gz."""
