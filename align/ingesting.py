"""Document → stored items and vectors: what is new, what has changed, what is gone."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from align.embedding import Encoder
from align.furniture import comparable
from align.language import identify_language
from align.records import Document, Form, Item, Rejection
from align.segmenting import Segment, lines_of, segment, segment_texts
from align.store import Store
from align.vectors import vectorise


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


def digest_of(*parts: object) -> str:
    """20 hex digits of the parts, the same on every machine."""
    return hashlib.blake2b(json.dumps(parts, ensure_ascii=False).encode(), digest_size=10).hexdigest()


def fields_digest(document: Document) -> str:
    """A digest of everything that a document says, without where it was read from."""
    return digest_of(
        document.form.value,
        document.text,
        document.title,
        document.lang,
        document.source,
        document.url,
        document.published,
    )


class Intake:
    """Puts documents into a store as items with vectors. Called inside ``store.writing()``."""

    def __init__(self, store: Store, encoder: Encoder) -> None:
        self.store = store
        self.encoder = encoder

    def put_batch(self, batch: Sequence[Document | Rejection], report: IngestReport) -> set[str]:
        """Store one batch; returns the items whose clusters must be worked out again though they are gone or unchanged."""
        fresh: list[tuple[Document, str, int | None]] = []
        for entry in batch:
            if isinstance(entry, Rejection):
                self._reject(entry, report)
                continue
            report.documents += 1
            digest = fields_digest(entry)
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
            stale |= self.store.mates(gone)
            self.store.delete_items(gone)
            report.removed += len(gone)
            changed = [item for item in items if before.get(item.id) != item]
            for item in changed:
                if item.id in before:
                    stale |= self.store.mates([item.id])
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
                self.store.count_lines(digest_of(line) for line in sorted(lines))
        # count_lines has just added this batch to what the store knows; a page is not its own witness.
        return Counter({line: self.store.lines_seen([digest_of(line)]).get(digest_of(line), 1) - 1 for line in count})

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
            item_id = "i" + digest_of(*seed, attempt)[:16]
            if item_id not in taken and self.store.owner_of(item_id) in (None, number):
                return item_id
        raise AssertionError("itertools.count() ends nowhere")


def _agrees(declared: str, detected: str, confidence: float) -> bool:
    """Whether a declared language may stand: it is what was detected, or the text is too short or odd to tell."""
    return declared.split("-")[0].lower() == detected or detected == "und" or confidence < 0.6
