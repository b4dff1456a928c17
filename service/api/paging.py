"""Opaque cursors, and the Link header that leads to the next page."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from typing import Annotated, TypeVar

from fastapi import Query, Request, Response

from align.errors import InputError

Entry = TypeVar("Entry")
Limit = Annotated[int, Query(ge=1, le=500, description="Entries on a page.")]
Cursor = Annotated[str | None, Query(description="`next` of the page before.", max_length=500)]


def encode_cursor(values: Sequence[object]) -> str:
    """A cursor that holds `values`, which must be JSON-ready."""
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


def decode_cursor(cursor: str | None, *kinds: type) -> tuple[object, ...] | None:
    """The values of a cursor, one of each of `kinds`; None without a cursor. Raises InputError for a strange one."""
    if not cursor:
        return None
    try:
        values = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError):
        values = None
    fits = isinstance(values, list) and len(values) == len(kinds)
    if not fits or any(type(value) is not kind for value, kind in zip(values, kinds, strict=True)):
        raise InputError(f"cursor {cursor[:80]!r} is none that this list gave; leave it out to begin at the first page")
    if any(isinstance(value, int) and not -(2**63) <= value < 2**63 for value in values):
        raise InputError(f"cursor {cursor[:80]!r} is none that this list gave; leave it out to begin at the first page")
    return tuple(values)


def page_of(
    request: Request, response: Response, found: Sequence[Entry], limit: int, key: Callable[[Entry], Sequence[object]]
) -> tuple[Sequence[Entry], str | None]:
    """The first `limit` entries of `found`, which holds one more where there are more, and the cursor of the next page."""
    if len(found) <= limit:
        return found, None
    following = encode_cursor(key(found[limit - 1]))
    response.headers["Link"] = f'<{request.url.include_query_params(cursor=following)}>; rel="next"'
    return found[:limit], following
