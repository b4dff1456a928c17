"""Document → stored items and vectors: what is new, what has changed, what is gone."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from align.decisions import decided_translations
from align.describing import TokenReader
from align.description_rows import DescriptionRows
from align.digests import digest_of, fields_digest
from align.embedding import Encoder
from align.furniture import comparable
from align.history import record_change
from align.identity import address_of, alike, find_stored, find_unchanged, sender_of
from align.instants import now
from align.language import identify_language
from align.records import Document, Form, Item, Kind, Rejection
from align.segmenting import Segment, lines_of, segment, segment_texts
from align.store import Store


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


class Intake:
    """Puts the documents of one reading into a store, as items with all that is made of them once. Called inside ``store.writing()``."""

    def __init__(self, store: Store, encoder: Encoder, tokens: TokenReader, descriptions: DescriptionRows) -> None:
        self.store = store
        self.descriptions = descriptions
        self.encoder = encoder
        self.tokens = tokens
        self.claimed: set[int] = set()

    def put_batch(self, batch: Sequence[Document | Rejection], report: IngestReport) -> None:
        """Store one batch. Items whose relations or clusters are to be worked out again are noted in the store."""
        fresh: list[Document] = []
        for entry in batch:
            if isinstance(entry, Rejection):
                self._reject(entry, report)
                continue
            report.documents += 1
            stored = find_unchanged(self.store, entry)
            if stored is not None:
                self.claimed.add(stored.number)
                known = self.store.items_of_document(stored.number)
                report.items += len(known)
                report.unchanged += len(known)
                report.outcomes.append(Outcome(entry.name, tuple(item.id for item in known), "unchanged"))
            else:
                fresh.append(entry)
        seen_in = self._count_lines(fresh)
        waiting: list[tuple[int, Item]] = []
        for document in fresh:
            if segments := segment(document, seen_in):
                waiting += self._put_document(document, segments, report)
            else:
                report.documents -= 1
                reason = "holds no story text: every line is page furniture, or there is none"
                self._reject(Rejection(document.path, document.line, reason), report, document.name)
        if waiting:
            # A later row of the batch wins, and may have taken an earlier one's items away.
            latest = {number: item for number, item in waiting if self.store.owner_of(item.id) is not None}
            self.descriptions.put_made(latest, self.encoder, self.tokens)

    def _put_document(
        self, document: Document, segments: Sequence[Segment], report: IngestReport
    ) -> list[tuple[int, Item]]:
        """Store a document that is new or has changed; returns (number, item) of what needs vectors."""
        sender = sender_of(document)
        stored = find_stored(self.store, document, sender, self.claimed)
        known = stored.number if stored else None
        before = {item.id: item for item in self.store.items_of_document(known)} if known else {}
        number = self.store.put_document(document, fields_digest(document), sender, known)
        self.claimed.add(number)
        items = self._items(document, segments, number, before)
        gone = before.keys() - {item.id for item in items}
        self.store.delete_items(gone)
        changed = [item for item in items if before.get(item.id) != item]
        waiting = []
        for item in changed:
            old = before.get(item.id)
            if old is not None and _same_content(old, item):
                self.store.put_item_head(item)
                continue
            if old is not None:
                self._revise(old, item)
            waiting.append((self.store.put_item(item, number, now()), item))
        n_updated = sum(item.id in before for item in changed)
        report.removed += len(gone)
        report.items += len(items)
        report.added += len(changed) - n_updated
        report.updated += n_updated
        report.unchanged += len(items) - len(changed)
        status = "unchanged" if not changed and not gone else "updated" if before else "added"
        report.outcomes.append(Outcome(document.name, tuple(item.id for item in items), status))
        return waiting

    def _revise(self, old: Item, new: Item) -> None:
        """Make way for another text of an item: the old one is kept, and its translations are out of date."""
        if (old.title, old.text) != (new.title, new.text):
            self.store.keep_revision(old.id)
            self.store.outdate(self._translations(old.id), old.id)
            if cluster := self.store.cluster_of(old.id):
                record_change(self.store, cluster, "revised", "ingest", [old.id])
        self.store.drop_relations(old.id)

    def _translations(self, item_id: str) -> set[str]:
        """The items that translate an item, by relation or decision; it has caught up with those it was behind."""
        behind = self.store.catch_up(item_id)
        related = {found.other(item_id) for found in self.store.edges_of(item_id) if found.kind is Kind.TRANSLATION}
        return (related | decided_translations(self.store, item_id)) - behind

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

    def _items(
        self, document: Document, segments: Sequence[Segment], number: int, before: Mapping[str, Item]
    ) -> list[Item]:
        texts = segment_texts(document, segments)
        ids = self._item_ids(document, texts, number, before)
        items = []
        for found, (title, text), item_id in zip(segments, texts, ids, strict=True):
            lang, confidence = identify_language(f"{title}\n{text}" if title else text)
            if document.lang and document.form is Form.ARTICLE and _agrees(document.lang, lang, confidence):
                short = document.lang.split("-")[0].lower()
                lang, confidence = short if short in ("en", "ja", "de", "it") else document.lang, 1.0
            old = before.get(item_id)
            # Tracking parameters make no other address: what was stored first stays.
            url = old.url if old and old.url and address_of(old.url) == address_of(document.url) else document.url
            items.append(
                Item(item_id, document.external_id or document.name, lang, confidence, title, text, document.source, url, document.published,
                     found.start, found.end, found.paragraphs)
            )  # fmt: skip
        return items

    def _item_ids(
        self, document: Document, texts: Sequence[tuple[str, str]], number: int, before: Mapping[str, Item]
    ) -> list[str]:
        """The ids of a document's items: those they had `before`, as far as they are the same items or revisions of them."""
        if document.form is Form.ARTICLE and len(texts) == len(before) == 1:
            return list(before)
        taken: set[str] = set()
        ids = []
        for title, text in texts:
            ids.append(self._new_id(document, title, text, number, taken))
            taken.add(ids[-1])
        left = {item_id: item for item_id, item in before.items() if item_id not in taken}
        for place, (_, text) in enumerate(texts):
            if ids[place] not in before:
                revised = next((item_id for item_id, item in left.items() if alike(item.text, text)), None)
                if revised is not None:
                    ids[place] = revised
                    del left[revised]
        return ids

    def _new_id(self, document: Document, title: str, text: str, number: int, taken: set[str]) -> str:
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


def _same_content(old: Item, new: Item) -> bool:
    """Whether nothing has changed that vectors and relations are made from."""
    return (old.title, old.text, old.lang, old.published) == (new.title, new.text, new.lang, new.published)


def _agrees(declared: str, detected: str, confidence: float) -> bool:
    """Whether a declared language may stand: it is what was detected, or the text is too short or odd to tell."""
    return declared.split("-")[0].lower() == detected or detected == "und" or confidence < 0.6
