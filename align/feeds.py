"""RSS and Atom → documents, an entry each."""

from __future__ import annotations

import io
import re
from calendar import timegm
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, BinaryIO

from align.articles import XML_ENCODING, html_lines, lenient_date, plain_lines
from align.encodings import decode
from align.errors import InputError
from align.records import Document, Rejection
from align.rows import LANG_CODE, document_of_row

Read = Iterator[Document | Rejection]


def read_feed(name: str, path: str, handle: BinaryIO) -> Read:
    """Documents of an RSS or Atom feed, and a Rejection for each entry or part that cannot be read."""
    raw = handle.read()
    declared = XML_ENCODING.search(raw[:1024])
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
        yield document_of_row(_feed_record(entry, found.feed), name, path, number)
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
        "lang": next((lang for lang in langs if lang and LANG_CODE.fullmatch(lang)), None),
        "source": " ".join(_plain(feed.get("title_detail") or {"value": ""})) or None,
        "url": entry.get("link") or None,
        "published": _feed_date(entry, stamps[0]) if stamps else None,
    }


def _plain(detail: Mapping[str, Any]) -> list[str]:
    """The lines of a feed's text construct."""
    value = str(detail.get("value") or "")
    if detail.get("type") == "text/plain":
        return plain_lines(value)
    return html_lines(value)


def _feed_date(entry: Any, key: str) -> str | None:
    """The entry's date as it gives it, or where only feedparser can read it, in UTC."""
    parsed = entry.get(f"{key}_parsed")
    return lenient_date(entry[key]) or (datetime.fromtimestamp(timegm(parsed), UTC).isoformat() if parsed else None)
