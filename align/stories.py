"""What a cluster is as a story: who was first, what is copied, what stands for it in each language."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from align.instants import timestamp
from align.records import Item, Kind, Relation
from align.store import Store


@dataclass(frozen=True)
class Sources:
    """Independent sources and copies, counted apart.

    `independent` are the names of those who published a text of their own (the document's name where an
    item has no source), in the order of `first_seen`. `copies` are the items that print the text of an
    earlier one, edited or in part.
    """

    independent: tuple[str, ...]
    copies: tuple[str, ...]


@dataclass(frozen=True)
class Story:
    """A cluster's items with all that is told of them as a whole; `first_seen` is their order, earliest first."""

    first_seen: tuple[Item, ...]
    representatives: Mapping[str, str]
    sources: Sources


def story_of(store: Store, item_ids: Sequence[str]) -> Story:
    """The story of the items that are still there."""
    order = first_seen(store.seen(item_ids))
    inside = {item.id for item in order}
    relations = [
        found for item in order for found in store.edges_of(item.id) if found.a == item.id and found.b in inside
    ]
    return Story(order, representatives(order, relations), sources(order, relations))


def first_seen(items: Iterable[tuple[Item, str]]) -> tuple[Item, ...]:
    """Items in the order of their publication; one without a date counts from when it was first read."""
    stamped = [(timestamp(item.published or seen_at), item.id, item) for item, seen_at in items]
    return tuple(item for _, _, item in sorted(stamped, key=lambda entry: entry[:2]))


def representatives(order: Sequence[Item], relations: Iterable[Relation]) -> dict[str, str]:
    """lang → the item that stands for the story in it: the one most alike to the rest, the earliest of equals.

    An excerpt stands for it only where there is nothing else in the language.
    """
    likeness: dict[str, float] = defaultdict(float)
    parts = set()
    for found in relations:
        likeness[found.a] += found.score
        likeness[found.b] += found.score
        if found.kind is Kind.EXCERPT:
            parts.add(str(found.evidence["contained"]))
    chosen: dict[str, tuple[tuple[bool, float], str]] = {}
    for item in order:
        rank = (item.id in parts, -likeness[item.id])
        if item.lang not in chosen or rank < chosen[item.lang][0]:
            chosen[item.lang] = (rank, item.id)
    return {lang: item_id for lang, (_, item_id) in chosen.items()}


def sources(order: Sequence[Item], relations: Iterable[Relation]) -> Sources:
    """Independent sources and copies; `order` is that of ``first_seen``, so the earliest of copies is the original."""
    place = {item.id: number for number, item in enumerate(order)}
    original = {item.id: item.id for item in order}

    def find(item_id: str) -> str:
        while original[item_id] != item_id:
            original[item_id] = item_id = original[original[item_id]]
        return item_id

    for found in relations:
        if found.kind in (Kind.EXACT, Kind.NEAR, Kind.EXCERPT) and found.a in place and found.b in place:
            first, later = sorted((find(found.a), find(found.b)), key=place.__getitem__)
            original[later] = first
    own = [item for item in order if find(item.id) == item.id]
    names = dict.fromkeys(item.source or item.document for item in own)
    return Sources(tuple(names), tuple(item.id for item in order if find(item.id) != item.id))
