"""Rows → documents: JSONL, CSV, TSV and Parquet, streamed."""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import json
import logging
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, BinaryIO

from align.encodings import ENCODING_REMEDY, detected_codec, marked_codec, unix_newlines
from align.errors import InputError
from align.instants import parse_moment
from align.records import Document, Form, Rejection

log = logging.getLogger("samestory")
Read = Iterator[Document | Rejection]

FIELDS = ("id", "title", "text", "lang", "source", "url", "published")
"""The names of the contract's JSONL shape, and so of the columns of a table."""
MAX_FIELD = 10_000_000
"""Most characters in one CSV field; an unclosed quote must not take the rest of a large file into memory."""
SAMPLE = 65_536
"""Bytes of a CSV file's undecodable lines that its encoding is detected from."""
LANG_CODE = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{1,8})*")


def parse_record(record: Mapping[str, object], name: str, path: str, line: int | None) -> Document:
    """One object of the contract's JSONL shape as a document, named by its `id`, or `name` where it has none.

    Unknown fields are ignored, and null is the same as no field. Raises InputError with the field, the
    value and the remedy.
    """
    text = string_field(record, "text")
    if not text or not text.strip():
        raise InputError(f"`text` is {'empty' if 'text' in record else 'missing'}; every item needs a text")
    if not any(sign.isalnum() for sign in text):
        raise InputError(f"`text` {text[:30]!r} holds no letter or digit; every item needs a text")
    title = " ".join((string_field(record, "title") or "").split())
    external_id = _external_id(record)
    lang = string_field(record, "lang")
    if lang and not LANG_CODE.fullmatch(lang):
        raise InputError(f"`lang` {lang[:40]!r} is not a BCP 47 code; write en, ja, de, it or another, or leave it out")
    published = string_field(record, "published")
    if published:
        try:
            published = parse_moment(published).isoformat()
        except InputError as error:
            raise InputError(f"`published` {error}, or leave it out") from error
    body = unix_newlines(text)
    return Document(
        name=external_id or name,
        path=path,
        form=Form.ARTICLE,
        text=f"{title}\n\n{body}" if title else body,
        title=title,
        external_id=external_id,
        line=line,
        lang=lang.replace("_", "-") if lang else None,
        source=string_field(record, "source") or None,
        url=string_field(record, "url") or None,
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
        raise InputError(f"`id` {shown(given)} is neither a string nor an integer; write it in quotes")
    external_id = string_field(record, "id")
    if external_id is not None and not external_id.strip():
        raise InputError("`id` is empty; leave it out, or give one that stays the same")
    return external_id


def string_field(record: Mapping[str, object], field: str) -> str | None:
    """The field as a string, None if it is not there. Raises InputError for what is not Unicode text."""
    value = record.get(field)
    if value is None:
        return None
    if not isinstance(value, str):
        raise InputError(f"`{field}` is {shown(value)}, not a string; write it in quotes")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InputError(
            f"`{field}` holds half a surrogate pair (U+{ord(value[error.start]):04X}) at character {error.start}; send valid Unicode"
        ) from error
    if "\x00" in value:
        raise InputError(f"`{field}` holds NUL at character {value.index(chr(0))}; remove it")
    return value


def shown(value: object) -> str:
    """A JSON value as it is written, cut to 40 characters with an ellipsis."""
    try:
        shown = json.dumps(value, ensure_ascii=False, default=repr)
    except ValueError:
        shown = type(value).__name__
    return shown if len(shown) <= 40 else shown[:40] + "…"


def document_of_row(record: Mapping[str, object], name: str, path: str, line: int) -> Document | Rejection:
    """The record as a document, or a Rejection with its line."""
    try:
        return parse_record(record, f"{name}:{line}", path, line)
    except InputError as error:
        return Rejection(path, line, str(error))


def read_jsonl(name: str, path: str, handle: BinaryIO) -> Read:
    """Documents of JSONL, one object a line; a faulty line is a Rejection with its number."""
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
                yield document_of_row(record, name, path, number)
            else:
                yield Rejection(path, number, f"is {shown(record)}, not an object; write one object a line")


def _jsonl_lines(handle: BinaryIO) -> Iterator[bytes]:
    """The lines in UTF-8; a file that begins with the mark of UTF-16 or UTF-32, as PowerShell writes it, is converted."""
    first = handle.readline()
    codec = marked_codec(first)
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


def read_csv(name: str, path: str, handle: BinaryIO, delimiter: str = ",") -> Read:
    """Documents of CSV with a header; a faulty row is a Rejection with the number of its first line."""
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
                yield document_of_row(
                    {column: cell for column, cell in cells if cell or column == "text"}, name, path, line
                )


def _row_fault(row: list[str], columns: list[str], codec: str, delimiter: str) -> str:
    """What is wrong with a row before its values are looked at, "" if nothing is."""
    if len(row) != len(columns):
        return f"has {len(row)} columns where the header has {len(columns)}; quote fields that hold {delimiter!r}"
    for column, cell in zip(columns, row, strict=True):
        if stray := re.search("[\udc80-\udcff]", cell):
            return f"byte 0x{ord(stray.group()) - 0xDC00:02X} in column {column!r} is not {codec}; {ENCODING_REMEDY}"
    return ""


def read_tsv(name: str, path: str, handle: BinaryIO) -> Read:
    """The same, separated by tabs."""
    return read_csv(name, path, handle, "\t")


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
    marked = marked_codec(handle.read(4))
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
    detected = detected_codec(bytes(sample)) if bad > good else None
    if detected is None:
        return "utf-8-sig"
    log.warning("%s: the encoding is not declared; read as %s, by its look", path, detected)
    return detected


def read_parquet(name: str, path: str, handle: BinaryIO) -> Read:
    """Documents of Parquet, read in batches; `line` is the row number."""
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
                    yield document_of_row(record, name, path, number)
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
