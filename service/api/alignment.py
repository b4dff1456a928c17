"""The sentence alignment of two items."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from align.alignment_shapes import alignment_shape
from service.access import Reader
from service.api.health import Served
from service.api.schemas import ITEM_PATH, OTHER_PATH, errors
from service.api.strict import StrictRoute

router = APIRouter(tags=["items"], route_class=StrictRoute)


class BeadOut(BaseModel):
    """Sentences of both items that say the same, by index from 0; one side may be empty."""

    a: list[int]
    b: list[int]
    score: float


class AlignmentOut(BaseModel):
    """The sentences of two items, the beads that hold each once, in order, those that moved, and what differs; `versions` are the items' ids."""

    beads: list[BeadOut]
    a: list[str]
    b: list[str]
    langs: list[str]
    moved: list[BeadOut]
    differences: dict[str, Any]
    coverage: dict[str, float]
    kind: str
    versions: list[str]


@router.get("/v1/items/{item_id:path}/alignment/{other:path}", response_model=AlignmentOut, responses=errors(404))
def get_alignment(item_id: ITEM_PATH, other: OTHER_PATH, pipeline: Served, caller: Reader) -> JSONResponse:
    """Which sentences of one item say what which sentences of the other say."""
    pair = pipeline.aligned_pair(item_id, other)
    shape = alignment_shape(pair.alignment, pipeline.encoder)
    return JSONResponse({**shape, "versions": [pair.a.name, pair.b.name]})
