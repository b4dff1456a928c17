"""Whether the service lives, is ready, and how it fares."""

from __future__ import annotations

import os
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Depends, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, Gauge, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from align.errors import InputError
from align.pipeline import Pipeline
from service.access import Reader
from service.api.schemas import PROBLEM_CONTENT, errors
from service.api.strict import StrictRoute
from service.problems import BusyError

router = APIRouter(tags=["service"], route_class=StrictRoute)
log = structlog.get_logger("samestory.health")
ITEMS = Gauge("samestory_items", "Items in the index.", multiprocess_mode="mostrecent")
WAITING = Gauge(
    "samestory_documents_waiting", "Documents that were accepted and wait to be stored.", multiprocess_mode="livesum"
)


async def the_pipeline(request: Request) -> Pipeline:
    """The index that this service serves."""
    pipeline: Pipeline = request.app.state.pipeline
    return pipeline


Served = Annotated[Pipeline, Depends(the_pipeline)]


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """Whether the process answers."""
    return {"status": "ok"}


@router.get("/readyz", responses={503: {"description": "The index cannot be read.", "content": PROBLEM_CONTENT}})
def readyz(pipeline: Served) -> dict[str, Any]:
    """Whether the index answers, asked of its file as it lies there now."""
    try:
        return {"status": "ready", "items": pipeline.store.count_items_anew()}
    except InputError as error:
        log.warning("not ready", reason=str(error))
        raise BusyError("the index cannot be read; the server's log says why") from error


@router.get("/metrics", response_class=Response, responses={**errors(), 200: {"content": {"text/plain": {}}}})
def metrics(request: Request, pipeline: Served, caller: Reader) -> Response:
    """Prometheus metrics, of all worker processes together."""
    ITEMS.set(pipeline.store.count_items())
    WAITING.set(request.app.state.writer.n_waiting)
    registry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)
