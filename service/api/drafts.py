"""Texts that are looked up and not stored."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse

from align.drafts import Checked
from align.listing import moment
from align.pipeline import Pipeline
from align.shapes import checked_shape, item_shape
from service.access import Reader
from service.api.filters import VariantFilter, variant_filter
from service.api.health import Served
from service.api.schemas import CheckOut, LookupOut, TextIn, errors
from service.api.strict import StrictRoute
from service.problems import TooLargeError

router = APIRouter(tags=["drafts"], route_class=StrictRoute)
Wanted = Annotated[VariantFilter, Depends(variant_filter)]


def check_text(request: Request, pipeline: Pipeline, body: TextIn, wanted: VariantFilter) -> Checked:
    """What is known of a sent text. Raises TooLargeError, InputError."""
    most = request.app.state.settings.max_item_characters
    if len(body.text) + len(body.title) > most:
        raise TooLargeError(
            f"{len(body.text) + len(body.title)} characters are over the {most} that a text may have; send its parts"
        )
    moment(body.published)  # refused here, where it can be mended
    checked = pipeline.check(body.text, body.title, body.published or None)
    return Checked(checked.item, tuple(match for match in checked.matches if wanted(match.variant)))


@router.post("/v1/lookup", response_model=LookupOut, responses=errors(413, 415))
def lookup(request: Request, body: TextIn, pipeline: Served, caller: Reader, wanted: Wanted) -> Response:
    """The versions of a text; nothing is stored."""
    checked = check_text(request, pipeline, body, wanted)
    variants = checked_shape(checked)["matches"]
    cluster = variants[0]["cluster"] if variants else None
    return JSONResponse({"item": item_shape(checked.item), "cluster": cluster, "variants": variants})


@router.post("/v1/check", response_model=CheckOut, responses=errors(413, 415))
def check(request: Request, body: TextIn, pipeline: Served, caller: Reader, wanted: Wanted) -> Response:
    """Whether a draft's story is covered already, in which languages, by which items; nothing is stored."""
    return JSONResponse(checked_shape(check_text(request, pipeline, body, wanted)))
