"""Files, feeds and pages → documents.

Every reader is a generator that yields documents and rejections: what cannot be read is reported
with its place and reason, and the rest goes on.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import logging
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from align.errors import InputError
from align.records import Document, Form, Rejection

log = logging.getLogger("samestory")

Read = Iterator[Document | Rejection]

ENCODING_REMEDY = "convert it to UTF-8, or declare its encoding"
MAX_CHAOS = 0.05
"""Most disorder, as charset-normalizer counts it, at which a detected encoding is believed."""
_LANG = re.compile(r"^[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{1,8})*$")
_ARTICLE_TYPES = {"newsarticle", "reportagenewsarticle", "analysisnewsarticle", "backgroundnewsarticle", "article", "blogposting", "report", "liveblogposting"}


# paths

def passed_over(folder: Path) -> list[Path]:
    """The visible files under `folder` whose kind no reader knows, in name order."""
    return [path for path in _visible_files(folder) if _reader_of(path) is None]


def _visible_files(folder: Path) -> list[Path]:
    found = [path for path in folder.rglob("*") if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)]
    return sorted(found, key=lambda path: path.relative_to(folder).parts)


def read(paths: Sequence[Path | str], standard_input: BinaryIO | None = None) -> Read:
    """The documents of `paths`: files, folders (recursive, in name order, hidden entries left out), or "-".

    "-" is JSONL on `standard_input`. Raises InputError, before anything is read, for a path that does
    not exist. Whatever else cannot be read comes as a Rejection, and the reading goes on.
    """
    for path in paths:
        if str(path) == "-":
            if standard_input is None:
                raise InputError("-: there is no standard input to read")
        elif not Path(path).exists():
            raise InputError(f"{path}: no such file or folder")
    return _read(paths, standard_input)


def _read(paths: Sequence[Path | str], standard_input: BinaryIO | None) -> Read:
    for given in paths:
        if str(given) == "-" and standard_input is not None:
            yield from _read_jsonl("-", "-", standard_input)
            continue
        path = Path(given)
        if path.is_dir():
            for file in _visible_files(path):
                if _reader_of(file) is not None:
                    yield from _read_file(file)
        else:
            yield from _read_file(path)


def _reader_of(path: Path) -> Callable[[str, str, BinaryIO], Read] | None:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes[-1:] == [".gz"]:
        suffixes.pop()
    return READERS.get(suffixes[-1]) if suffixes else None


def _read_file(path: Path) -> Read:
    reader = _reader_of(path)
    if reader is None:
        yield Rejection(str(path), None, f"files of this kind cannot be read; known are {', '.join(READERS)}, and each of them with .gz")
        return
    try:
        with path.open("rb") as handle:
            name = path.name.removesuffix(".gz")
            if path.suffix.lower() == ".gz":
                with gzip.open(handle, "rb") as unpacked:
                    yield from reader(name, str(path), io.BytesIO(unpacked.read()))
            else:
                yield from reader(name, str(path), handle)
    except (OSError, EOFError) as error:
        yield Rejection(str(path), None, f"cannot be read: {error.strerror if isinstance(error, OSError) and error.strerror else error}")


# encodings

def decode(raw: bytes, declared: str | None = None) -> str:
    """`raw` as text: by its byte order mark, as declared, as UTF-8, or as detected where that is beyond doubt.

    A detected encoding is logged as a warning, since it is a guess. Raises InputError with the offset
    of the first byte that cannot be read.
    """
    for mark, codec in ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe\x00\x00", "utf-32"), (b"\x00\x00\xfe\xff", "utf-32"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if raw.startswith(mark):
            return _strictly(raw, codec, "its byte order mark says")
    if declared:
        try:
            "".encode(declared)
        except LookupError as error:
            raise InputError(f"declares the encoding {declared!r}, which is not known; {ENCODING_REMEDY}") from error
        return _strictly(raw, declared, "it declares")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        return _detected(raw, error.start)
    if "\x00" in text:
        raise InputError(f"byte {raw.index(0)} is NUL: not a text; {ENCODING_REMEDY}")
    return text


def _strictly(raw: bytes, codec: str, reason: str) -> str:
    try:
        return raw.decode(codec)
    except UnicodeDecodeError as error:
        raise InputError(f"byte {error.start} is not {codec}, which {reason}; {ENCODING_REMEDY}") from error


def _detected(raw: bytes, offset: int) -> str:
    from charset_normalizer import from_bytes

    best = from_bytes(raw).best() if b"\x00" not in raw else None
    if best is None or best.chaos > MAX_CHAOS or not _plausible(str(best)):
        raise InputError(f"byte {offset} is not UTF-8, and no other encoding fits beyond doubt; {ENCODING_REMEDY}")
    log.warning("the encoding is not declared; read as %s by its look", best.encoding)
    return str(best)


def _plausible(text: str) -> bool:
    """Whether decoded text holds no control character and is mostly letters, spaces and common signs."""
    odd = sum(1 for character in text if (ord(character) < 32 and character not in "\n\r\t\f") or 0x7F <= ord(character) < 0xA0)
    return odd == 0


def _unix(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


# pages

def _read_page(name: str, path: str, handle: BinaryIO) -> Read:
    try:
        text = _unix(decode(handle.read()))
    except InputError as error:
        yield Rejection(path, None, str(error))
        return
    if not text.strip():
        yield Rejection(path, None, "is empty")
        return
    yield Document(name, path, Form.PAGE, text)


def _read_html(name: str, path: str, handle: BinaryIO) -> Read:
    raw = handle.read()
    try:
        declared = re.search(rb"<meta[^>]+charset\s*=\s*[\"']?\s*([A-Za-z0-9_.:-]+)", raw[:4096], re.IGNORECASE) or re.search(rb"^<\?xml[^>]+encoding=[\"']([A-Za-z0-9_.:-]+)", raw[:200])
        source = _unix(decode(raw, declared.group(1).decode("ascii") if declared else None))
        yield html_document(source, name, path)
    except InputError as error:
        yield Rejection(path, None, str(error))


@dataclass
class _Meta:
    """What a page says of itself."""

    title: str = ""
    lang: str | None = None
    source: str | None = None
    url: str | None = None
    published: str | None = None
    body: str = ""


def html_document(source: str, name: str, path: str) -> Document:
    """The article of an HTML page; JSON-LD speaks before meta tags, those before the rest.

    Raises InputError for a page without an article's text.
    """
    import lxml.html
    import trafilatura

    try:
        tree = lxml.html.fromstring(source.encode("utf-8"), parser=lxml.html.HTMLParser(encoding="utf-8"))
    except (lxml.etree.LxmlError, ValueError, AssertionError) as error:
        raise InputError(f"is not HTML that can be read ({str(error).splitlines()[0] if str(error) else type(error).__name__})") from error
    meta = _page_meta(tree)
    text = trafilatura.extract(source, include_comments=False, include_tables=False, deduplicate=False, favor_recall=False, output_format="txt", with_metadata=False) or ""
    paragraphs = [line.strip() for line in _unix(text).split("\n") if line.strip()]
    title = " ".join(meta.title.split())
    while paragraphs and " ".join(paragraphs[0].split()) == title:
        paragraphs.pop(0)
    if not paragraphs and meta.body.strip():
        paragraphs = [line.strip() for line in _unix(meta.body).split("\n") if line.strip()]
    if not paragraphs:
        raise InputError("holds no article text that could be told from its furniture")
    body = "\n".join(paragraphs)
    alternates = {str(link.get("hreflang")): str(link.get("href")) for link in tree.iterfind(".//link[@hreflang]") if link.get("href") and link.get("hreflang") != "x-default"}
    return Document(name, path, Form.ARTICLE, f"{title}\n\n{body}" if title else body, title, None, None, meta.lang, meta.source, meta.url, meta.published, alternates)


def _page_meta(tree: Any) -> _Meta:
    tags: dict[str, str] = {}
    for tag in tree.iterfind(".//meta[@content]"):
        key = str(tag.get("property") or tag.get("name") or tag.get("itemprop") or "").lower()
        if key and tag.get("content").strip():
            tags.setdefault(key, tag.get("content").strip())
    found = _json_ld(tree)
    heading = tree.find(".//h1")
    title = found.get("headline") or tags.get("og:title") or (heading.text_content().strip() if heading is not None else "") or (tree.findtext(".//title") or "")
    canonical = tree.find(".//link[@rel='canonical']")
    publisher = found.get("publisher")
    site = publisher.get("name") if isinstance(publisher, dict) else None
    lang = found.get("inLanguage") or tree.get("lang") or tags.get("og:locale")
    main = found.get("mainEntityOfPage")
    url = found.get("url") or (main.get("@id") if isinstance(main, dict) else main) or tags.get("og:url") or (canonical.get("href") if canonical is not None else None)
    published = found.get("datePublished") or tags.get("article:published_time") or tags.get("date")
    return _Meta(
        title=str(title).strip(),
        lang=str(lang).replace("_", "-") if isinstance(lang, str) and _LANG.match(lang) else None,
        source=str(site or tags.get("og:site_name") or "") or None,
        url=str(url) if isinstance(url, str) else None,
        published=_lenient_date(published),
        body=found["articleBody"] if isinstance(found.get("articleBody"), str) else "",
    )


def _json_ld(tree: Any) -> dict[str, Any]:
    """The first article object of the page's JSON-LD, looked for in lists and @graph; {} if there is none."""
    queue: list[Any] = []
    for script in tree.iterfind(".//script[@type='application/ld+json']"):
        try:
            queue.append(json.loads(script.text or "", strict=False))
        except json.JSONDecodeError:
            continue  # a page's broken metadata does not make its text unreadable
    while queue:
        value = queue.pop(0)
        if isinstance(value, list):
            queue = [*value, *queue]
        elif isinstance(value, dict):
            kinds = value.get("@type")
            names = {str(kind).rsplit("/", 1)[-1].lower() for kind in (kinds if isinstance(kinds, list) else [kinds])}
            if names & _ARTICLE_TYPES:
                return value
            queue += [value["@graph"]] if "@graph" in value else []
    return {}


