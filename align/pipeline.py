"""The data's way, spelled out: document → items → vectors → neighbours → relations → clusters → variants."""

from __future__ import annotations

import itertools
import logging
import threading
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from align.clustering import cluster_items
from align.drafts import DRAFT, Checked, Match, draft_item
from align.embedding import SHIPPED_MODEL, Encoder, StaticEncoder, load_encoder
from align.errors import ModelMismatchError, NotFoundError
from align.index import NeighbourIndex
from align.ingesting import IngestReport, Intake
from align.naming import name_clusters
from align.reading import read
from align.records import Cluster, Document, Item, ItemVectors, Rejection, Relation, Variant, Vectors
from align.relations import CANDIDATE_FLOOR, Described, describe, load_verifier, relate
from align.segmenting import SEGMENTER
from align.store import Store
from align.variants import variants_of
from align.vectors import vectorise

BATCH_DOCUMENTS = 128
RELATE_BATCH = 256

log = logging.getLogger("samestory")
Progress = Callable[[str], None]


class Pipeline:
    """One index folder with one model: everything the commands and the service do.

    Reading needs no model; the encoder is loaded when a text has to be embedded. Safe to use from
    several threads: reads see the last committed state while one thread writes.
    """

    def __init__(self, folder: Path, model: Encoder | str | None = None) -> None:
        """Open or create the index in `folder`.

        `model` is an encoder, a name or path, or None for the index's own (the shipped one where the
        index is new). Raises ModelMismatchError if the index was made by another model.
        """
        self.folder = folder
        self.store = Store(folder)
        self._given = model
        self._encoder: Encoder | None = None
        self._tokens: StaticEncoder | None = None
        self._index: tuple[NeighbourIndex, int] | None = None
        self._lock = threading.RLock()
        try:
            if model is not None and self.store.setting("model") is not None:
                self.encoder  # noqa: B018 - opens the model, which refuses another than the index's
        except BaseException:
            self.store.close()
            raise

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the database."""
        self.store.close()

    # the model

    @property
    def encoder(self) -> Encoder:
        """The model, loaded on first use. Raises ModelMismatchError where the index belongs to another."""
        with self._lock:
            if self._encoder is None:
                recorded = self.store.setting("model")
                given = self._given
                encoder = (
                    load_encoder(given if given is not None else recorded)
                    if given is None or isinstance(given, str)
                    else given
                )
                self._refuse_mismatch(encoder)
                self._encoder = encoder
            return self._encoder

    def _refuse_mismatch(self, encoder: Encoder) -> None:
        fingerprint = self.store.setting("model_fingerprint")
        if fingerprint is not None and fingerprint != encoder.fingerprint:
            raise ModelMismatchError(
                f"{self.folder}: this index was made by the model {self.store.setting('model')!r} ({fingerprint}), not by {encoder.name!r} ({encoder.fingerprint}); "
                "choose that model, or name a new folder with --index and ingest again"
            )
        segmenter = self.store.setting("segmenter")
        if segmenter is not None and segmenter != SEGMENTER:
            raise ModelMismatchError(
                f"{self.folder}: this index was segmented by version {segmenter}, this samestory has version {SEGMENTER}; name a new folder with --index and ingest again"
            )

    def _record_model(self) -> None:
        encoder = self.encoder
        if self.store.setting("model") is None:
            for name, value in (
                ("database", uuid.uuid4().hex),
                ("model", encoder.name if not isinstance(self._given, str) else self._given),
                ("model_fingerprint", encoder.fingerprint),
                ("dimension", str(encoder.dimension)),
                ("segmenter", SEGMENTER),
            ):
                self.store.set_setting(name, value)

    @property
    def tokens(self) -> StaticEncoder:
        """The static model that token evidence is read from: the index's own where it is static, else the shipped one."""
        with self._lock:
            if isinstance(self.encoder, StaticEncoder):
                return self.encoder
            if self._tokens is None:
                self._tokens = StaticEncoder(SHIPPED_MODEL)
            return self._tokens

    # document → items

    def ingest(
        self, paths: Sequence[Path | str], standard_input: BinaryIO | None = None, progress: Progress | None = None
    ) -> IngestReport:
        """Read `paths` into the index, relate and cluster what is new.

        Idempotent: what was read before and has not changed is left alone. Raises InputError before
        anything is read if a path is missing; whatever else cannot be read is in the report.
        """
        return self.ingest_documents(read(paths, standard_input), progress)

    def ingest_documents(
        self, documents: Iterable[Document | Rejection], progress: Progress | None = None
    ) -> IngestReport:
        """The same, for documents at hand.

        Committed batch by batch: a killed process loses at most the batch it was in, and the next
        ingest works out the relations that are missing.
        """
        report = IngestReport()
        stale: set[str] = set()
        with self._lock:
            for batch in _batched(documents, BATCH_DOCUMENTS):
                with self.store.writing():
                    self._record_model()
                    stale |= Intake(self.store, self.encoder).put_batch(batch, report)
                    self.store.finish_generation()
                if progress:
                    progress(f"{report.documents} documents, {report.items} items read")
            self._relate_and_cluster(stale, progress)
        return report

    # vectors → neighbours → relations → clusters

    def index(self) -> NeighbourIndex:
        """The neighbour index of the store's current vectors: from memory or disk, brought up to date, or built anew."""
        with self._lock:
            generation = self.store.generation()
            if self._index is None:
                stamp = f"{self.store.setting('database')}:{self.store.setting('model_fingerprint')}"
                dimension = int(self.store.setting("dimension") or self.encoder.dimension)
                self._index = NeighbourIndex.load(self.folder, dimension, stamp, generation) or (
                    NeighbourIndex(dimension),
                    0,
                )
                behind = generation - self._index[1]
                self._catch_up(generation)
                if behind:
                    self._save_index(stamp, generation)
            elif self._index[1] != generation:
                self._catch_up(generation)
            return self._index[0]

    def _catch_up(self, generation: int) -> None:
        """Bring the index in memory from its generation to `generation`."""
        if self._index is not None and self._index[1] != generation:
            index, known = self._index
            owners, views = self.store.views_since(known, index.dimension)
            index.remove([*self.store.gone_since(known), *owners])
            index.add(owners, views)
            self._index = (index, generation)

    def _save_index(self, stamp: str, generation: int) -> None:
        try:
            self.index().save(self.folder, stamp, generation)
        except OSError as error:
            # The file is derived: without it the next start is slower, and nothing else is amiss.
            log.warning("%s: the neighbour index cannot be saved (%s)", self.folder, error.strerror)

    def _described(self, numbered: Sequence[tuple[int, Item]]) -> list[Described]:
        vectors = [self.store.vectors(number, self.encoder.dimension) for number, _ in numbered]
        return describe([item for _, item in numbered], vectors, self.tokens)

    def _relate_and_cluster(self, stale: set[str], progress: Progress | None) -> None:
        """Relations of every item that has none worked out, then the clusters they touch."""
        waiting = self.store.unrelated()
        touched = set(stale)
        known: dict[int, Described] = {}
        pending = {number for number, _ in waiting}
        for start in range(0, len(waiting), RELATE_BATCH):
            part = waiting[start : start + RELATE_BATCH]
            found: list[Relation] = []
            described = self._described(part)
            own_views = [entry.vectors.views for entry in described]
            proposals = self._proposals(own_views)
            known.update({number: entry for (number, _), entry in zip(part, described, strict=True)})
            missing = {other for proposed in proposals for other in proposed} - known.keys()
            others = self.store.items_by_number(sorted(missing))
            known.update(dict(zip(others, self._described(list(others.items())), strict=True)))
            for (number, _), entry, proposed in zip(part, described, proposals, strict=True):
                for other in sorted(proposed):
                    # A pair of two waiting items is worked out once, with the later one.
                    if other != number and other in known and not (other in pending and other > number):
                        relation = relate(entry, known[other], load_verifier())
                        if relation is not None:
                            found.append(relation)
            with self.store.writing():
                self.store.put_relations(found)
                self.store.mark_related(item.id for _, item in part)
            touched |= {item.id for _, item in part}
            if len(known) > 20_000:
                known = {number: entry for number, entry in known.items() if number in pending}
            if progress:
                progress(f"{min(start + RELATE_BATCH, len(waiting))} of {len(waiting)} items related")
        if touched:
            self._recluster(touched)

    def _proposals(self, views: Sequence[Vectors]) -> list[set[int]]:
        """For each item's views: the numbers of the items with any view close to any of them."""
        if not views:
            return []
        rows = [row for own in views for row in own]
        answers = iter(self.index().neighbours(np.stack(rows), CANDIDATE_FLOOR))
        return [set().union(*(next(answers) for _ in own)) for own in views]

    def _recluster(self, touched: set[str]) -> None:
        """Work out the clusters of every item that joining relations connect to a touched one."""
        reach: set[str] = set()
        relations: dict[tuple[str, str], Relation] = {}
        queue = sorted(touched | self.store.mates(touched))
        while queue:
            item_id = queue.pop()
            if item_id in reach or self.store.owner_of(item_id) is None:
                continue
            reach.add(item_id)
            for found in self.store.relations_of(item_id):
                relations[found.a, found.b] = found
                if found.kind.joins:
                    queue.append(found.other(item_id))
        groups = cluster_items(sorted(reach), relations.values())
        with self.store.writing():
            self.store.set_clusters(name_clusters(self.store, groups))

    # clusters → variants, and other reading

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

    def variants(self, reference: str, langs: Sequence[str] = ()) -> tuple[Item, str, list[Variant]]:
        """The item, its cluster's id, and the cluster's other members, best first; only `langs` where given.

        Raises NotFoundError if there is no such item.
        """
        with self.store.reading():
            item = self.find(reference)
            cluster = self.store.cluster_of(item.id) or ""
            mates = [mate for mate in self.store.cluster_items(cluster) if mate.id != item.id] if cluster else []
            direct = {found.other(item.id): found for found in self.store.relations_of(item.id)}
            variants = variants_of(self.store, item.id, mates, direct)
        return item, cluster, [variant for variant in variants if not langs or variant.item.lang in langs]

    def clusters(self) -> list[Cluster]:
        """Every cluster, single items included, in order of their first items' arrival."""
        members: dict[str, list[str]] = defaultdict(list)
        with self.store.reading():
            names = self.store.cluster_ids()
            for name in names:
                members[name] = [item.id for item in self.store.cluster_items(name)]
        return [Cluster(name, tuple(members[name])) for name in names]

    def cluster(self, cluster_id: str) -> Cluster:
        """Raises NotFoundError if there is no such cluster."""
        items = self.store.cluster_items(cluster_id)
        if not items:
            raise NotFoundError(f"no cluster {cluster_id!r} in {self.folder}; `samestory clusters` lists them")
        return Cluster(cluster_id, tuple(item.id for item in items))

    def members(self, cluster: Cluster) -> list[Item]:
        """The items of a cluster, in its order."""
        return [item for item in map(self.store.item, cluster.item_ids) if item is not None]

    def items(self) -> Iterator[Item]:
        """Every item in order of arrival."""
        return (item for _, item in self.store.items())

    def delete(self, reference: str) -> Item:
        """Delete an item; its story's other items stay. Raises NotFoundError."""
        with self._lock:
            item = self.find(reference)
            with self.store.writing():
                stale = self.store.mates([item.id]) - {item.id}
                self.store.delete_items([item.id])
                self.store.finish_generation()
            if stale:
                self._recluster(stale)
        return item

    # drafts

    def check(self, text: str, title: str = "", published: str | None = None) -> Checked:
        """The items that tell the same story as a draft, which is not stored.

        A draft is read like a page: a first line shaped like a headline is its title. A match is an
        item of a cluster that the draft would join. Raises InputError for a text without a word.
        """
        item = draft_item(text, title, published)
        if self.store.count_items() == 0:
            return Checked(item, ())
        vectors = vectorise([item], self.encoder)
        return Checked(item, tuple(self._matches(item, vectors[0])))

    def _matches(self, draft: Item, vectors: ItemVectors) -> Iterator[Match]:
        entry = describe([draft], [vectors], self.tokens)[0]
        with self.store.reading():
            found = self.store.items_by_number(sorted(self._proposals([vectors.views])[0]))
            relations = [relate(entry, other, load_verifier()) for other in self._described(list(found.items()))]
            known_to_draft = {relation.other(DRAFT): relation for relation in relations if relation is not None}
            direct = {other: relation for other, relation in known_to_draft.items() if relation.kind.joins}
            clusters = {name for name in map(self.store.cluster_of, direct) if name}
            mates = [item for name in clusters for item in self.store.cluster_items(name)]
            near = {DRAFT} | {mate.id for mate in mates}
            between = {(known.a, known.b): known for mate in mates for known in self.store.relations_of(mate.id)}
            groups = cluster_items(sorted(near), [*known_to_draft.values(), *between.values()])
            story = next(group for group in groups if DRAFT in group)
            variants = variants_of(self.store, DRAFT, [mate for mate in mates if mate.id in story], direct)
            cluster_of = {variant.item.id: self.store.cluster_of(variant.item.id) or "" for variant in variants}
        yield from (Match(variant, cluster_of[variant.item.id]) for variant in variants)


def _batched(entries: Iterable[Document | Rejection], size: int) -> Iterator[tuple[Document | Rejection, ...]]:
    iterator = iter(entries)
    while batch := tuple(itertools.islice(iterator, size)):
        yield batch
