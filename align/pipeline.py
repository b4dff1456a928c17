"""The data's way, spelled out: document → items → vectors → neighbours → relations → clusters → variants."""

from __future__ import annotations

import hashlib
import itertools
import json
import logging
import threading
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np

from align.clustering import cluster_items
from align.embedding import SHIPPED_MODEL, Encoder, StaticEncoder, load_encoder
from align.errors import InputError, ModelMismatchError, NotFoundError
from align.furniture import comparable
from align.index import NeighbourIndex
from align.language import identify_language
from align.reading import read
from align.records import Cluster, Document, Form, Item, ItemVectors, Kind, Rejection, Relation, Variant, Vectors
from align.relations import CANDIDATE_FLOOR, Described, describe, load_verifier, relate
from align.segmenting import SEGMENTER, Segment, lines_of, segment, segment_texts
from align.store import Store
from align.vectors import vectorise

BATCH_DOCUMENTS = 128
RELATE_BATCH = 256
DRAFT = "draft"

log = logging.getLogger("samestory")
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Outcome:
    """What became of one document: `status` is added, updated, unchanged or rejected."""

    document: str
    item_ids: tuple[str, ...]
    status: str
    reason: str | None = None


@dataclass
class IngestReport:
    """Counts of an ingest: `documents` read; their `items`, each added, updated or unchanged; what was rejected."""

    documents: int = 0
    items: int = 0
    added: int = 0
    updated: int = 0
    unchanged: int = 0
    removed: int = 0
    rejected: list[Rejection] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)


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


def _digest(*parts: object) -> str:
    return hashlib.blake2b(json.dumps(parts, ensure_ascii=False).encode(), digest_size=10).hexdigest()


