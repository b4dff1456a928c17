"""A draft that is not stored → the items that tell its story already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from align.clustering import cluster_items
from align.decisions import constraints, decisions
from align.errors import InputError
from align.language import identify_language
from align.records import Document, Form, Item, Relation, Variant
from align.regrouping import stored_thresholds
from align.segmenting import segment, segment_texts
from align.store import Store
from align.thresholds import judged
from align.variants import variants_of

DRAFT = "draft"


@dataclass(frozen=True)
class Match:
    """A variant of a draft, and the cluster it stands in."""

    variant: Variant
    cluster: str


@dataclass(frozen=True)
class Checked:
    """What is known of a draft: its item as it would be, and the items that tell its story, best first."""

    item: Item
    matches: tuple[Match, ...]


def draft_item(text: str, title: str = "", published: str | None = None) -> Item:
    """The item that a draft would be, read like a page: a first line shaped like a headline is its title.

    Raises InputError for a text without a word, or with a NUL.
    """
    if "\x00" in title + text:
        raise InputError(f"the draft holds NUL at character {(title + text).index(chr(0))}; remove it")
    document = (
        Document(DRAFT, "-", Form.ARTICLE, f"{title}\n\n{text}", title, published=published)
        if title
        else Document(DRAFT, "-", Form.PAGE, text.replace("\r\n", "\n").replace("\r", "\n"))
    )
    segments = segment(document) if any(character.isalnum() for character in text) else []
    if not segments:
        raise InputError("the draft holds no story text; give at least a headline or a sentence")
    (title, body), *_ = segment_texts(document, segments[:1])
    lang, confidence = identify_language(f"{title}\n{body}" if title else body)
    found = segments[0]
    return Item(
        DRAFT, DRAFT, lang, confidence, title, body, None, None, published, found.start, found.end, found.paragraphs
    )


def matches_of(store: Store, draft: Item, relations: Sequence[Relation]) -> list[Match]:
    """The items of the clusters that the draft would join by its `relations`, best first."""
    thresholds = stored_thresholds(store)
    published = {DRAFT: draft.published} | store.published([found.other(DRAFT) for found in relations])
    judged_relations = list(judged(relations, published, thresholds))
    joined = store.clusters_of([found.other(DRAFT) for found in judged_relations if found.kind.joins])
    mates = {item.id: item for name in set(joined.values()) for item in store.cluster_items(name)}
    between = store.edges_of(*mates)
    dates = store.published(sorted({item_id for found in between for item_id in (found.a, found.b)}))
    groups = cluster_items(
        sorted({DRAFT, *mates}),
        [*judged_relations, *judged(between, dates, thresholds)],
        thresholds,
        constraints(decisions(store)),
    )
    story = next(group for group in groups if DRAFT in group)
    variants = variants_of(
        store, draft, [mates[item_id] for item_id in story if item_id != DRAFT], relations, thresholds
    )
    return [Match(variant, store.cluster_of(variant.item.id) or "") for variant in variants]
