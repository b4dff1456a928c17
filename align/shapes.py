"""Records → the JSON shapes of the contract, the same for commands and HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from align.drafts import Checked
from align.ingesting import IngestReport
from align.records import Change, Cluster, Decision, Item, QueuedPair, Revision, Variant
from align.stories import Story

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


def _head(item: Item) -> Json:
    return {
        "id": item.id, "lang": item.lang, "title": item.title, "source": item.source, "document": item.document,
    }  # fmt: skip


def community_shape(items: Sequence[tuple[Item, float]]) -> Json:
    """One community: its items, the centre first, with their cosines with it."""
    return {
        "centre": items[0][0].id,
        "items": [_head(item) | {"cosine": round(cosine, 4)} for item, cosine in items],
        "langs": sorted({item.lang for item, _ in items}),
    }


def cluster_shape(cluster: Cluster, items: Sequence[Item], story: Story | None = None) -> Json:
    """One cluster with the heads of its items; `missing_langs` are those of the four that none is in.

    With its `story`: who was first, what stands for it in each language, independent sources and copies.
    """
    langs = sorted({item.lang for item in items})
    shape: Json = {
        "id": cluster.id,
        "items": list(map(_head, items)),
        "langs": langs,
        "missing_langs": [lang for lang in LANGUAGES if lang not in langs],
    }  # fmt: skip
    if story is not None:
        shape["first_seen"] = [
            {"id": item.id, "lang": item.lang, "source": item.source, "published": item.published}
            for item in story.first_seen
        ]
        shape["representatives"] = dict(story.representatives)
        shape["sources"] = {"independent": list(story.sources.independent), "copies": list(story.sources.copies)}
    return shape


def change_shape(change: Change) -> Json:
    """One row of history."""
    return {
        "number": change.number, "at": change.at, "cluster": change.cluster, "what": change.what, "why": change.why,
        "items": list(change.items), "others": list(change.others),
    }  # fmt: skip


def decision_shape(decision: Decision) -> Json:
    """One correction."""
    return {
        "id": decision.id, "kind": decision.kind.value, "items": list(decision.items), "by": decision.by, "at": decision.at,
        "note": decision.note, "undone_at": decision.undone_at, "undone_by": decision.undone_by,
    }  # fmt: skip


def queued_shape(pair: QueuedPair) -> Json:
    """One pair to look at, with its relation as it counts."""
    return {
        "a": item_shape(pair.a), "b": item_shape(pair.b), "kind": pair.relation.kind.value, "score": pair.relation.score,
        "evidence": pair.relation.evidence, "usefulness": pair.usefulness, "why": pair.why,
    }  # fmt: skip


def revision_shape(revision: Revision) -> Json:
    """One text that an item has had."""
    return {
        "item": revision.item, "number": revision.number, "at": revision.at,
        "title": revision.title, "text": revision.text,
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
