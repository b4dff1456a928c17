"""Files, feeds and pages → documents.

Every reader is a generator of documents and rejections: what cannot be read is reported with its
place and reason, and the rest goes on. Rows are streamed; pages and feeds are read whole. What only
some formats need (trafilatura, lxml, feedparser, pyarrow, charset-normalizer) is imported where it is used.
"""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from align.articles import read_html
from align.encodings import decode
from align.errors import InputError
from align.feeds import read_feed
from align.records import Document, Form, Rejection
from align.rows import read_csv, read_jsonl, read_parquet, read_tsv

Read = Iterator[Document | Rejection]
Reader = Callable[[str, str, BinaryIO], Read]
"""(name, path, handle) → what the file holds; raises nothing but what the handle itself raises."""


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
            yield from _until_fault("-", read_jsonl("-", "-", standard_input))
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


READERS: dict[str, Reader] = {
    ".txt": _read_page,
    ".html": read_html,
    ".htm": read_html,
    ".jsonl": read_jsonl,
    ".ndjson": read_jsonl,
    ".csv": read_csv,
    ".tsv": read_tsv,
    ".parquet": read_parquet,
    ".xml": read_feed,
    ".rss": read_feed,
    ".atom": read_feed,
}
"""By suffix, in lower case; each also with .gz."""
