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

FORMATS = ("html", "md", "json", "csv", "parquet")
COLUMNS = (
    "cluster",
    "cluster_items",
    "cluster_langs",
    "missing_langs",
    "item",
    "document",
    "lang",
    "title",
    "text",
    "source",
    "url",
    "published",
)

Story = tuple[Cluster, list[Item]]


def write_report(pipeline: Pipeline, form: str) -> str | bytes:
    """The report over every cluster, the largest first; text, or bytes for parquet.

    CSV and Parquet hold one row an item, in the columns `COLUMNS`. JSON holds the clusters in the
    shape of ``samestory clusters --json``, with counts. Raises ValueError for another format.
    """
    stories = [(cluster, pipeline.members(cluster)) for cluster in pipeline.clusters()]
    stories.sort(key=lambda story: (-len({item.lang for item in story[1]}), -len(story[1]), story[0].id))
    writers: dict[str, Callable[[list[Story]], str | bytes]] = {
        "html": _html,
        "md": _markdown,
        "json": _json,
        "csv": _csv,
        "parquet": _parquet,
    }
    if form not in writers:
        raise ValueError(f"no report format {form!r}; there are {', '.join(FORMATS)}")
    return writers[form](stories)


def summary(stories: list[Story]) -> dict[str, Any]:
    """Counts over the stories: items, clusters, items by language, clusters by number of languages."""
    items = [item for _, members in stories for item in members]
    return {
        "items": len(items),
        "clusters": len(stories),
        "clusters_in_several_languages": sum(len({item.lang for item in members}) > 1 for _, members in stories),
        "items_by_lang": dict(Counter(item.lang for item in items).most_common()),
        "missing_by_lang": {
            lang: sum(lang not in {item.lang for item in members} for _, members in stories) for lang in LANGUAGES
        },
    }


def _json(stories: list[Story]) -> str:
    return (
        json.dumps(
            {
                "summary": summary(stories),
                "clusters": [cluster_shape(cluster, members) for cluster, members in stories],
            },
            ensure_ascii=False,
            indent=1,
        )
        + "\n"
    )


def _rows(stories: list[Story]) -> list[dict[str, Any]]:
    rows = []
    for cluster, members in stories:
        shape = cluster_shape(cluster, members)
        for item in members:
            values = (
                cluster.id,
                len(members),
                " ".join(shape["langs"]),
                " ".join(shape["missing_langs"]),
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


def _csv(stories: list[Story]) -> str:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(_rows(stories))
    return out.getvalue()


def _parquet(stories: list[Story]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([(name, pa.int64() if name == "cluster_items" else pa.string()) for name in COLUMNS])
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(_rows(stories), schema=schema), out)
    return out.getvalue()


def _markdown(stories: list[Story]) -> str:
    def cell(text: str) -> str:
        return " ".join(text.split()).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("[", "\\[")

    counts = summary(stories)
    lines = [
        "# Cluster report",
        "",
        f"{counts['items']} items in {counts['clusters']} stories, {counts['clusters_in_several_languages']} of them in several languages.",
        "",
        "| story | languages | missing | items | first item |",
        "|---|---|---|---|---|",
    ]
    for cluster, members in stories:
        shape = cluster_shape(cluster, members)
        lines.append(
            f"| {cluster.id} | {' '.join(shape['langs'])} | {' '.join(shape['missing_langs'])} | {len(members)} | {cell(headline(members[0]))} |"
        )
    return "\n".join(lines) + "\n"


def _html(stories: list[Story]) -> str:
    import jinja2

    source = (resources.files("align") / "report.html").read_text(encoding="utf-8")
    template = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(source)
    made = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return template.render(stories=stories, summary=summary(stories), languages=LANGUAGES, headline=headline, made=made)
