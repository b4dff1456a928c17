"""An index folder without a model: its stories, their variants and history, and editors' corrections."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

from align.communities import LEAST, SMALLEST, communities
from align.decisions import decisions, put_decision, undo_decision
from align.errors import InputError, NotFoundError
from align.explaining import Explainer
from align.history import changes, changes_of, cluster_at, cluster_then, clusters_at, moment_of, number_at
from align.naming import resolve_cluster
from align.queueing import queue_pairs
from align.records import Change, Cluster, Decision, DecisionKind, Item, QueuedPair, Revision, Variant
from align.regrouping import regroup, stored_thresholds
from align.store import Store
from align.stories import Sources, Story, story_of
from align.thresholds import Thresholds, attribute_of, parse_value
from align.variants import variants_of


class Archive:
    """All that can be asked of an index, and decided, without embedding a text.

    Safe to use from several threads: reads see the last committed state while one thread writes.
    """

    def __init__(self, folder: Path) -> None:
        """Open or create the index in `folder`."""
        self.folder = folder
        self.store = Store(folder)
        self._lock = threading.RLock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the database."""
        self.store.close()

    # clusters → variants

    def count_versions(self, reference: str) -> int:
        """How many items the story of an item has, itself included; 0 where it is in none yet. Raises NotFoundError."""
        question = "SELECT count(*) FROM item WHERE cluster = (SELECT cluster FROM item WHERE id = ?)"
        return int(self.store.rows(question, (self.find(reference).id,))[0][0])

    def find(self, reference: str) -> Item:
        """The item with this id, external id, or document name that holds one item. Raises NotFoundError."""
        item = self.store.item(reference)
        if item is not None:
            return item
        held = self.store.items_by_document_name(reference)
        if len(held) == 1:
            return held[0]
        if held:
            raise NotFoundError(
                f"{reference!r} holds {len(held)} items; name one of them: {', '.join(item.id for item in held[:10])}"
            )
        raise NotFoundError(f"no item {reference!r} in {self.folder}; `samestory items` lists them")

    def variants(
        self, reference: str, langs: Sequence[str] = (), as_of: str | None = None
    ) -> tuple[Item, str, list[Variant]]:
        """The item, its cluster's id, and the cluster's other members, best first; only `langs` where given.

        `as_of` (a time or a change's number) asks for the story, its texts, relations and decisions as they were then. Raises NotFoundError if
        there is no such item, or was none then.
        """
        with self.store.reading():
            item = self.find(reference)
            if as_of is None:
                cluster = self.store.cluster_of(item.id) or ""
                mates = self.store.cluster_items(cluster) if cluster else []
            else:
                number = number_at(self.store, as_of)
                held = cluster_at(self.store, item.id, number)
                if held is None:
                    raise NotFoundError(f"item {reference!r} was in no cluster as of {as_of}")
                cluster = held
                mates = self.members(self.cluster(cluster, as_of), as_of)
            mates = [mate for mate in mates if mate.id != item.id]
            if as_of is None:
                moment, relations = None, self.store.relations_of(item.id)
            else:
                moment = moment_of(self.store, as_of)
                item, relations = self.store.item_at(item, moment), self.store.relations_at(item.id, moment)
            variants = variants_of(self.store, item, mates, relations, self.thresholds, moment)
            wanted = [variant for variant in variants if not langs or variant.item.lang in langs]
            return item, cluster, self._explained(item, wanted, as_of)

    def _explained(self, item: Item, variants: Sequence[Variant], as_of: str | None) -> list[Variant]:
        """With what a person can check, where both have the texts that their vectors are of: today's."""
        explainer = Explainer(self.store, item)
        if as_of is None:
            return [explainer.explained(variant) for variant in variants]
        if self.store.item(item.id) != item:
            return list(variants)
        return [
            explainer.explained(variant) if self.store.item(variant.item.id) == variant.item else variant
            for variant in variants
        ]

    def clusters(self, as_of: str | None = None) -> list[Cluster]:
        """Every cluster, single items included, in order of their first items' arrival; or as they were `as_of` a time."""
        with self.store.reading():
            if as_of is not None:
                return clusters_at(self.store, number_at(self.store, as_of))
            return self.store.clusters()

    def cluster(self, cluster_id: str, as_of: str | None = None) -> Cluster:
        """The cluster that `cluster_id` goes by today, or the one that it named `as_of` a time. Raises NotFoundError."""
        with self.store.reading():
            if as_of is not None:
                found = cluster_then(self.store, cluster_id, number_at(self.store, as_of))
                moment = f" as of {as_of}"
            else:
                cluster_id = resolve_cluster(self.store, cluster_id)
                found = Cluster(cluster_id, tuple(self.store.cluster_item_ids(cluster_id)))
                moment = ""
        if not found.item_ids:
            raise NotFoundError(f"no cluster {cluster_id!r} in {self.folder}{moment}; `samestory clusters` lists them")
        return found

    def resolve_cluster(self, cluster_id: str) -> str:
        """The id that a cluster goes by today, redirects followed. Raises NotFoundError."""
        return resolve_cluster(self.store, cluster_id)

    def story(self, cluster: Cluster) -> Story:
        """Who was first, who stands for the story in each language, copies and independent sources apart."""
        with self.store.reading():
            return story_of(self.store, cluster.item_ids)

    def first_seen(self, cluster: Cluster) -> list[Item]:
        """The items in the order of publication; one without a date counts from when it was first read."""
        return list(self.story(cluster).first_seen)

    def representatives(self, cluster: Cluster) -> dict[str, str]:
        """lang → the item that stands for the story in it."""
        return dict(self.story(cluster).representatives)

    def sources(self, cluster: Cluster) -> Sources:
        """Independent sources and copies apart."""
        return self.story(cluster).sources

    def revisions(self, reference: str) -> list[Revision]:
        """Every text that an item has had, oldest first, the present one last. Raises NotFoundError."""
        with self.store.reading():
            return self.store.revisions(self.find(reference).id)

    # history

    def changes(self, after: int = 0, limit: int = 1000) -> list[Change]:
        """The feed of changes with a number above `after`, oldest first."""
        return changes(self.store, after, limit)

    def history(self, cluster_id: str) -> list[Change]:
        """Every change that a cluster had a part in, oldest first. Raises NotFoundError."""
        found = changes_of(self.store, cluster_id)
        if not found:
            raise NotFoundError(f"no cluster {cluster_id!r} in {self.folder}; `samestory clusters` lists them")
        return found

    # corrections

    def decide(self, kind: DecisionKind | str, item_ids: Sequence[str], by: str, note: str = "") -> Decision:
        """Store an editor's correction and apply it at once.

        Items are named by id or external id. Raises NotFoundError for an item that is not there, InputError
        for a decision that says nothing, DecisionConflictError, with the conflicts, where it contradicts others.
        """
        try:
            kind = DecisionKind(kind)
        except ValueError as error:
            raise InputError(f"{kind!r} is no decision; there are {', '.join(DecisionKind)}") from error
        with self._lock, self.store.writing():
            items = list(dict.fromkeys(self.find(reference).id for reference in item_ids))
            mates = self.store.mates(items)
            if kind is DecisionKind.SPLIT and len(set(self.store.clusters_of(items).values())) > 1:
                raise InputError("the items to split off stand in different stories; split one story at a time")
            rest = sorted(mates - set(items)) if kind is DecisionKind.SPLIT else ()
            made = put_decision(self.store, kind, items, by, note, rest)
            self.store.touch(mates | set(items))
            regroup(self.store, f"decision {made.id}")
        return made

    def decisions(self, include_undone: bool = False) -> list[Decision]:
        """The corrections that hold, oldest first; with `include_undone` also those taken back."""
        return decisions(self.store, include_undone)

    def undo(self, decision_id: str, by: str) -> Decision:
        """Take a correction back, at once. Raises NotFoundError, or InputError if it was taken back already."""
        with self._lock, self.store.writing():
            undone = undo_decision(self.store, decision_id, by)
            self.store.touch(self.store.mates(undone.items) | set(undone.items) | set(undone.rest))
            regroup(self.store, f"undo {undone.id}")
        return undone

    def queue(self, limit: int = 50, langs: Sequence[str] = ()) -> list[QueuedPair]:
        """Borderline pairs for an editor to look at, most useful first; decided pairs never."""
        with self.store.reading():
            return queue_pairs(self.store, self.thresholds, limit, langs)

    # settings

    @property
    def thresholds(self) -> Thresholds:
        """The thresholds and windows that this index clusters by."""
        return stored_thresholds(self.store)

    def set_threshold(self, name: str, value: str) -> Thresholds:
        """Set a threshold or window, "default" for its own value, and cluster anew; nothing is embedded or related again.

        Raises InputError for a name that is none or a value out of range.
        """
        if value == "default":
            value = str(getattr(Thresholds(), attribute_of(name)))
        parse_value(name, value)
        with self._lock, self.store.writing():
            self.store.set_setting(name, value)
            regroup(self.store, "settings", everything=True)
        return self.thresholds

    def members(self, cluster: Cluster, as_of: str | None = None) -> list[Item]:
        """The items of a cluster, in its order, those deleted since left out; with the texts that they had `as_of` a time."""
        with self.store.reading():
            found = [item for item in map(self.store.item, cluster.item_ids) if item is not None]
            if as_of is None:
                return found
            moment = moment_of(self.store, as_of)
            return [self.store.item_at(item, moment) for item in found]

    def items(self) -> Iterator[Item]:
        """Every item in order of arrival."""
        return (item for _, item in self.store.items())

    def communities(self, least: float = LEAST, smallest: int = SMALLEST) -> list[list[tuple[Item, float]]]:
        """Groups of items whose story vectors lie close together, largest first: the centre, then the others from the nearest on, each with its cosine.

        By vectors alone, and of large archives not quite all (``align.communities``); stories are clusters. Raises InputError for a `least` out of range.
        """
        with self.store.reading():
            numbers, _, views = self.store.views_since(0, int(self.store.setting("dimension") or 0))
            found = communities(views, least, smallest)
            items = self.store.items_by_number([numbers[row] for community in found for row in community.rows])
        return [
            [
                (items[numbers[row]], float(cosine))
                for row, cosine in zip(community.rows, community.cosines, strict=True)
            ]
            for community in found
        ]

    def delete(self, reference: str) -> Item:
        """Delete an item; its story's other items stay. Raises NotFoundError."""
        with self._lock, self.store.writing():
            item = self.find(reference)
            self.store.delete_items([item.id])
            self.store.finish_generation()
            regroup(self.store, "delete")
        return item