def _lenient_date(value: object) -> str | None:
    """ISO 8601 of a page's or feed's own date, or None where it cannot be read: the date is an extra there."""
    try:
        return datetime.fromisoformat(str(value).strip()).isoformat() if value else None
    except ValueError:
        return None


# rows

def parse_record(record: Mapping[str, object], name: str, path: str, line: int | None) -> Document:
    """One object of the contract's JSONL shape as a document; `name` is used where it has no id.

    Unknown fields are ignored. Raises InputError with the field, the value and the remedy.
    """
    text = _string(record, "text")
    if text is None or not text.strip():
        raise InputError(f"`text` is {'missing' if 'text' not in record else 'empty'}; every item needs a text")
    if not any(character.isalnum() for character in text):
        raise InputError(f"`text` {text[:30]!r} holds no letter or digit; every item needs a text")
    title = " ".join((_string(record, "title") or "").split())
    given = record.get("id")
    if given is not None and (isinstance(given, bool) or not isinstance(given, str | int)):
        raise InputError(f"`id` {given!r} is neither a string nor an integer")
    external_id = str(given).strip() if given is not None else None
    if external_id == "":
        raise InputError("`id` is empty; leave it out, or give one that stays the same")
    lang = _string(record, "lang")
    if lang and not _LANG.match(lang):
        raise InputError(f"`lang` {lang!r} is not a BCP 47 code such as en, ja, de or it")
    published = _string(record, "published")
    if published:
        try:
            published = datetime.fromisoformat(published.strip()).isoformat()
        except ValueError as error:
            raise InputError(f"`published` {published!r} is not ISO 8601; write 2026-03-04 or 2026-03-04T08:15:00+01:00") from error
    body = _unix(text).strip()
    return Document(
        external_id or name, path, Form.ARTICLE, f"{title}\n\n{body}" if title else body, title, external_id, line,
        lang.replace("_", "-") if lang else None, _string(record, "source") or None, _string(record, "url") or None, published or None,
    )  # fmt: skip


