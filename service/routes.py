"""The routes under /v1: thin handlers over the pipeline, answering in the contract's shapes."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from align.errors import InputError, NotFoundError
from align.pipeline import Pipeline
from align.records import Document, Rejection
from align.rows import parse_record
from align.shapes import checked_shape, cluster_shape, item_shape, variants_shape
from service.schemas import (
    CheckOut,
    ClusterOut,
    ClustersPage,
    ItemIn,
    ItemOut,
    ItemsPage,
    LookupOut,
    Problem,
    ResultsOut,
    TextIn,
    VariantsOut,
)

api = APIRouter(responses={404: {"model": Problem}, 422: {"model": Problem}})


def the_pipeline(request: Request) -> Pipeline:
    """The index that this service serves."""
    pipeline: Pipeline = request.app.state.pipeline
    return pipeline


Served = Annotated[Pipeline, Depends(the_pipeline)]
Limit = Annotated[int, Query(ge=1, le=500, description="Entries on a page.")]
Cursor = Annotated[str | None, Query(description="`next` of the page before.")]


def _encode_cursor(value: str) -> str:
    return base64.urlsafe_b64encode(value.encode()).decode().rstrip("=")


def _decode_cursor(cursor: str | None) -> str:
    if not cursor:
        return ""
    try:
        return base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise InputError(
            f"cursor {cursor!r} is none that this service gave; leave it out to begin at the first page"
        ) from error


def _link_next(request: Request, response: Response, following: str | None) -> None:
    if following:
        response.headers["Link"] = f'<{request.url.include_query_params(cursor=following)}>; rel="next"'


@api.get("/healthz", tags=["service"])
def healthz() -> dict[str, str]:
    """Whether the process answers."""
    return {"status": "ok"}


@api.get("/readyz", tags=["service"])
def readyz(pipeline: Served) -> dict[str, Any]:
    """Whether the index answers."""
    return {"status": "ready", "items": pipeline.store.count_items()}


_ITEM_SCHEMA = ItemIn.model_json_schema()
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"anyOf": [_ITEM_SCHEMA, {"type": "array", "items": _ITEM_SCHEMA}]},
                "example": _ITEM_SCHEMA["examples"][0],
            },
            "application/x-ndjson": {"schema": {"type": "string"}},
        },
    }
}


@api.post("/v1/items", tags=["items"], openapi_extra=_BODY)
async def post_items(request: Request, pipeline: Served) -> ResultsOut:
    """Store one item, a list of items, or NDJSON; each gets its own result, in the order sent."""
    body = await request.body()
    ndjson = "ndjson" in request.headers.get("content-type", "") or "jsonl" in request.headers.get("content-type", "")
    documents = _documents(body, ndjson)
    report = await run_in_threadpool(pipeline.ingest_documents, documents)
    waiting: dict[str, list[Any]] = {}
    for outcome in report.outcomes:
        waiting.setdefault(outcome.document, []).append(outcome)
    results = []
    for document in documents:
        name = document.name if isinstance(document, Document) else f"{document.path}:{document.line}"
        outcome = waiting[name].pop(0)
        results.append(
            {
                "id": outcome.item_ids[0] if outcome.item_ids else None,
                "document": outcome.document,
                "status": outcome.status,
                "reason": outcome.reason,
            }
        )
    return ResultsOut.model_validate({"results": results})


def _documents(body: bytes, ndjson: bool) -> list[Document | Rejection]:
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"the body's byte {error.start} is not UTF-8; send UTF-8") from error
    if ndjson:
        return [_document(line, number) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(
            f"the body is not JSON (line {error.lineno}, column {error.colno}: {error.msg}); for one object a line send Content-Type: application/x-ndjson"
        ) from error
    records = value if isinstance(value, list) else [value]
    return [_document(record, number) for number, record in enumerate(records, 1)]


def _document(record: object, number: int) -> Document | Rejection:
    try:
        value = json.loads(record) if isinstance(record, str) else record
        if not isinstance(value, dict):
            raise InputError(f"entry {number} is {type(value).__name__}, not an object with a text")
        return parse_record(value, f"request:{number}", "request", number)
    except json.JSONDecodeError as error:
        return Rejection("request", number, f"not JSON (column {error.colno}: {error.msg})")
    except InputError as error:
        return Rejection("request", number, str(error))


@api.get("/v1/items", tags=["items"])
def get_items(
    request: Request, response: Response, pipeline: Served, cursor: Cursor = None, limit: Limit = 100
) -> ItemsPage:
    """Items in order of arrival."""
    after = _decode_cursor(cursor) or "0"
    if not after.isdigit():
        raise InputError(f"cursor {cursor!r} is not one of this list; leave it out to begin at the first page")
    found = pipeline.store.items(int(after), limit + 1)
    following = _encode_cursor(str(found[limit - 1][0])) if len(found) > limit else None
    _link_next(request, response, following)
    return ItemsPage.model_validate({"items": [item_shape(item) for _, item in found[:limit]], "next": following})


@api.get("/v1/items/{item_id}", tags=["items"])
def get_item(item_id: str, pipeline: Served) -> ItemOut:
    """One item, by id or external id."""
    return ItemOut.model_validate(item_shape(pipeline.find(item_id)))


@api.delete("/v1/items/{item_id}", tags=["items"], status_code=204)
def delete_item(item_id: str, pipeline: Served) -> None:
    """Delete an item; the other versions of its story stay."""
    pipeline.delete(item_id)


@api.get("/v1/items/{item_id}/variants", tags=["items"])
def get_variants(
    item_id: str, pipeline: Served, lang: Annotated[list[str] | None, Query(description="Only these languages.")] = None
) -> VariantsOut:
    """The other versions of an item's story, best first."""
    return VariantsOut.model_validate(variants_shape(*pipeline.variants(item_id, lang or ())))


