"""Editors' corrections, and the queue of pairs worth one."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse

from align.errors import InputError
from align.queueing import LOOKED_AT
from align.records import Decision
from align.shapes import decision_shape, queued_shape
from service.access import Caller, Editor, Reader
from service.api.filters import VariantFilter, variant_filter
from service.api.health import Served
from service.api.paging import Cursor, Limit, decode_cursor, page_of
from service.api.schemas import DecisionIn, DecisionOut, DecisionsPage, QueuePage, errors
from service.api.strict import StrictRoute
from service.repeats import PARAMETER, answered_once

router = APIRouter(tags=["decisions"], route_class=StrictRoute)


def decided_by(caller: Caller, named: str) -> str:
    """Who decides: the key's holder, who may name a person; on an open service whoever is named, or anyone."""
    if caller.key_id and named and named != caller.name:
        return f"{named} ({caller.name})"
    return named or caller.name


@router.post(
    "/v1/decisions",
    status_code=201,
    openapi_extra={"parameters": [PARAMETER]},
    response_model=DecisionOut,
    responses=errors(404, 409, 415),
)
async def post_decision(request: Request, decision: DecisionIn, caller: Editor) -> Response:
    """Confirm, separate, split or mark as translation; applied at once, and kept in every later run.

    A decision that contradicts earlier ones is a 409 whose `conflicts` would have to be undone first.
    """

    async def work() -> Response:
        by = decided_by(caller, decision.by)
        made: Decision = await request.app.state.writer.call("decide", decision.kind, decision.items, by, decision.note)
        return JSONResponse(decision_shape(made), 201)

    return await answered_once(request, request.app.state.ledger, caller, await request.body(), work)


@router.get("/v1/decisions", response_model=DecisionsPage, responses=errors())
def get_decisions(
    request: Request, response: Response, pipeline: Served, caller: Reader,
    undone: Annotated[bool, Query(description="Those taken back too.")] = False, cursor: Cursor = None, limit: Limit = 100,
) -> dict[str, Any]:  # fmt: skip
    """The corrections that hold, oldest first."""
    after = decode_cursor(cursor, str)
    found = pipeline.decisions(undone)
    if after:
        names = [decision.id for decision in found]
        if after[0] not in names:
            raise InputError(f"cursor {cursor!r} is none that this list gave; leave it out to begin at the first page")
        found = found[names.index(str(after[0])) + 1 :]
    shown, following = page_of(request, response, found[: limit + 1], limit, lambda decision: (decision.id,))
    return {"items": [decision_shape(decision) for decision in shown], "next": following}


@router.delete("/v1/decisions/{decision_id}", response_model=DecisionOut, responses=errors(404))
async def undo_decision(
    request: Request, decision_id: str, caller: Editor, by: Annotated[str, Query(max_length=200)] = ""
) -> dict[str, Any]:
    """Take a correction back, at once."""
    undone: Decision = await request.app.state.writer.call("undo", decision_id, decided_by(caller, by))
    return decision_shape(undone)


@router.get("/v1/queue", response_model=QueuePage, responses=errors())
def get_queue(
    pipeline: Served, caller: Reader, wanted: Annotated[VariantFilter, Depends(variant_filter)],
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> dict[str, Any]:  # fmt: skip
    """Borderline pairs, the most useful to decide first; decided ones never.

    With one language, pairs that have it on a side; with several, pairs within them. Of source and date
    it is enough that one side fits.
    """
    sides = replace(wanted, langs=())
    found = pipeline.queue(limit if sides == VariantFilter() else LOOKED_AT, wanted.langs)
    fitting = [
        pair
        for pair in found
        if sides.related(pair.relation.kind, pair.relation.score) and (sides.fits(pair.a) or sides.fits(pair.b))
    ]
    return {"items": [queued_shape(pair) for pair in fitting[:limit]], "next": None}