def _string(record: Mapping[str, object], field: str) -> str | None:
    value = record.get(field)
    if value is None:
        return None
    if not isinstance(value, str):
        raise InputError(f"`{field}` is {json.dumps(value, ensure_ascii=False, default=str)[:40]}, not a string")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InputError(f"`{field}` holds half a surrogate pair at character {error.start}, which is no character; send valid Unicode") from error
    if "\x00" in value:
        raise InputError(f"`{field}` holds a NUL character at {value.index(chr(0))}; remove it")
    return value


def _row(record: Mapping[str, object], name: str, path: str, line: int) -> Document | Rejection:
    try:
        return parse_record(record, f"{name}:{line}", path, line)
    except InputError as error:
        return Rejection(path, line, str(error))


def _read_jsonl(name: str, path: str, handle: BinaryIO) -> Read:
    for number, raw in enumerate(handle, 1):
        if number == 1 and raw.startswith((b"\xff\xfe", b"\xfe\xff")):
            yield Rejection(path, 1, f"is UTF-16; JSON is UTF-8: {ENCODING_REMEDY.split(',')[0]}")
            return
        try:
            line = raw.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            yield Rejection(path, number, f"byte {error.start} of the line is not UTF-8; JSON is UTF-8")
            continue
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (json.JSONDecodeError, RecursionError) as error:
            reason = f"column {error.colno}: {error.msg}" if isinstance(error, json.JSONDecodeError) else "nested too deeply"
            yield Rejection(path, number, f"is not JSON ({reason}); one object a line")
            continue
        if not isinstance(record, dict):
            yield Rejection(path, number, f"is {type(record).__name__}, not an object; one object a line")
            continue
        yield _row(record, name, path, number)


