"""The pages for people: the wall of stories, one story, and a form to check a draft."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse
from fastapi.templating import Jinja2Templates

from align.errors import InputError
from align.shapes import LANGUAGES, headline
from service.api.health import Served

WEB = Path(__file__).parent.parent / "web"
STORIES_ON_A_PAGE = 60
LANGUAGE_NAMES = {"en": "English", "ja": "日本語", "de": "Deutsch", "it": "Italiano"}

templates = Jinja2Templates(directory=WEB)
templates.env.globals.update(languages=LANGUAGES, language_names=LANGUAGE_NAMES, headline=headline)
desk = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@desk.get("/")
def wall(request: Request, pipeline: Served, after: str = "", several: Annotated[bool, Query()] = False) -> Any:
    """The stories, newest arrivals last, with what languages they are in."""
    with pipeline.store.reading():
        names = pipeline.store.cluster_ids(after, None if several else STORIES_ON_A_PAGE + 1)
        stories = []
        for name in names:
            items = pipeline.store.cluster_items(name)
            if not several or len({item.lang for item in items}) > 1:
                stories.append((name, items))
            if len(stories) > STORIES_ON_A_PAGE:
                break
        n_items = pipeline.store.count_items()
    following = stories[STORIES_ON_A_PAGE - 1][0] if len(stories) > STORIES_ON_A_PAGE else None
    context = {
        "stories": stories[:STORIES_ON_A_PAGE],
        "following": following,
        "several": several,
        "n_items": n_items,
        "after": after,
    }
    return templates.TemplateResponse(request, "wall.html", context)


@desk.get("/stories/{cluster_id}")
def story(request: Request, cluster_id: str, pipeline: Served) -> Any:
    """All versions of one story, side by side."""
    cluster = pipeline.cluster(cluster_id)
    return templates.TemplateResponse(request, "story.html", {"cluster": cluster, "items": pipeline.members(cluster)})


@desk.get("/items/{item_id}")
def item_page(request: Request, item_id: str, pipeline: Served) -> Any:
    """One item and its versions, with the relation of each."""
    item, cluster, variants = pipeline.variants(item_id)
    return templates.TemplateResponse(request, "item.html", {"item": item, "cluster": cluster, "variants": variants})


@desk.get("/check")
def check_form(request: Request) -> Any:
    """An empty form."""
    return templates.TemplateResponse(request, "check.html", {"text": "", "checked": None, "problem": None})


@desk.post("/check")
def check_draft(request: Request, pipeline: Served, text: Annotated[str, Form()] = "") -> Any:
    """What is known of a pasted draft."""
    try:
        checked, problem = pipeline.check(text), None
    except InputError as error:
        checked, problem = None, str(error)
    return templates.TemplateResponse(request, "check.html", {"text": text, "checked": checked, "problem": problem})
