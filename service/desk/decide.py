"""Decide: the queue of borderline pairs, and what an editor says of them and of stories."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any
from urllib.parse import unquote

from anyio import from_thread, to_thread
from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from align.errors import DecisionConflictError, InputError, NotFoundError
from align.pipeline import Pipeline
from align.records import Decision
from align.shapes import headline
from service.access import Editor, Reader
from service.api.decisions import decided_by
from service.api.health import Served
from service.desk.compared import compare_items
from service.desk.pages import OwnForm, local, render

router = APIRouter(include_in_schema=False)
QUEUE = 20
_ADDRESS = re.compile(r"(?:https?://[^/]*)?/(?:items|stories)/([^?#]+)")


@router.get("/decide")
def queue(request: Request, pipeline: Served, caller: Reader, made: str = "", skip: int = 0) -> Any:
    """The most useful pair to decide, with the next ones, and what was decided last."""
    from_thread.run_sync(request.app.state.writer.start_soon)  # an editor who looks is about to decide
    pairs = pipeline.queue(QUEUE + max(0, skip))[max(0, skip) :]
    comparison = compare_items(pairs[0].a, [pairs[0].b], pipeline.encoder)[0] if pairs else None
    recent = pipeline.decisions(include_undone=True)[::-1][:12]
    names = _names(pipeline, recent)
    return render(
        request,
        "decide.html",
        pairs=pairs,
        comparison=comparison,
        recent=recent,
        names=names,
        made=made,
        skip=max(0, skip),
    )


@router.post("/decide", dependencies=[OwnForm])
async def decide(
    request: Request, caller: Editor, kind: Annotated[str, Form()], items: Annotated[list[str] | None, Form()] = None,
    to: Annotated[str, Form()] = "/decide", note: Annotated[str, Form(max_length=2000)] = "",
) -> Response:  # fmt: skip
    """Confirm, separate, split, merge or call a translation; an item may be named by its story, or by the address of either's page."""
    pipeline: Pipeline = request.app.state.pipeline
    there, chosen = local(to), []
    for name in items or ():
        try:
            chosen.append(await to_thread.run_sync(_meant, pipeline, name))
        except NotFoundError:
            return render(request, "error.html", 422, code=422, hint="unknown_name", name=name[:200], to=there)
    if len(set(chosen)) < (1 if kind == "split" else 2):
        hint = "choose_one" if kind == "split" else "choose_two"
        return render(request, "error.html", 422, code=422, hint=hint, to=there)
    if kind == "split" and await to_thread.run_sync(_is_whole_story, pipeline, chosen):
        return render(request, "error.html", 422, code=422, hint="choose_fewer", to=there)
    try:
        made = await request.app.state.writer.call("decide", kind, chosen, decided_by(caller, ""), note)
    except DecisionConflictError as error:
        names = _names(pipeline, error.conflicts)
        return render(request, "conflict.html", 409, conflicts=error.conflicts, names=names, to=there)
    except InputError as error:
        return render(request, "error.html", 422, code=422, detail=str(error), to=there)
    if there.startswith("/stories/"):
        there = f"/stories/{pipeline.store.cluster_of(chosen[0])}"
    return RedirectResponse(f"{there}{'&' if '?' in there else '?'}made={made.id}", 303)


def _meant(pipeline: Pipeline, name: str) -> str:
    """The id of the item that an editor means by an item's or a story's id, or by the address of its page. Raises NotFoundError."""
    name = name.strip()
    if address := _ADDRESS.match(name):
        name = unquote(address.group(1))
    try:
        return pipeline.find(name).id
    except NotFoundError:
        return pipeline.cluster(name).item_ids[0]


def _is_whole_story(pipeline: Pipeline, item_ids: Sequence[str]) -> bool:
    """Whether nothing of a story is left besides these items."""
    cluster = pipeline.store.cluster_of(item_ids[0])
    return cluster is not None and set(pipeline.cluster(cluster).item_ids) <= set(item_ids)


def _names(pipeline: Pipeline, decisions: Sequence[Decision]) -> dict[str, str]:
    """Item id → headline, for the first items of each decision; an item that is gone keeps its id."""
    names = {}
    for decision in decisions:
        for item_id in decision.items[:4]:
            try:
                names[item_id] = headline(pipeline.find(item_id), 60)
            except NotFoundError:
                names[item_id] = item_id
    return names


@router.post("/undo", dependencies=[OwnForm])
async def undo(
    request: Request, caller: Editor, decision: Annotated[str, Form()], to: Annotated[str, Form()] = "/decide"
) -> Response:
    """Take a decision back."""
    await request.app.state.writer.call("undo", decision, decided_by(caller, ""))
    return RedirectResponse(local(to), 303)