def _read_csv(name: str, path: str, handle: BinaryIO, delimiter: str = ",") -> Read:
    csv.field_size_limit(sys.maxsize)
    try:
        text = decode(handle.read())
    except InputError as error:
        yield Rejection(path, None, str(error))
        return
    first_line = text.split("\n", 1)[0]
    if delimiter == "," and first_line.count(";") > first_line.count(","):
        delimiter = ";"  # what a spreadsheet of a decimal-comma country saves
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        header = [column.strip() for column in next(rows)]
    except (StopIteration, csv.Error) as error:
        yield Rejection(path, 1, f"has no header that can be read ({error or 'the file is empty'})")
        return
    if "text" not in header or len(set(header)) != len(header):
        problem = f"names {next(column for column in header if header.count(column) > 1)!r} twice" if "text" in header else "has no column `text`"
        yield Rejection(path, 1, f"the header {problem}; columns are id, title, text, lang, source, url, published")
        return
    while True:
        started = rows.line_num + 1
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            yield Rejection(path, started, f"is not CSV ({error})")
            continue
        if not row:
            continue
        if len(row) != len(header):
            yield Rejection(path, started, f"has {len(row)} columns, the header {len(header)}")
            continue
        yield _row({column: value for column, value in zip(header, row, strict=True) if value != "" or column == "text"}, name, path, started)


def _read_tsv(name: str, path: str, handle: BinaryIO) -> Read:
    return _read_csv(name, path, handle, "\t")


def _read_parquet(name: str, path: str, handle: BinaryIO) -> Read:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(handle)
    except (pa.ArrowException, OSError) as error:
        yield Rejection(path, None, f"is not Parquet that can be read ({str(error).splitlines()[0]})")
        return
    columns = [column for column in ("id", "title", "text", "lang", "source", "url", "published") if column in table.schema_arrow.names]
    if "text" not in columns:
        yield Rejection(path, None, f"has no column `text`, only {', '.join(table.schema_arrow.names[:8])}")
        return
    number = 0
    try:
        for batch in table.iter_batches(batch_size=1024, columns=columns):
            for record in batch.to_pylist():
                number += 1
                moment = record.get("published")
                if isinstance(moment, datetime) or hasattr(moment, "isoformat"):
                    record["published"] = moment.isoformat()
                yield _row(record, name, path, number)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        yield Rejection(path, number + 1, f"the rest of the file cannot be read ({str(error).splitlines()[0]})")


# feeds

def _read_feed(name: str, path: str, handle: BinaryIO) -> Read:
    import feedparser

    raw = handle.read()
    found = feedparser.parse(io.BytesIO(raw), sanitize_html=True, resolve_relative_uris=False)
    if not found.get("version"):
        yield Rejection(path, None, "is not an RSS or Atom feed")
        return
    if found.get("bozo") and not isinstance(found.bozo_exception, feedparser.CharacterEncodingOverride | feedparser.NonXMLContentType):
        error = found.bozo_exception
        line = error.getLineNumber() if hasattr(error, "getLineNumber") else None
        if not found.entries:
            yield Rejection(path, line, f"is not well-formed XML ({error})")
            return
        yield Rejection(path, line, f"is not well-formed XML ({error}); what could be made out was read")
    feed = found.feed
    for number, entry in enumerate(found.entries, 1):
        content = next((part.get("value", "") for part in entry.get("content", ()) if part.get("value")), "")
        text = _text_of_html(content or entry.get("summary", ""))
        moment = entry.get("published_parsed") or entry.get("updated_parsed")
        record = {
            "id": entry.get("id") or entry.get("link") or None,
            "title": _text_of_html(entry.get("title", "")),
            "text": text,
            "lang": next((lang for lang in (entry.get("language"), feed.get("language")) if lang and _LANG.match(lang)), None),
            "source": _text_of_html(feed.get("title", "")) or None,
            "url": entry.get("link") or None,
            "published": datetime(*moment[:6], tzinfo=UTC).isoformat() if moment else None,
        }
        if not text and record["title"]:
            yield Rejection(path, number, f"entry {number} ({str(record['title'])[:60]!r}) has a title and no text")
            continue
        yield _row(record, name, path, number)


def _text_of_html(markup: str) -> str:
    """The text of a piece of HTML, a line for each block."""
    import lxml.html

    if "<" not in markup and "&" not in markup:
        return markup.strip()
    try:
        tree = lxml.html.fromstring(f"<div>{markup}</div>")
    except (lxml.etree.LxmlError, ValueError):
        return markup.strip()
    for block in tree.iter("p", "br", "div", "li", "h1", "h2", "h3", "h4", "blockquote"):
        block.tail = "\n" + (block.tail or "")
    for gone in tree.xpath(".//script|.//style"):
        gone.getparent().remove(gone)
    lines = (" ".join(line.split()) for line in tree.text_content().split("\n"))
    return "\n".join(line for line in lines if line)


READERS: dict[str, Callable[[str, str, BinaryIO], Read]] = {
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
