"""Whether a document is one that was read before, under another address, id or name.

Copies are no re-sendings: other papers print the same text, and each stays an item of its own. So the
same text alone tells nothing; what has to come with it is the same address, or the same source and
moment of publication, or the same place in the same file.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Set
from functools import lru_cache
from urllib.parse import urlsplit

from align.digests import digest_of, fields_digest
from align.records import Document, Form
from align.store import Sender, Store, StoredDocument

ALIKE = 0.5
"""Least share of the longer text's five-character runs in the other that makes a revision of it, inclusive."""

_NO_SIGN = re.compile(r"[\W_]+")


def address_of(url: str | None) -> str | None:
    """What an URL says of where an article stands: without scheme, ``www.``, tracking parameters and fragment.

    None for what is no web address, and for a site's front page, where many articles stand in turn.
    Tracking parameters are those that courlan knows, campaign ids and click ids among them.
    """
    from courlan import normalize_url

    try:
        parts = urlsplit(normalize_url(url.strip())) if url else None
    except ValueError:
        return None
    if parts is None or parts.scheme not in ("http", "https") or not parts.netloc:
        return None
    path = parts.path.rstrip("/")
    host = parts.netloc.lower().removeprefix("www.")
    if not path and not parts.query:
        return None
    return f"{host}{path}?{parts.query}" if parts.query else f"{host}{path}"


def text_digest(document: Document) -> str:
    """A digest of the document's text, case, white space and Unicode form apart."""
    return digest_of(" ".join(unicodedata.normalize("NFKC", document.text).casefold().split()))


def alike(left: str, right: str) -> bool:
    """Whether one text may be a revision of the other, in any language."""
    if not 0.4 < len(left) / max(len(right), 1) < 2.5:
        return False
    ours, theirs = _runs(left), _runs(right)
    return len(ours & theirs) >= ALIKE * max(len(ours), len(theirs))


@lru_cache(maxsize=64)
def _runs(text: str) -> frozenset[str]:
    signs = _NO_SIGN.sub("", unicodedata.normalize("NFKC", text).casefold())
    return frozenset(map("".join, zip(*(signs[start:] for start in range(5)), strict=False))) or frozenset({signs})


def sender_of(document: Document) -> Sender:
    """What a document is recognised by, apart from its id."""
    return Sender(address_of(document.url), document.source, document.published, text_digest(document))


def find_unchanged(store: Store, document: Document) -> StoredDocument | None:
    """The stored document that says the very same under the same id, or under the same name where there is none."""
    digest = fields_digest(document)
    if document.external_id is not None:
        found = store.find_external(document.external_id)
        return found if found is not None and found.digest == digest else None
    same = store.find_documents("digest = ? AND name = ? AND external_id IS NULL", digest, document.name)
    return same[0] if same else None


def find_stored(store: Store, document: Document, sender: Sender, claimed: Set[int]) -> StoredDocument | None:
    """The stored document that `document`, of this `sender`, is; None where it is a new one.

    In this order: the same external id, present or former; the same content, or one alike, in the same
    file and place (of a file that holds one document, whatever it says now); the same address, and the
    same title or a text alike; the same source and moment of publication under another address, and a
    text alike; and, where there are no external ids, the same source and text under another address.

    But for its external id, and the very same place, a document is none of those (numbers) that the same reading has `claimed`: what is
    sent side by side is not sent again, and equal rows are copies.
    """
    if document.external_id is not None and (found := store.find_external(document.external_id)):
        return found
    for found in store.find_documents(
        "digest = ? AND name = ? AND path = ? AND external_id IS NULL",
        fields_digest(document),
        document.name,
        document.path,
    ):
        return found  # the same place of the same file, named twice
    questions = [_in_place, _moved] if document.form is Form.ARTICLE else [_in_place]
    candidates = (found for question in questions for found in question(store, document, sender))
    return next((found for found in candidates if found.number not in claimed), None)


def _in_place(store: Store, document: Document, sender: Sender) -> Iterator[StoredDocument]:
    if document.external_id is not None:
        return
    place, name = document.path, document.name
    yield from store.find_documents("digest = ? AND name = ? AND external_id IS NULL", fields_digest(document), name)
    if document.line is not None:
        yield from store.find_documents(
            "+path = ? AND text_digest = ? AND external_id IS NULL", place, sender.text_digest
        )
    for found in store.find_documents("path = ? AND name = ? AND external_id IS NULL", place, name):
        if document.line is None or alike(found.text, document.text):
            yield found


def _moved(store: Store, document: Document, sender: Sender) -> Iterator[StoredDocument]:
    if sender.address is None:
        return
    for found in store.find_documents("address = ?", sender.address):
        if (document.title and found.title == document.title) or alike(found.text, document.text):
            yield found
    if sender.source is None:
        return
    if _is_moment(sender.published):
        for found in store.find_documents(
            "source = ? AND published = ? AND address IS NOT NULL", sender.source, sender.published
        ):
            if alike(found.text, document.text):
                yield found
    if document.external_id is None:
        yield from store.find_documents(
            "text_digest = ? AND source = ? AND address IS NOT NULL AND external_id IS NULL",
            sender.text_digest,
            sender.source,
        )


def _is_moment(published: str | None) -> bool:
    """Whether a date says more than the day."""
    return published is not None and "T" in published and "T00:00:00" not in published
