"""Items: sent, read, deleted, and their variants."""

from __future__ import annotations

from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse

from align.ingesting import Outcome
from align.listing import ItemFilter, list_items
from align.records import Document, Rejection
from align.shapes import item_shape, variants_shape
from service.access import Contributor, Reader
from service.api.filters import VariantFilter, item_filter, variant_filter
from service.api.health import Served
from service.api.paging import Cursor, Limit, decode_cursor, page_of
from service.api.schemas import ITEM_EXAMPLES, ITEM_PATH, ItemIn, ItemOut, ItemsPage, ResultsOut, VariantsOut, errors
from service.api.strict import StrictRoute
from service.entries import Entry, is_ndjson, read_entries
from service.problems import TooLargeError
from service.repeats import PARAMETER, answered_once
from service.settings import Settings

router = APIRouter(tags=["items"], route_class=StrictRoute)
LARGE = 1 << 16
"""Bytes from which on a body is read by a thread, so that other requests are answered meanwhile; below, the way there costs more."""
FEW = 24
"""Most items of a story whose variants are worked out between two requests; those of a larger one by a thread."""
_SCHEMA = ItemIn.model_json_schema()
ITEMS_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"anyOf": [_SCHEMA, {"type": "array", "items": _SCHEMA}]}, "examples": ITEM_EXAMPLES["json"]},
            "application/x-ndjson": {"schema": {"type": "string"}, "examples": ITEM_EXAMPLES["ndjson"]},
        },
    },
    "parameters": [PARAMETER],
}  # fmt: skip


@router.post("/v1/items", openapi_extra=ITEMS_BODY, response_model=ResultsOut, responses=errors(409, 413, 415, 503))
async def post_items(request: Request, caller: Contributor) -> Response:
    """Store one item, a list of items, or NDJSON; each gets its own result, in the order sent.

    What has been answered is stored, and its variants are found. An item with an `id` that was sent
    before is updated; one without is known by its content.
    """
    settings: Settings = request.app.state.settings
    body = await request.body()
    ndjson = is_ndjson(request.headers.get("content-type", ""))
    if len(body) < LARGE:
        entries = read_entries(body, ndjson, settings.max_item_characters)
    else:
        entries = await to_thread.run_sync(read_entries, body, ndjson, settings.max_item_characters)
    if len(entries) > settings.max_items:
        raise TooLargeError(
            f"{len(entries)} items are over the {settings.max_items} of one request; send them as a job (POST /v1/jobs)"
        )

    async def work() -> Response:
        documents = [entry for entry in entries if isinstance(entry, Document)]
        outcomes = iter(await request.app.state.writer.ingest(documents))
        return JSONResponse(
            {"results": [_result(entry, None if isinstance(entry, Rejection) else next(outcomes)) for entry in entries]}
        )

    return await answered_once(request, request.app.state.ledger, caller, body, work)


def _result(entry: Entry, outcome: Outcome | None) -> dict[str, Any]:
    if isinstance(entry, Rejection) or outcome is None:
        reason = entry.reason if isinstance(entry, Rejection) else None
        return {"id": None, "document": f"request:{entry.line}", "status": "rejected", "reason": reason}
    item_id = outcome.item_ids[0] if outcome.item_ids else None
    return {"id": item_id, "document": outcome.document, "status": outcome.status, "reason": outcome.reason}


@router.get("/v1/items", response_model=ItemsPage, responses=errors())
def get_items(
    request: Request,
    response: Response,
    pipeline: Served,
    caller: Reader,
    wanted: Annotated[ItemFilter, Depends(item_filter)],
    cursor: Cursor = None,
    limit: Limit = 100,
) -> dict[str, Any]:
    """Items in order of arrival; filters may be combined."""
    after = decode_cursor(cursor, int)
    found = list_items(pipeline.store, wanted, int(str(after[0])) if after else 0, limit + 1)
    shown, following = page_of(request, response, found, limit, lambda entry: (entry[0],))
    return {"items": [item_shape(item) for _, item in shown], "next": following}


@router.get("/v1/items/{item_id:path}/variants", response_model=VariantsOut, responses=errors(404))
async def get_variants(
    item_id: ITEM_PATH, pipeline: Served, caller: Reader, wanted: Annotated[VariantFilter, Depends(variant_filter)]
) -> Response:
    """The other versions of an item's story, best first; filters may be combined."""

    def found() -> Response:
        item, cluster, variants = pipeline.variants(item_id)
        return JSONResponse(variants_shape(item, cluster, [variant for variant in variants if wanted(variant)]))

    # Half a millisecond's work: the way to a thread and back, and the turns that the two take, would cost more.
    if pipeline.count_versions(item_id) <= FEW:
        return found()
    return await to_thread.run_sync(found)


@router.get("/v1/items/{item_id:path}", response_model=ItemOut, responses=errors(404))
def get_item(item_id: ITEM_PATH, pipeline: Served, caller: Reader) -> Response:
    """One item, by id or external id."""
    return JSONResponse(item_shape(pipeline.find(item_id)))


@router.delete("/v1/items/{item_id:path}", status_code=204, responses=errors(404, 503))
async def delete_item(request: Request, item_id: ITEM_PATH, caller: Contributor) -> None:
    """Delete an item; the other versions of its story stay."""
    await request.app.state.writer.call("delete", item_id)
