"""The data's way, spelled out: document → items → vectors → neighbours → relations → clusters → variants."""

from __future__ import annotations

import itertools
import logging
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from align.archive import Archive
from align.boilerplate import sentence_digests, shared_sentences, update_boilerplate, without_boilerplate
from align.describing import describe
from align.description_rows import DescriptionRows
from align.drafts import Checked, Match, draft_item, matches_of
from align.embedding import SHIPPED_MODEL, Encoder, StaticEncoder, load_encoder
from align.errors import ModelMismatchError
from align.exchange import AlignedPair
from align.explaining import Explainer
from align.index import NeighbourIndex, slot_of
from align.ingesting import IngestReport, Intake
from align.reading import read
from align.records import Document, Item, ItemVectors, Rejection
from align.regrouping import regroup
from align.relating import Relating
from align.segmenting import SEGMENTER
from align.vectors import vectorise
from align.versions import align_versions, quantities_of_item, version_of_item

BATCH_DOCUMENTS = 128
SAVED_SHARE = 0.05
"""Share of the vectors, above which what the saved index lacks is written to it."""

log = logging.getLogger("samestory")
Progress = Callable[[str], None]


class Pipeline(Archive):
    """One index folder with one model: everything the commands and the service do.

    What needs no model is an ``Archive``; the encoder is loaded when a text has to be embedded. While one
    thread ingests, others go on reading and checking at the last committed state.
    """

    def __init__(self, folder: Path, model: Encoder | str | None = None) -> None:
        """Open or create the index in `folder`.

        `model` is an encoder, a name or path, or None for the index's own (the shipped one where the
        index is new). Raises ModelMismatchError if the index was made by another model.
        """
        super().__init__(folder)
        self._guard = threading.RLock()  # of what is loaded; the lock of writers is another, so that readers go on
        self._given = model
        self._encoder: Encoder | None = None
        self._tokens: StaticEncoder | None = None
        self._index: tuple[NeighbourIndex, int, str] | None = None
        self._descriptions = DescriptionRows(self.store)
        self._relating = Relating(self.store, self._descriptions)
        # Of its own memory: a draft waits for no writer.
        self._opinions = Relating(self.store, DescriptionRows(self.store))
        try:
            if model is not None and self.store.setting("model") is not None:
                self.encoder  # noqa: B018 - opens the model, which refuses another than the index's
        except BaseException:
            self.store.close()
            raise

    # the model

    @property
    def encoder(self) -> Encoder:
        """The model, loaded on first use, and again when the index has switched to another (``samestory reembed``).

        Raises ModelMismatchError where the index belongs to another model than the one asked for.
        """
        with self._guard:
            fingerprint = self.store.setting("model_fingerprint")
            if self._encoder is not None and fingerprint not in (None, self._encoder.fingerprint):
                self._encoder = self._tokens = self._given = None
            if self._encoder is None:
                given = self._given if self._given is not None else self.store.setting("model")
                encoder = load_encoder(given) if given is None or isinstance(given, str) else given
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

    def _record_model(self, progress: Progress | None) -> None:
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
        self._descriptions.ready(self.tokens, encoder.dimension, progress)

    @property
    def tokens(self) -> StaticEncoder:
        """The static model that token evidence is read from: the index's own where it is static, else the shipped one."""
        with self._guard:
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
        with self._lock:
            report = self.take_in(documents, progress)
            self.catch_up(progress)
            self.keep_quantities(progress)
        return report

    def take_in(self, documents: Iterable[Document | Rejection], progress: Progress | None = None) -> IngestReport:
        """Store documents with their vectors, batch by batch; their relations and clusters wait for ``catch_up``."""
        report = IngestReport()
        with self._lock:
            intake: Intake | None = None
            for batch in _batched(documents, BATCH_DOCUMENTS):
                with self.store.writing():
                    self._record_model(progress)
                    intake = intake or Intake(self.store, self.encoder, self.tokens, self._descriptions)
                    intake.put_batch(batch, report)
                    self.store.finish_generation()
                if progress:
                    progress(f"{report.documents} documents, {report.items} items read")
        return report

    def catch_up(self, progress: Progress | None = None) -> None:
        """Work out the relations and clusters that wait: of what was just stored, or left by a killed process."""
        with self._lock:
            if self.store.setting("dimension") is not None:
                with self.store.writing():
                    update_boilerplate(self.store, int(self.store.setting("dimension") or 0))
            self._relate_and_cluster(self.store.touched(), progress)

    def keep_quantities(self, progress: Progress | None = None) -> None:
        """Keep the quantities of items that have joined another since the last time: whoever is shown the relation is shown how they compare.

        Those of an item that has none kept are read when asked about.
        """
        joined, self._relating.joined = sorted(self._relating.joined), set()
        for start in range(0, len(joined), BATCH_DOCUMENTS):
            with self.store.writing():
                for number, item, spans in self.store.without_quantities(joined[start : start + BATCH_DOCUMENTS]):
                    self.store.put_quantities(number, quantities_of_item(item, spans))
            if progress:
                progress(f"quantities of {min(start + BATCH_DOCUMENTS, len(joined))} of {len(joined)} items")

    def delete(self, reference: str) -> Item:
        """Delete an item; its story's other items stay, and what counts in them is worked out again. Raises NotFoundError."""
        item = super().delete(reference)
        self.catch_up()
        return item

    # vectors → neighbours → relations → clusters

    def index(self) -> NeighbourIndex:
        """The neighbour index of the store's current vectors: from memory or disk, brought up to date, or built anew."""
        with self._guard:
            generation = self.store.generation()
            stamp = f"{self.store.setting('database')}:{self.store.setting('model_fingerprint')}"
            if self._index is None or self._index[2] != stamp:
                dimension = int(self.store.setting("dimension") or self.encoder.dimension)
                loaded = NeighbourIndex.load(self.folder, dimension, stamp, generation)
                index, known = loaded or (NeighbourIndex(dimension), 0)
                self._index = (index, known, stamp)
                self._catch_up(generation)
                if index.unsaved > SAVED_SHARE * len(index):
                    self._save_index(stamp, generation)
            elif self._index[1] != generation:
                self._catch_up(generation)
            return self._index[0]

    def _catch_up(self, generation: int) -> None:
        """Bring the index in memory from its generation to `generation`."""
        if self._index is not None and self._index[1] != generation:
            index, known, stamp = self._index
            numbers, langs, views = self.store.views_since(known, index.dimension)
            index.remove([*self.store.gone_since(known), *numbers])
            index.add(numbers, [slot_of(lang) for lang in langs], views)
            self._index = (index, generation, stamp)

    def _save_index(self, stamp: str, generation: int) -> None:
        try:
            self.index().save(self.folder, stamp, generation)
        except OSError as error:
            # The file is derived: without it the next start is slower, and nothing else is amiss.
            log.warning("%s: the neighbour index cannot be saved (%s)", self.folder, error.strerror)

    def warm(self) -> None:
        """Load what the first question would load: the model and the neighbour index. Does nothing for an empty index."""
        if not self.store.is_empty():
            self.tokens  # noqa: B018 - loads the model
            self.check("Warm.")

    def _relate_and_cluster(self, stale: set[str], progress: Progress | None) -> None:
        """Relations of every item that waits for them, then the clusters they touch."""
        touched = stale | self._relating.run(self.index(), self.tokens, self.encoder.dimension, progress)
        if touched:
            self._recluster(touched)

    def _recluster(self, touched: set[str], why: str = "ingest") -> None:
        """Work out the clusters that touched items, and those noted in the store, may change."""
        with self.store.writing():
            self.store.touch(touched)
            regroup(self.store, why)

    # variants → sentence alignment

    def aligned_pair(self, a: str, b: str) -> AlignedPair:
        """Two items, named by id or external id, with the alignment of their sentences. Raises NotFoundError."""
        with self.store.reading():
            first, second = (version_of_item(self.find(reference)) for reference in (a, b))
        return AlignedPair(first, second, align_versions(first, second, self.encoder))

    def aligned_pairs(
        self, cluster_id: str | None = None, langs: tuple[str, str] | None = None
    ) -> Iterator[AlignedPair]:
        """Every two items in different languages of one cluster, or of each; with `langs` only these two, in this order.

        Raises NotFoundError where there is no such cluster.
        """
        for cluster in self.clusters() if cluster_id is None else [self.cluster(cluster_id)]:
            for one, other in itertools.combinations(self.members(cluster), 2):
                if langs is not None and (other.lang, one.lang) == langs:
                    one, other = other, one
                if one.lang != other.lang and langs in (None, (one.lang, other.lang)):
                    first, second = version_of_item(one), version_of_item(other)
                    yield AlignedPair(first, second, align_versions(first, second, self.encoder))

    # drafts

    def check(self, text: str, title: str = "", published: str | None = None) -> Checked:
        """The items that tell the same story as a draft, which is not stored.

        A draft is read like a page: a first line shaped like a headline is its title. A match is an
        item of a cluster that the draft would join. Raises InputError for a text without a word.
        """
        item = draft_item(text, title, published)
        with self.store.reading():
            if self.store.is_empty():
                return Checked(item, ())
            [vectors] = vectorise([item], self.encoder)
            return Checked(item, tuple(self._matches(item, vectors)))

    def _matches(self, draft: Item, vectors: ItemVectors) -> Iterator[Match]:
        shared = shared_sentences(self.store, sentence_digests(draft, vectors.sentence_spans))
        stripped, own = without_boilerplate(draft, vectors, shared)
        [entry] = describe([stripped], [own], self.tokens)
        with self._guard:  # adding to the index while another thread searches it is unsafe
            relations = self._opinions.opinions(entry, self.index(), self.tokens, self.encoder.dimension)
        explainer = Explainer(self.store, stripped, own)
        for found in matches_of(self.store, draft, relations):
            yield replace(found, variant=explainer.explained(found.variant))


def _batched(entries: Iterable[Document | Rejection], size: int) -> Iterator[tuple[Document | Rejection, ...]]:
    iterator = iter(entries)
    while batch := tuple(itertools.islice(iterator, size)):
        yield batch
