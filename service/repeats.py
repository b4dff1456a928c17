"""Idempotency-Key: the answer to a request is kept, and a repetition gets it again.

After draft-ietf-httpapi-idempotency-key-header, section 2.7: the same key with another request is answered
with 422, a repetition that comes while the first is still being worked on with 409.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from fastapi import Request, Response

from align.errors import InputError
from service.access import Caller
from service.ledger import Ledger
from service.problems import Problem, retry_after

KEPT_SECONDS = 24 * 3600.0
STALLED_SECONDS = 600.0
HEADER = "Idempotency-Key"
PARAMETER = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    "description": "Sent again with the same body, the request is answered from memory for a day.",
}
"""The header in the description of a route that heeds it."""
MEDIA = "application/json"


async def answered_once(
    request: Request, ledger: Ledger, caller: Caller, body: bytes, work: Callable[[], Awaitable[Response]]
) -> Response:
    """The answer of `work`, or the one kept under the request's Idempotency-Key; `body` is the request's, or a digest of it.

    Raises InputError for a key used for another request, Problem 409 while the first is being worked on.
    """
    key = request.headers.get(HEADER)
    if key is None:
        return await work()
    if not 1 <= len(key) <= 255:
        raise InputError(f"{HEADER} has {len(key)} characters; send 1 to 255")
    asked = f"{request.url.path}?{request.url.query}" if request.url.query else request.url.path
    digest = hashlib.sha256(b"\0".join([request.method.encode(), asked.encode(), body])).hexdigest()
    who = caller.key_id or "open"
    kept = _begin(ledger, who, key, digest)
    if kept is not None:
        return kept
    try:
        answer = await work()
    except BaseException:
        ledger.change("DELETE FROM answer WHERE caller = ? AND key = ?", (who, key))
        raise
    ledger.change(
        "UPDATE answer SET status = ?, body = ? WHERE caller = ? AND key = ?",
        (answer.status_code, bytes(answer.body), who, key),
    )
    return answer


def forget_unfinished(ledger: Ledger) -> None:
    """At the start of a service: whoever worked on a request that has no answer yet is gone, and its key may be used again."""
    ledger.change("DELETE FROM answer WHERE status IS NULL")


def _begin(ledger: Ledger, who: str, key: str, digest: str) -> Response | None:
    """Claim the key for this request, or give the answer kept under it."""
    moment = time.time()
    with ledger.writing():
        ledger.change("DELETE FROM answer WHERE begun_at < ?", (moment - KEPT_SECONDS,))
        row = ledger.row("SELECT request, status, body, begun_at FROM answer WHERE caller = ? AND key = ?", (who, key))
        if row is None or (
            row["status"] is None and row["request"] == digest and row["begun_at"] < moment - STALLED_SECONDS
        ):
            ledger.change("INSERT OR REPLACE INTO answer VALUES (?, ?, ?, NULL, NULL, ?)", (who, key, digest, moment))
            return None
    if row["request"] != digest:
        raise InputError(f"{HEADER} {key!r} was used for another request; take a new one for each request")
    if row["status"] is None:
        raise Problem(
            HTTPStatus.CONFLICT, f"the request with {HEADER} {key!r} is still being worked on", retry_after(2)
        )
    return Response(row["body"], row["status"], {"Idempotency-Replayed": "true"}, MEDIA)
