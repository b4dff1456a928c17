"""Missing translations: which story is not in which language, newest first, to look at or to take along."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from align.listing import ClusterFilter, Newest, list_newest_clusters
from align.pipeline import Pipeline
from align.records import Item
from align.shapes import LANGUAGES, headline
from service.access import Reader
from service.api.health import Served
from service.api.paging import decode_cursor, encode_cursor
from service.desk.pages import latest, render

router = APIRouter(include_in_schema=False)
ROWS = 100


def _wanted(lang: str, several: bool) -> ClusterFilter:
    missing = (lang,) if lang in LANGUAGES else ()
    return ClusterFilter(missing=missing, n_langs=2 if several else 1, incomplete=LANGUAGES)


def _by_lang(items: list[Item]) -> dict[str, list[Item]]:
    return {lang: [item for item in items if item.lang == lang] for lang in LANGUAGES}


@router.get("/missing")
def matrix(
    request: Request, pipeline: Served, caller: Reader, lang: str = "", several: bool = False, cursor: str = ""
) -> Any:
    """Stories by language."""
    after = decode_cursor(cursor, float, int)
    place = (float(str(after[0])), int(str(after[1]))) if after else None
    with pipeline.store.reading():
        found = list_newest_clusters(pipeline.store, _wanted(lang, several), place, ROWS + 1)
        rows = [
            (name, items, _by_lang(items)) for _, name in found[:ROWS] for items in [pipeline.store.cluster_items(name)]
        ]
    following = encode_cursor(found[ROWS - 1][0]) if len(found) > ROWS else None
    return render(request, "missing.html", rows=rows, following=following, lang=lang, several=several)


@router.get("/missing.csv")
def export(pipeline: Served, caller: Reader, lang: str = "", several: bool = False) -> Response:
    """The whole matrix as CSV, UTF-8 with a mark that spreadsheets need."""
    name = "missing-translations.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(
        _lines(pipeline, _wanted(lang, several)), media_type="text/csv; charset=utf-8", headers=headers
    )


def _lines(pipeline: Pipeline, wanted: ClusterFilter) -> Iterator[str]:
    yield "\ufeff" + _line(["story", "published", "headline", "source", *LANGUAGES, "missing"])
    place: Newest | None = None
    while found := list_newest_clusters(pipeline.store, wanted, place, 500):
        place = found[-1][0]
        for _, name in found:
            items = pipeline.store.cluster_items(name)
            by_lang = _by_lang(items)
            if items:
                missing = " ".join(lang for lang in LANGUAGES if not by_lang[lang])
                counts = [len(by_lang[lang]) for lang in LANGUAGES]
                yield _line([name, latest(items), headline(items[0], 300), items[0].source or "", *counts, missing])


def _line(cells: list[Any]) -> str:
    # A cell that begins like a formula would be run by a spreadsheet.
    safe = [
        f"'{cell}" if isinstance(cell, str) and cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell
        for cell in cells
    ]
    out = io.StringIO()
    csv.writer(out).writerow(safe)
    return out.getvalue()
