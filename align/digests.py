"""Digests that are the same on every machine: of items' seeds, of lines, of documents."""

from __future__ import annotations

import hashlib
import json

from align.records import Document


def digest_of(*parts: object) -> str:
    """20 hex digits of the parts, which must be JSON values."""
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
