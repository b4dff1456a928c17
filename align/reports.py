"""Clusters → the batch report: HTML, Markdown, JSON, CSV or Parquet."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import resources
from typing import Any

from align.pipeline import Pipeline
from align.records import Cluster, Item
from align.shapes import LANGUAGES, cluster_shape, headline
from align.stories import Story

FORMATS = ("html", "md", "json", "csv", "parquet")
COLUMNS = (
    "cluster",
    "cluster_items",
    "cluster_langs",
    "missing_langs",
    "independent_sources",
    "is_copy",
    "represents_lang",
    "item",
    "document",
    "lang",
    "title",
    "text",
    "source",
    "url",
    "published",
)

Entry = tuple[Cluster, list[Item], Story]
"""A cluster, its items, and what is told of it as a story."""


def write_report(pipeline: Pipeline, form: str, as_of: str | None = None) -> str | bytes:
    """The report over every cluster, the largest first; text, or bytes for parquet.

    CSV and Parquet hold one row an item, in the columns `COLUMNS`. JSON holds the clusters in the
    shape of ``samestory clusters --json``, with counts. `as_of` asks for the stories as they were at a time,
    without what was deleted since. Raises ValueError for another format.
    """
    found = [
        (cluster, pipeline.members(cluster, as_of), pipeline.story(cluster)) for cluster in pipeline.clusters(as_of)
    ]
    stories = [entry for entry in found if entry[1]]
    stories.sort(key=lambda story: (-len({item.lang for item in story[1]}), -len(story[1]), story[0].id))
    writers: dict[str, Callable[[list[Entry]], str | bytes]] = {
        "html": _html,
        "md": _markdown,
        "json": _json,
        "csv": _csv,
        "parquet": _parquet,
    }
    if form not in writers:
        raise ValueError(f"no report format {form!r}; there are {', '.join(FORMATS)}")
    return writers[form](stories)


def summary(stories: list[Entry]) -> dict[str, Any]:
    """Counts over the stories: items, clusters, items by language, clusters by number of languages."""
    items = [item for _, members, _ in stories for item in members]
    return {
        "items": len(items),
        "clusters": len(stories),
        "clusters_in_several_languages": sum(len({item.lang for item in members}) > 1 for _, members, _ in stories),
        "items_by_lang": dict(Counter(item.lang for item in items).most_common()),
        "missing_by_lang": {
            lang: sum(lang not in {item.lang for item in members} for _, members, _ in stories) for lang in LANGUAGES
        },
    }


def _json(stories: list[Entry]) -> str:
    return (
        json.dumps(
            {
                "summary": summary(stories),
                "clusters": [cluster_shape(cluster, members, story) for cluster, members, story in stories],
            },
            ensure_ascii=False,
            indent=1,
        )
        + "\n"
    )


def _rows(stories: list[Entry]) -> list[dict[str, Any]]:
    rows = []
    for cluster, members, story in stories:
        shape = cluster_shape(cluster, members)
        for item in members:
            values = (
                cluster.id,
                len(members),
                " ".join(shape["langs"]),
                " ".join(shape["missing_langs"]),
                len(story.sources.independent),
                item.id in story.sources.copies,
                story.representatives.get(item.lang) == item.id,
                item.id,
                item.document,
                item.lang,
                item.title,
                item.text,
                item.source,
                item.url,
                item.published,
            )
            rows.append(dict(zip(COLUMNS, values, strict=True)))
    return rows


def _csv(stories: list[Entry]) -> str:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(_rows(stories))
    return out.getvalue()


def _parquet(stories: list[Entry]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {
        "cluster_items": pa.int64(),
        "independent_sources": pa.int64(),
        "is_copy": pa.bool_(),
        "represents_lang": pa.bool_(),
    }
    schema = pa.schema([(name, types.get(name, pa.string())) for name in COLUMNS])
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(_rows(stories), schema=schema), out)
    return out.getvalue()


def _markdown(stories: list[Entry]) -> str:
    def cell(text: str) -> str:
        return " ".join(text.split()).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("[", "\\[")

    counts = summary(stories)
    lines = [
        "# Cluster report",
        "",
        f"{counts['items']} items in {counts['clusters']} stories, {counts['clusters_in_several_languages']} of them in several languages.",
        "",
        "| story | languages | missing | items | copies | independent sources | first |",
        "|---|---|---|---|---|---|---|",
    ]
    for cluster, members, story in stories:
        shape = cluster_shape(cluster, members)
        first = story.first_seen[0]
        lines.append(
            f"| {cluster.id} | {' '.join(shape['langs'])} | {' '.join(shape['missing_langs'])} | {len(members)} | {len(story.sources.copies)} | {len(story.sources.independent)} | {first.lang}: {cell(headline(first))} |"
        )
    return "\n".join(lines) + "\n"


def _html(stories: list[Entry]) -> str:
    import jinja2

    source = (resources.files("align") / "report.html").read_text(encoding="utf-8")
    template = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(source)
    made = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return template.render(stories=stories, summary=summary(stories), languages=LANGUAGES, headline=headline, made=made)
