"""Clusters: the stories."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response

from align.errors import NotFoundError
from align.listing import ClusterFilter, ItemFilter, list_clusters, list_newest_clusters
from align.pipeline import Pipeline
from align.shapes import cluster_shape
from service.access import Reader
from service.api.filters import From, Kinds, Langs, Score, Sources, To, Words, between, checked_langs
from service.api.health import Served
from service.api.paging import Cursor, Limit, decode_cursor, page_of
from service.api.schemas import ClusterOut, ClustersPage, errors
from service.api.strict import StrictRoute

router = APIRouter(tags=["clusters"], route_class=StrictRoute)


async def cluster_filter(
    lang: Langs = None,
    missing: Annotated[list[str] | None, Query(description="Only stories that lack each of these languages.")] = None,
    min_langs: Annotated[int, Query(ge=1, le=100, description="Only stories in at least so many languages.")] = 1,
    min_items: Annotated[int, Query(ge=1, lt=2**63, description="Only stories of at least so many items.")] = 1,
    kind: Kinds = None,
    min_score: Score = None,
    source: Sources = None,
    published_from: From = None,
    published_to: To = None,
    q: Words = None,
) -> ClusterFilter:
    """The filter that a request's parameters describe. Raises InputError for a date that is none."""
    items = ItemFilter((), tuple(source or ()), *between(published_from, published_to), q or "")
    langs, lacking = checked_langs("lang", lang), checked_langs("missing", missing)
    return ClusterFilter(langs, lacking, min_langs, min_items, (), items, tuple(kind or ()), min_score or 0.0)


@router.get("/v1/clusters", response_model=ClustersPage, responses=errors())
def get_clusters(
    request: Request,
    response: Response,
    pipeline: Served,
    caller: Reader,
    wanted: Annotated[ClusterFilter, Depends(cluster_filter)],
    sort: Annotated[
        Literal["arrival", "newest"], Query(description="By the first item's arrival, or by the newest item's date.")
    ] = "arrival",
    cursor: Cursor = None,
    limit: Limit = 100,
) -> dict[str, Any]:
    """The stories, single items included; filters may be combined."""
    with pipeline.store.reading():
        if sort == "newest":
            day = decode_cursor(cursor, float, int)
            newest = list_newest_clusters(
                pipeline.store, wanted, (float(str(day[0])), int(str(day[1]))) if day else None, limit + 1
            )
            page, following = page_of(request, response, newest, limit, lambda entry: entry[0])
            names = [name for _, name in page]
        else:
            number = decode_cursor(cursor, int)
            arrived = list_clusters(pipeline.store, wanted, int(str(number[0])) if number else 0, limit + 1)
            shown, following = page_of(request, response, arrived, limit, lambda entry: (entry[0],))
            names = [name for _, name in shown]
        return {"items": [_shape(pipeline, name) for name in names], "next": following}


@router.get("/v1/clusters/{cluster_id}", response_model=ClusterOut, responses=errors(404))
def get_cluster(cluster_id: str, pipeline: Served, caller: Reader) -> dict[str, Any]:
    """One story."""
    return _shape(pipeline, cluster_id)


def _shape(pipeline: Pipeline, cluster_id: str) -> dict[str, Any]:
    cluster = pipeline.cluster(cluster_id)
    told = pipeline.story(cluster)
    if not told.first_seen:
        raise NotFoundError(f"cluster {cluster_id!r} has just lost its last item")
    inside = {item.id: item for item in told.first_seen}
    return cluster_shape(cluster, [inside[item_id] for item_id in cluster.item_ids if item_id in inside], told)
