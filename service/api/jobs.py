"""Jobs: batches too long for one request."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Annotated, Any, Literal

from anyio import to_thread
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse

from align.errors import InputError
from service.access import Contributor, Reader
from service.api.items import ITEMS_BODY
from service.api.paging import Cursor, Limit, decode_cursor, page_of
from service.api.schemas import JobOut, JobsPage, errors
from service.api.strict import StrictRoute
from service.entries import is_ndjson
from service.jobs import Held, Job, Jobs
from service.problems import TooLargeError
from service.repeats import answered_once
from service.settings import Settings

router = APIRouter(tags=["jobs"], route_class=StrictRoute)


def _shape(job: Job) -> dict[str, Any]:
    return asdict(job)


@router.post(
    "/v1/jobs",
    status_code=202,
    openapi_extra=ITEMS_BODY,
    response_model=JobOut,
    responses=errors(409, 413, 415, 503),
)
async def post_job(
    request: Request,
    caller: Contributor,
    kind: Annotated[
        Literal["ingest", "rebuild"],
        Query(description="`ingest` reads the body; `rebuild`, without a body, makes the index anew from its texts."),
    ] = "ingest",
) -> Response:
    """Long work in the background: an ingest of the same bodies as POST /v1/items, NDJSON of any length among them, or a rebuild.

    The answer names the job; GET /v1/jobs/{id} tells its progress. A job goes on after a restart, and reads
    go on meanwhile.
    """
    jobs: Jobs = request.app.state.jobs
    held: Held | None = None
    if kind == "rebuild":
        async for part in request.stream():
            if part:
                raise InputError("a rebuild takes no body; send none, or leave kind=rebuild out to ingest")
    else:
        parts = request.stream() if is_ndjson(request.headers.get("content-type", "")) else _lines(request)
        held = await jobs.hold(parts)

    async def work() -> Response:
        return JSONResponse(_shape(jobs.rebuild() if held is None else jobs.accept(held)), 202)

    try:
        answer = await answered_once(request, request.app.state.ledger, caller, held.digest if held else b"", work)
    finally:
        if held is not None:
            jobs.let_go(held)
    answer.headers["Location"] = f"/v1/jobs/{json.loads(bytes(answer.body))['id']}"
    return answer


async def _lines(request: Request) -> AsyncIterator[bytes]:
    """A JSON body as lines."""
    settings: Settings = request.app.state.settings
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > settings.max_body_bytes:
            raise TooLargeError(
                f"the body is over {settings.max_body_bytes} bytes; send NDJSON (Content-Type: application/x-ndjson)"
            )
        parts.append(part)
    try:
        value = await to_thread.run_sync(lambda: json.loads(b"".join(parts).decode("utf-8-sig")))
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"the body is not JSON ({error}); for one object a line send Content-Type: application/x-ndjson"
        ) from error
    for record in value if isinstance(value, list) else [value]:
        yield json.dumps(record).encode() + b"\n"


@router.get("/v1/jobs", response_model=JobsPage, responses=errors())
def get_jobs(
    request: Request, response: Response, caller: Reader, cursor: Cursor = None, limit: Limit = 100
) -> dict[str, Any]:
    """The jobs, newest first."""
    jobs: Jobs = request.app.state.jobs
    after = decode_cursor(cursor, int)
    found = jobs.jobs(int(str(after[0])) if after else None, limit + 1)
    shown, following = page_of(request, response, found, limit, lambda entry: (entry[0],))
    return {"items": [_shape(job) for _, job in shown], "next": following}


@router.get("/v1/jobs/{job_id}", response_model=JobOut, responses=errors(404))
def get_job(request: Request, job_id: str, caller: Reader) -> dict[str, Any]:
    """One job and how far it is."""
    jobs: Jobs = request.app.state.jobs
    return _shape(jobs.job(job_id))


@router.post("/v1/jobs/{job_id}/cancel", status_code=202, response_model=JobOut, responses=errors(404, 409))
def cancel_job(request: Request, job_id: str, caller: Contributor) -> dict[str, Any]:
    """End a job, at once or after the lines it is at. What an ingest has stored stays; a rebuild leaves no trace."""
    jobs: Jobs = request.app.state.jobs
    return _shape(jobs.cancel(job_id))
