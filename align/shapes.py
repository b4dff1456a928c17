"""Records → the JSON shapes of the contract, the same for commands and HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from align.drafts import Checked
from align.ingesting import IngestReport
from align.records import Cluster, Item, Variant

LANGUAGES = ("en", "ja", "de", "it")
Json = dict[str, Any]


def item_shape(item: Item) -> Json:
    """One item as ``samestory items --json`` prints it."""
    return {
        "id": item.id, "document": item.document, "lang": item.lang, "lang_confidence": item.lang_confidence,
        "title": item.title, "text": item.text, "source": item.source, "url": item.url, "published": item.published,
        "start": item.start, "end": item.end,
    }  # fmt: skip


def variant_shape(variant: Variant) -> Json:
    """One variant: the item's head, the kind of relation, its score and evidence."""
    item = variant.item
    return {
        "id": item.id,
        "document": item.document,
        "lang": item.lang,
        "title": item.title,
        "kind": variant.kind.value,
        "score": variant.score,
        "evidence": variant.evidence,
    }


def variants_shape(item: Item, cluster: str, variants: Sequence[Variant]) -> Json:
    """The answer of ``samestory variants``."""
    return {"item": item_shape(item), "cluster": cluster, "variants": [variant_shape(variant) for variant in variants]}


def cluster_shape(cluster: Cluster, items: Sequence[Item]) -> Json:
    """One cluster with the heads of its items; `missing_langs` are those of the four that none is in."""
    langs = sorted({item.lang for item in items})
    return {
        "id": cluster.id,
        "items": [{"id": item.id, "lang": item.lang, "title": item.title, "source": item.source, "document": item.document} for item in items],
        "langs": langs,
        "missing_langs": [lang for lang in LANGUAGES if lang not in langs],
    }  # fmt: skip


def checked_shape(checked: Checked) -> Json:
    """The answer of ``samestory check``."""
    matches = [{**variant_shape(match.variant), "cluster": match.cluster} for match in checked.matches]
    return {"lang": checked.item.lang, "covered": bool(matches), "matches": matches}


def ingest_shape(report: IngestReport) -> Json:
    """The answer of ``samestory ingest``: counts of documents and items, and what was rejected."""
    return {
        "documents": report.documents, "items": report.items, "added": report.added, "updated": report.updated, "unchanged": report.unchanged,
        "rejected": [{"path": rejected.path, "line": rejected.line, "reason": rejected.reason} for rejected in report.rejected],
    }  # fmt: skip


def headline(item: Item, width: int = 90) -> str:
    """The title, or the beginning of the text where there is none, cut to `width` characters with an ellipsis."""
    words = item.title or " ".join(item.text.split())
    return words if len(words) <= width else words[: width - 1].rstrip() + "…"