@api.post("/v1/lookup", tags=["drafts"])
def lookup(body: TextIn, pipeline: Served) -> LookupOut:
    """The versions of a text; nothing is stored."""
    checked = pipeline.check(body.text, body.title, body.published)
    variants = checked_shape(checked)["matches"]
    cluster = variants[0]["cluster"] if variants else None
    return LookupOut.model_validate({"item": item_shape(checked.item), "cluster": cluster, "variants": variants})


@api.post("/v1/check", tags=["drafts"])
def check(body: TextIn, pipeline: Served) -> CheckOut:
    """Whether a draft's story is covered already, in which languages, by which items; nothing is stored."""
    return CheckOut.model_validate(checked_shape(pipeline.check(body.text, body.title, body.published)))


@api.get("/v1/clusters", tags=["clusters"])
def get_clusters(
    request: Request, response: Response, pipeline: Served, cursor: Cursor = None, limit: Limit = 100
) -> ClustersPage:
    """The stories, in order of their first items' arrival, single items included."""
    with pipeline.store.reading():
        names = pipeline.store.cluster_ids(_decode_cursor(cursor), limit + 1)
        shapes = [_cluster(pipeline, name) for name in names[:limit]]
    following = _encode_cursor(names[limit - 1]) if len(names) > limit else None
    _link_next(request, response, following)
    return ClustersPage.model_validate({"items": shapes, "next": following})


@api.get("/v1/clusters/{cluster_id}", tags=["clusters"])
def get_cluster(cluster_id: str, pipeline: Served) -> ClusterOut:
    """One story."""
    return ClusterOut.model_validate(_cluster(pipeline, cluster_id))


def _cluster(pipeline: Pipeline, cluster_id: str) -> dict[str, Any]:
    cluster = pipeline.cluster(cluster_id)
    items = pipeline.members(cluster)
    if not items:
        raise NotFoundError(f"cluster {cluster_id!r} has just lost its last item")
    return cluster_shape(cluster, items)
