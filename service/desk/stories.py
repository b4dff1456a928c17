"""Stories: the wall of clusters, one story with its versions side by side, one item."""

from __future__ import annotations

from typing import Annotated, Any

from anyio import from_thread
from fastapi import APIRouter, Query, Request

from align.errors import InputError
from align.listing import ClusterFilter, ItemFilter, list_newest_clusters, moment
from align.shapes import LANGUAGES
from service.access import Reader
from service.api.health import Served
from service.api.paging import decode_cursor, encode_cursor
from service.desk.compared import compare_items
from service.desk.pages import chosen_language, render

router = APIRouter(include_in_schema=False)
STORIES_ON_A_PAGE = 48
SIDE_BY_SIDE = 12
"""Most versions whose text a story's page shows; the rest are listed."""


@router.get("/")
def wall(
    request: Request, pipeline: Served, caller: Reader, q: str = "", lang: str = "", missing: str = "", since: str = "",
    until: str = "", several: Annotated[bool, Query()] = False, cursor: str = "",
) -> Any:  # fmt: skip
    """The stories, newest first."""
    problem = None
    try:
        items = ItemFilter(published_from=moment(since), published_to=moment(until, True), words=q)
        after = decode_cursor(cursor, float, int)
    except InputError as error:
        problem, items, after = str(error), ItemFilter(words=q), None
    wanted = ClusterFilter(
        (lang,) if lang in LANGUAGES else (),
        (missing,) if missing in LANGUAGES else (),
        2 if several else 1,
        items=items,
    )
    place = (float(str(after[0])), int(str(after[1]))) if after else None
    with pipeline.store.reading():
        found = list_newest_clusters(pipeline.store, wanted, place, STORIES_ON_A_PAGE + 1)
        stories = [(name, pipeline.store.cluster_items(name)) for _, name in found[:STORIES_ON_A_PAGE]]
        n_items = pipeline.store.count_items()
    following = encode_cursor(found[STORIES_ON_A_PAGE - 1][0]) if len(found) > STORIES_ON_A_PAGE else None
    asked = {"q": q, "lang": lang, "missing": missing, "since": since, "until": until, "several": several}
    return render(
        request, "wall.html", stories=stories, following=following, total=n_items, asked=asked, problem=problem
    )


@router.get("/stories/{cluster_id}")
def story(request: Request, cluster_id: str, pipeline: Served, caller: Reader, base: str = "") -> Any:
    """All versions of one story: side by side, sentence by sentence, its history, its sources and copies apart."""
    cluster = pipeline.cluster(cluster_id)
    if "decide" in caller.scopes:
        from_thread.run_sync(request.app.state.writer.start_soon)
    told = pipeline.story(cluster)
    order = list(told.first_seen)
    own = told.representatives.get(chosen_language(request))  # what the others add to the reader's own version
    pivot = next((item for item in order if item.id == (base or own)), order[0])
    others = [item for item in order if item.id != pivot.id]
    # One of each language first, then the rest.
    leading = [item for item in others if told.representatives.get(item.lang) == item.id]
    ranked = [*leading, *(item for item in others if item not in leading)]
    shown, rest = ranked[:SIDE_BY_SIDE], ranked[SIDE_BY_SIDE:]
    compared = list(zip(shown, compare_items(pivot, shown, pipeline.encoder), strict=True))
    versions = [(item, comparison) for item, comparison in compared if comparison is not None]
    long = [item for item, comparison in compared if comparison is None]
    variants = {variant.item.id: variant for variant in pipeline.variants(pivot.id)[2]}
    decisions = [found for found in pipeline.decisions() if set(found.items) & set(cluster.item_ids)]
    return render(
        request, "story.html", cluster=cluster, told=told, order=order, pivot=pivot, versions=versions,
        variants=variants, history=pipeline.history(cluster.id)[::-1][:50], decisions=decisions[::-1], copies=set(told.sources.copies), rest=[*long, *rest], long=long,
    )  # fmt: skip


@router.get("/items/{item_id:path}")
def item_page(request: Request, item_id: str, pipeline: Served, caller: Reader) -> Any:
    """One item and its versions, with the relation of each, and every text that it has had."""
    item, cluster, variants = pipeline.variants(item_id)
    lines = [line for line in item.text.split("\n") if line.strip()]
    if len(lines) > 1 and lines[0].split() == item.title.split():
        lines = lines[1:]  # a text that begins with its title: the heading says it already
    return render(
        request,
        "item.html",
        lines=lines,
        item=item,
        cluster=cluster,
        variants=variants,
        revisions=pipeline.revisions(item.id)[:-1],
    )
