"""Sent bytes → documents and rejections, one an entry, the same for requests and jobs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator

from align.errors import InputError
from align.records import Document, Rejection
from align.rows import parse_record, shown

NDJSON = ("application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines")
UNREADABLE = "nested too deeply, or with an integer of over 4300 digits"
"""What Python's parser does not read of JSON."""
Entry = Document | Rejection


def is_ndjson(content_type: str) -> bool:
    """Whether a Content-Type says one JSON value a line."""
    return content_type.partition(";")[0].strip().lower() in NDJSON


def read_entries(body: bytes, ndjson: bool, max_characters: int) -> list[Entry]:
    """The entries of a request's body: one object, a list, or a line each. Raises InputError for a body that is none."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"the body's byte {error.start} is not UTF-8; send UTF-8") from error
    if ndjson:
        return list(read_lines(text.split("\n"), max_characters))
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}: {error.msg}"
        raise InputError(
            f"the body is not JSON ({where}); for one object a line send Content-Type: {NDJSON[0]}"
        ) from error
    except (RecursionError, ValueError) as error:
        raise InputError(f"the body is JSON {UNREADABLE}; send items, which are flat objects") from error
    records = value if isinstance(value, list) else [value]
    return [_entry(record, number, max_characters) for number, record in enumerate(records, 1)]


def read_lines(lines: Iterable[str], max_characters: int) -> Iterator[Entry]:
    """An entry for each line that is not blank; line numbers count from 1, blank lines included."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except json.JSONDecodeError as error:
            yield Rejection("request", number, f"not JSON (column {error.colno}: {error.msg})")
        except (RecursionError, ValueError):
            yield Rejection("request", number, f"JSON {UNREADABLE}; an item is a flat object")
        else:
            yield _entry(value, number, max_characters)


def _entry(value: object, number: int, max_characters: int) -> Entry:
    if not isinstance(value, dict):
        return Rejection("request", number, f"entry {number} is {shown(value)}, not an object with a text")
    # Without an id the content is the name: sent again it is the same item, and no other item is overwritten.
    name = "posted-" + hashlib.blake2b(json.dumps(value, sort_keys=True).encode(), digest_size=8).hexdigest()
    try:
        json.dumps(value, ensure_ascii=False).encode()  # a lone surrogate is no character, and nothing could store it
        document = parse_record(value, name, name, number)
    except InputError as error:
        return Rejection("request", number, str(error))
    except UnicodeEncodeError:
        return Rejection(
            "request", number, "it holds half of a surrogate pair, which is no character; send whole characters"
        )
    if len(document.text) > max_characters:
        reason = (
            f"{len(document.text)} characters are over the {max_characters} that an item may have; send it in parts"
        )
        return Rejection("request", number, reason)
    return document
