"""Whether a document is one that was read before, under another address, id or name.

Copies are no re-sendings: other papers print the same text, and each stays an item of its own. So the
same text alone tells nothing; what has to come with it is the same address, or the same source and
moment of publication, or the same place in the same file.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Set
from urllib.parse import urlsplit

from align.digests import digest_of, fields_digest
from align.records import Document, Form
from align.store import Sender, Store, StoredDocument

ALIKE = 0.5
"""Least share of the longer text's five-character runs in the other that makes a revision of it, inclusive."""


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
    ours, theirs = _runs(left), _runs(right)
    return len(ours & theirs) >= ALIKE * max(len(ours), len(theirs))


def _runs(text: str) -> set[str]:
    signs = "".join(sign for sign in unicodedata.normalize("NFKC", text).casefold() if sign.isalnum())
    return {signs[start : start + 5] for start in range(max(1, len(signs) - 4))}


def sender_of(document: Document) -> Sender:
    """What a document is recognised by, apart from its id."""
    return Sender(address_of(document.url), document.source, document.published, text_digest(document))


def find_stored(store: Store, document: Document, claimed: Set[int]) -> tuple[StoredDocument, bool] | None:
    """The stored document that `document` is, and whether it is unchanged; None where it is a new one.

    In this order: the same external id, present or former; the same content, or another, in the same
    file and place (a row that is not alike is another row); the same address, and the same title or a
    text alike; the same source and second of publication under another address, and a text alike;
    and, where there are no external ids, the same source and text under another address. A row without
    an id is none of the documents (numbers) that other rows have `claimed`: equal rows are copies.
    """
    digest = fields_digest(document)
    if document.external_id is not None and (found := store.find_external(document.external_id)):
        return found, found.digest == digest
    sender = sender_of(document)
    if document.external_id is None:
        for found in store.find_documents("digest = ? AND name = ? AND external_id IS NULL", digest, document.name):
            return found, True
        if document.line is not None:
            for found in store.find_documents(
                "+path = ? AND text_digest = ? AND external_id IS NULL", document.path, sender.text_digest
            ):
                if found.number not in claimed:
                    return found, False
        for found in store.find_documents(
            "path = ? AND name = ? AND external_id IS NULL", document.path, document.name
        ):
            if document.line is None or (found.number not in claimed and alike(found.text, document.text)):
                return found, False
    if document.form is Form.PAGE:
        return None
    found_moved = _find_moved(store, document, sender)
    return None if found_moved is None else (found_moved, False)


def _find_moved(store: Store, document: Document, sender: Sender) -> StoredDocument | None:
    if sender.address is None:
        return None
    for found in store.find_documents("address = ?", sender.address):
        if (document.title and found.title == document.title) or alike(found.text, document.text):
            return found
    if document.source is None:
        return None
    if document.published is not None and "T" in document.published:
        for found in store.find_documents(
            "source = ? AND published = ? AND address IS NOT NULL", document.source, document.published
        ):
            if alike(found.text, document.text):
                return found
    if document.external_id is None:
        for found in store.find_documents(
            "text_digest = ? AND source = ? AND address IS NOT NULL AND external_id IS NULL",
            sender.text_digest,
            document.source,
        ):
            return found
    return None