def _fields_digest(document: Document) -> str:
    return _digest(
        document.form.value,
        document.text,
        document.title,
        document.lang,
        document.source,
        document.url,
        document.published,
    )


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
                    stale |= self._put_batch(batch, report)
                    self.store.finish_generation()
                if progress:
                    progress(f"{report.documents} documents, {report.items} items read")
            self._relate_and_cluster(stale, progress)
        return report

    def _put_batch(self, batch: Sequence[Document | Rejection], report: IngestReport) -> set[str]:
        """Store one batch; returns the items whose clusters must be worked out again though they are gone or unchanged."""
        fresh: list[tuple[Document, str, int | None]] = []
        for entry in batch:
            if isinstance(entry, Rejection):
                self._reject(entry, report)
                continue
            report.documents += 1
            digest = _fields_digest(entry)
            stored = self.store.find_document(entry, digest)
            if stored is not None and stored.digest == digest:
                known = self.store.items_of_document(stored.number)
                report.items += len(known)
                report.unchanged += len(known)
                report.outcomes.append(Outcome(entry.name, tuple(item.id for item in known), "unchanged"))
            else:
                fresh.append((entry, digest, stored.number if stored else None))
        seen_in = self._count_lines([document for document, _, _ in fresh])
        stale: set[str] = set()
        waiting: list[tuple[int, Item]] = []
        for document, digest, _ in fresh:
            segments = segment(document, seen_in)
            if not segments:
                report.documents -= 1
                self._reject(
                    Rejection(
                        document.path,
                        document.line,
                        "holds no story text: every line is page furniture, or there is none",
                    ),
                    report,
                    document.name,
                )
                continue
            # Looked up again: an earlier row of this batch may hold the same id.
            stored = self.store.find_document(document, digest)
            before = {item.id: item for item in self.store.items_of_document(stored.number)} if stored else {}
            number = self.store.put_document(document, digest, stored.number if stored else None)
            items = self._items(document, segments, number)
            gone = before.keys() - {item.id for item in items}
            stale |= self._neighbours_in_clusters(gone)
            self.store.delete_items(gone)
            report.removed += len(gone)
            changed = [item for item in items if before.get(item.id) != item]
            for item in changed:
                if item.id in before:
                    stale |= self._neighbours_in_clusters([item.id])
                    self.store.drop_relations(item.id)
                waiting.append((self.store.put_item(item, number), item))
            n_updated = sum(item.id in before for item in changed)
            report.items += len(items)
            report.added += len(changed) - n_updated
            report.updated += n_updated
            report.unchanged += len(items) - len(changed)
            status = "unchanged" if not changed and not gone else "updated" if before else "added"
            report.outcomes.append(Outcome(document.name, tuple(item.id for item in items), status))
        if waiting:
            # A later row of the batch wins, and may have taken an earlier one's items away.
            latest = {number: item for number, item in waiting if self.store.owner_of(item.id) is not None}
            for (number, _), vectors in zip(
                latest.items(), vectorise(list(latest.values()), self.encoder), strict=True
            ):
                self.store.put_vectors(number, vectors)
        return stale

    @staticmethod
    def _reject(rejection: Rejection, report: IngestReport, name: str | None = None) -> None:
        report.rejected.append(rejection)
        place = rejection.path if rejection.line is None else f"{rejection.path}:{rejection.line}"
        report.outcomes.append(Outcome(name or place, (), "rejected", rejection.reason))

    def _count_lines(self, documents: Sequence[Document]) -> Counter[str]:
        """In how many other pages, stored ones and those of this batch, each comparable line stands."""
        count: Counter[str] = Counter()
        for document in documents:
            if document.form is Form.PAGE:
                lines = {comparable(document.text[start:end]) for start, end in lines_of(document.text)}
                count.update(lines)
                self.store.count_lines(_digest(line) for line in sorted(lines))
        # count_lines has just added this batch to what the store knows; a page is not its own witness.
        return Counter({line: self.store.lines_seen([_digest(line)]).get(_digest(line), 1) - 1 for line in count})

    def _items(self, document: Document, segments: Sequence[Segment], number: int) -> list[Item]:
        items = []
        taken: set[str] = set()
        for found, (title, text) in zip(segments, segment_texts(document, segments), strict=True):
            lang, confidence = identify_language(f"{title}\n{text}" if title else text)
            if document.lang and document.form is Form.ARTICLE and _agrees(document.lang, lang, confidence):
                lang = (
                    document.lang.split("-")[0].lower()
                    if document.lang.split("-")[0].lower() in ("en", "ja", "de", "it")
                    else document.lang
                )
                confidence = 1.0
            item_id = self._item_id(document, title, text, number, taken)
            taken.add(item_id)
            items.append(
                Item(item_id, document.external_id or document.name, lang, confidence, title, text, document.source, document.url, document.published,
                     found.start, found.end, found.paragraphs)
            )  # fmt: skip
        return items

    def _item_id(self, document: Document, title: str, text: str, number: int, taken: set[str]) -> str:
        """From the external id; or from the document's name and the text, so that a page read again keeps its items' ids."""
        seed = (
            ("external", document.external_id)
            if document.external_id is not None
            else ("text", document.name, title, text)
        )
        for attempt in itertools.count():
            item_id = "i" + _digest(*seed, attempt)[:16]
            if item_id not in taken and self.store.owner_of(item_id) in (None, number):
                return item_id
        raise AssertionError("itertools.count() ends nowhere")

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

    def warm(self) -> None:
        """Load what the first question would load: the model and the neighbour index. Does nothing for an empty index."""
        if self.store.count_items():
            self.tokens  # noqa: B018 - loads the model
            self.index().neighbours(self.encoder.encode(["warm"]), 1.0)

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

    def _neighbours_in_clusters(self, item_ids: Iterable[str]) -> set[str]:
        """The items that share a cluster with any of `item_ids`."""
        clusters = {self.store.cluster_of(item_id) for item_id in item_ids} - {None}
        return {item.id for cluster in clusters if cluster for item in self.store.cluster_items(cluster)}

    def _recluster(self, touched: set[str]) -> None:
        """Work out the clusters of every item that joining relations connect to a touched one."""
        reach: set[str] = set()
        relations: dict[tuple[str, str], Relation] = {}
        queue = sorted(touched | self._neighbours_in_clusters(touched))
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
            self.store.set_clusters(self._named(groups))

    def _named(self, groups: Sequence[tuple[str, ...]]) -> list[Cluster]:
        """Clusters with ids: a group keeps the id that most of its items had, the rest get one from their first item."""
        claims: list[tuple[int, str, int]] = []
        for number, group in enumerate(groups):
            held = Counter(filter(None, map(self.store.cluster_of, group)))
            claims += [(-count, cluster, number) for cluster, count in held.items()]
        names: dict[int, str] = {}
        used: set[str] = set()
        for _, cluster, number in sorted(claims):
            if number not in names and cluster not in used:
                names[number] = cluster
                used.add(cluster)
        named = []
        for number, group in enumerate(groups):
            if number not in names:
                for attempt in itertools.count():
                    name = "c" + _digest("cluster", group[0], attempt)[:12]
                    if name not in used and not any(item.id not in group for item in self.store.cluster_items(name)):
                        break
                names[number] = name
                used.add(name)
            named.append(Cluster(names[number], group))
        return named

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
            variants = self._variants(item.id, mates, direct)
        return item, cluster, [variant for variant in variants if not langs or variant.item.lang in langs]

    def _variants(self, item_id: str, mates: Sequence[Item], direct: dict[str, Relation]) -> list[Variant]:
        found = []
        paths: dict[str, tuple[float, tuple[str, ...]]] | None = None
        for mate in mates:
            relation = direct.get(mate.id)
            if relation is not None and relation.kind.joins:
                found.append(Variant(mate, relation.kind, relation.score, relation.evidence))
                continue
            if paths is None:
                paths = self._strongest_paths(item_id, mates, direct)
            score, through = paths.get(mate.id, (0.0, ()))
            found.append(Variant(mate, Kind.SAME_STORY, score, {"rule": "cluster", "through": list(through)}))
        return sorted(found, key=lambda variant: (-variant.score, variant.item.id))

    def _strongest_paths(
        self, item_id: str, mates: Sequence[Item], direct: dict[str, Relation]
    ) -> dict[str, tuple[float, tuple[str, ...]]]:
        """item → (weakest score, items between) of the path from `item_id` whose weakest relation is strongest."""
        inside = {mate.id for mate in mates}
        best: dict[str, tuple[float, tuple[str, ...]]] = {}
        open_paths: list[tuple[float, str, tuple[str, ...]]] = [
            (relation.score, other, ()) for other, relation in direct.items() if relation.kind.joins and other in inside
        ]
        while open_paths:
            open_paths.sort(key=lambda path: (-path[0], path[1]))
            score, here, through = open_paths.pop(0)
            if here in best:
                continue
            best[here] = (score, through)
            for relation in self.store.relations_of(here):
                other = relation.other(here)
                if relation.kind.joins and other in inside and other not in best and other != item_id:
                    open_paths.append((min(score, relation.score), other, (*through, here)))
        return best

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
                stale = self._neighbours_in_clusters([item.id]) - {item.id}
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
        item = Item(
            DRAFT,
            DRAFT,
            lang,
            confidence,
            title,
            body,
            None,
            None,
            published,
            segments[0].start,
            segments[0].end,
            segments[0].paragraphs,
        )
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
            variants = self._variants(DRAFT, [mate for mate in mates if mate.id in story], direct)
            cluster_of = {variant.item.id: self.store.cluster_of(variant.item.id) or "" for variant in variants}
        yield from (Match(variant, cluster_of[variant.item.id]) for variant in variants)


def _agrees(declared: str, detected: str, confidence: float) -> bool:
    """Whether a declared language may stand: it is what was detected, or the text is too short or odd to tell."""
    return declared.split("-")[0].lower() == detected or detected == "und" or confidence < 0.6


def _batched(entries: Iterable[Document | Rejection], size: int) -> Iterator[tuple[Document | Rejection, ...]]:
    iterator = iter(entries)
    while batch := tuple(itertools.islice(iterator, size)):
        yield batch
