"""The feed of changes, and what was: a story's history, an item's texts."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from align.shapes import change_shape, revision_shape
from service.access import Reader
from service.api.health import Served
from service.api.paging import Cursor, Limit, decode_cursor, page_of
from service.api.schemas import ITEM_PATH, ChangesPage, RevisionsPage, errors
from service.api.strict import StrictRoute

router = APIRouter(tags=["changes"], route_class=StrictRoute)


@router.get("/v1/changes", response_model=ChangesPage, responses=errors())
def get_changes(
    request: Request, response: Response, pipeline: Served, caller: Reader,
    after: Annotated[int, Query(ge=0, lt=2**63, description="Number of the last change seen; 0 for all.")] = 0,
    cursor: Cursor = None, limit: Limit = 100,
) -> dict[str, Any]:  # fmt: skip
    """What happened to stories, oldest first. Keep `after` and ask again with it: nothing is missed or told twice."""
    begun = decode_cursor(cursor, int)
    start = int(str(begun[0])) if begun else after
    found = pipeline.changes(start, limit + 1)
    shown, following = page_of(request, response, found, limit, lambda change: (change.number,))
    return {
        "items": [change_shape(change) for change in shown],
        "next": following,
        "after": shown[-1].number if shown else start,
    }


@router.get("/v1/clusters/{cluster_id}/history", response_model=ChangesPage, responses=errors(404))
def get_history(cluster_id: str, pipeline: Served, caller: Reader) -> dict[str, Any]:
    """Every change that a story had a part in, oldest first."""
    found = pipeline.history(cluster_id)
    return {"items": [change_shape(change) for change in found], "next": None, "after": found[-1].number}


@router.get("/v1/items/{item_id:path}/revisions", response_model=RevisionsPage, responses=errors(404))
def get_revisions(item_id: ITEM_PATH, pipeline: Served, caller: Reader) -> dict[str, Any]:
    """Every text that an item has had, oldest first."""
    return {"items": [revision_shape(revision) for revision in pipeline.revisions(item_id)], "next": None}
