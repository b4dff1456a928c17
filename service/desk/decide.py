"""Decide: the queue of borderline pairs, and what an editor says of them and of stories."""

from __future__ import annotations

from typing import Annotated, Any

from anyio import from_thread
from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from align.errors import DecisionConflictError, InputError, NotFoundError
from align.shapes import headline
from service.access import Editor, Reader
from service.api.decisions import decided_by
from service.api.health import Served
from service.desk.compared import compare_items
from service.desk.pages import OwnForm, local, render

router = APIRouter(include_in_schema=False)
QUEUE = 20


@router.get("/decide")
def queue(request: Request, pipeline: Served, caller: Reader, made: str = "", skip: int = 0) -> Any:
    """The most useful pair to decide, with the next ones, and what was decided last."""
    from_thread.run_sync(request.app.state.writer.start_soon)  # an editor who looks is about to decide
    pairs = pipeline.queue(QUEUE + max(0, skip))[max(0, skip) :]
    comparison = compare_items(pairs[0].a, [pairs[0].b], pipeline.encoder)[0] if pairs else None
    recent = pipeline.decisions(include_undone=True)[::-1][:12]
    names = {}
    for decision in recent:
        for item_id in decision.items[:4]:
            try:
                names[item_id] = headline(pipeline.find(item_id), 60)
            except NotFoundError:
                names[item_id] = item_id
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
    request: Request, caller: Editor, kind: Annotated[str, Form()], items: Annotated[list[str], Form()],
    to: Annotated[str, Form()] = "/decide", note: Annotated[str, Form(max_length=2000)] = "",
) -> Response:  # fmt: skip
    """Confirm, separate, split, merge or call a translation."""
    try:
        made = await request.app.state.writer.call("decide", kind, items, decided_by(caller, ""), note)
    except DecisionConflictError as error:
        return render(request, "conflict.html", 409, detail=str(error), conflicts=error.conflicts, to=local(to))
    except InputError as error:
        return render(request, "error.html", 422, code=422, detail=str(error))
    there = local(to)
    if there.startswith("/stories/"):
        item = items[0]
        there = f"/stories/{request.app.state.pipeline.store.cluster_of(request.app.state.pipeline.find(item).id)}"
    return RedirectResponse(f"{there}{'&' if '?' in there else '?'}made={made.id}", 303)


@router.post("/undo", dependencies=[OwnForm])
async def undo(
    request: Request, caller: Editor, decision: Annotated[str, Form()], to: Annotated[str, Form()] = "/decide"
) -> Response:
    """Take a decision back."""
    await request.app.state.writer.call("undo", decision, decided_by(caller, ""))
    return RedirectResponse(local(to), 303)
