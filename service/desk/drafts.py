"""Check a draft: is it covered, by whom, what do the others have that it lacks, and where do their figures differ."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from align.drafts import Match
from align.errors import InputError
from align.instants import timestamp
from service.access import Reader
from service.api.health import Served
from service.desk.compared import Contradiction, compare_items
from service.desk.pages import render

router = APIRouter(include_in_schema=False)
COMPARED = 8
"""Most versions that a draft is compared with, sentence by sentence; the rest are listed."""


@router.get("/check")
def check_form(request: Request, caller: Reader) -> Any:
    """An empty form."""
    return render(request, "check.html", text="", checked=None, problem=None)


async def sent_text(request: Request) -> str:
    """The field `text` of a form, of any size that a body may have: the framework's own limit is a fraction of a long draft."""
    form = await request.form(max_part_size=request.app.state.settings.max_body_bytes)
    text = form.get("text", "")
    return text if isinstance(text, str) else ""


@router.post("/check")
def check_draft(request: Request, pipeline: Served, caller: Reader, text: Annotated[str, Depends(sent_text)]) -> Any:
    """What is known of a pasted draft; nothing is stored."""
    most = request.app.state.settings.max_item_characters
    if len(text) > most:
        return render(request, "check.html", 422, text=text, checked=None, problem="draft_long", n=len(text), most=most)
    try:
        checked = pipeline.check(text)
    except InputError:  # its two complaints of a text: a NUL, and that nothing in it is a story's
        problem = "draft_nul" if "\0" in text else "draft_empty"
        return render(request, "check.html", 422, text=text, checked=None, problem=problem)
    matches = checked.matches[:COMPARED]
    items = [match.variant.item for match in matches]
    compared = list(zip(matches, compare_items(checked.item, items, pipeline.encoder), strict=True))
    versions = [(match, comparison) for match, comparison in compared if comparison is not None]
    long = [match for match, comparison in compared if comparison is None]
    dated = [match.variant.item for match in checked.matches if match.variant.item.published]
    matched = {place for _, comparison in versions for place in comparison.matched}
    contradictions: dict[str, list[tuple[Match, Contradiction]]] = {}
    for match, comparison in versions:
        for found in comparison.contradictions:
            contradictions.setdefault(found.said_a, []).append((match, found))
    return render(
        request, "check.html", text=text, checked=checked, problem=None, versions=versions,
        rest=[*long, *checked.matches[COMPARED:]], long=long, first=min(dated, key=lambda item: timestamp(item.published or ""), default=None), matched=matched,
        langs=sorted({match.variant.item.lang for match in checked.matches}), stories=list({match.cluster: match.variant.item for match in reversed(checked.matches)}.items())[::-1],
        contradictions=sorted(contradictions.items(), key=lambda entry: checked.item.text.find(entry[0])),
    )  # fmt: skip
