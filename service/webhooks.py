"""Changes sent to others as they happen: signed, in order, at least once, whatever is restarted in between.

A webhook keeps the number of the last change delivered, so what is still to be sent is the feed itself
and nothing can be lost. Signed as Standard Webhooks 1.0 (standardwebhooks.com) says:
``webhook-signature: v1,`` and base64 of HMAC-SHA256 over id, timestamp and body.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import hashlib
import hmac
import json
import secrets
import time
from dataclasses import dataclass
from sqlite3 import Row

import httpx2 as httpx
import structlog
from tenacity import RetryCallState, wait_random_exponential

from align.errors import InputError, NotFoundError
from align.pipeline import Pipeline
from align.shapes import change_shape
from service.keys import now
from service.ledger import Ledger

TOGETHER = 100
"""Most changes in one delivery."""
TIMEOUT = 10.0
LEASE_SECONDS = 30.0
LOOK_SECONDS = 0.5
ATTEMPTS = 20
"""Failures in a row after which a webhook is put to rest: about a day and a half with the waits below."""
WAIT = wait_random_exponential(multiplier=1, min=0.5, max=2 * 3600)
PREFIX = "whsec_"

log = structlog.get_logger("samestory.webhooks")


@dataclass(frozen=True)
class Webhook:
    """Where changes go; `after` is the number of the last one delivered."""

    id: str
    url: str
    active: bool
    after: int
    attempts: int
    created_at: str
    delivered_at: str | None
    reason: str | None


def signature(secret: str, delivery: str, timestamp: int, body: bytes) -> str:
    """The value of ``webhook-signature``."""
    key = base64.b64decode(secret.removeprefix(PREFIX))
    digest = hmac.new(key, f"{delivery}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def _checked_secret(secret: str | None) -> str:
    if secret is None:
        return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()
    try:
        length = len(base64.b64decode(secret.removeprefix(PREFIX), validate=True))
    except (binascii.Error, ValueError):
        length = 0
    if not secret.startswith(PREFIX) or not 24 <= length <= 64:
        raise InputError("secret: write whsec_ and the base64 of 24 to 64 random bytes, or leave it out")
    return secret


def _wait(attempts: int) -> float:
    """Seconds to wait after the failure numbered `attempts`: exponential, with jitter."""
    state = RetryCallState(retry_object=None, fn=None, args=(), kwargs={})  # type: ignore[arg-type]
    state.attempt_number = attempts
    return float(WAIT(state))


class Webhooks:
    """The webhooks of one ledger, and the loop that delivers."""

    def __init__(self, ledger: Ledger, pipeline: Pipeline) -> None:
        self.ledger = ledger
        self.pipeline = pipeline
        self._stop = asyncio.Event()

    def add(self, url: str, secret: str | None, after: int | None) -> tuple[Webhook, str]:
        """A new webhook and its secret; it starts after the newest change unless `after` says where. Raises InputError."""
        try:
            parts = httpx.URL(url)
            fits = parts.scheme in ("http", "https") and bool(parts.host) and 0 < (parts.port or 1) < 2**16
        except (httpx.InvalidURL, ValueError):
            fits = False
        if not fits or any(sign.isspace() for sign in url):
            raise InputError(f"url {url[:200]!r} is none to send to; write https://host/path")
        kept = _checked_secret(secret)
        webhook_id = "w" + secrets.token_hex(8)
        newest = self.pipeline.store.rows("SELECT coalesce(max(number), 0) FROM change")[0][0]
        self.ledger.change(
            "INSERT INTO webhook VALUES (?, ?, ?, 1, ?, NULL, 0, 0, 0, ?, NULL, NULL)",
            (webhook_id, url, kept, newest if after is None else after, now()),
        )
        return self.webhook(webhook_id), kept

    def webhook(self, webhook_id: str) -> Webhook:
        """Raises NotFoundError if there is no such webhook."""
        row = self.ledger.row("SELECT * FROM webhook WHERE id = ?", (webhook_id,))
        if row is None:
            raise NotFoundError(f"no webhook {webhook_id!r}; GET /v1/webhooks lists them")
        return Webhook(
            row["id"],
            row["url"],
            bool(row["active"]),
            row["after"],
            row["attempts"],
            row["created_at"],
            row["delivered_at"],
            row["reason"],
        )

    def webhooks(self) -> list[Webhook]:
        return [
            self.webhook(row["id"]) for row in self.ledger.rows("SELECT id FROM webhook ORDER BY created_at, rowid")
        ]

    def resume(self, webhook_id: str, after: int | None = None) -> Webhook:
        """Try again at once, also where the webhook had been put to rest; what came after the change `after` is sent again.

        Raises NotFoundError.
        """
        self.webhook(webhook_id)
        self.ledger.change("UPDATE webhook SET active = 1, attempts = 0, next_at = 0 WHERE id = ?", (webhook_id,))
        if after is not None:  # the lease goes too: a delivery under way is no longer the next
            self.ledger.change(
                "UPDATE webhook SET after = ?, sending = NULL, leased_until = 0 WHERE id = ?", (after, webhook_id)
            )
        return self.webhook(webhook_id)

    def remove(self, webhook_id: str) -> None:
        """Raises NotFoundError if there is no such webhook."""
        self.webhook(webhook_id)
        self.ledger.change("DELETE FROM webhook WHERE id = ?", (webhook_id,))

    # delivery

    async def work(self) -> None:
        """Deliver what is due, until ``stop``."""
        async with httpx.AsyncClient(timeout=TIMEOUT, follow_redirects=False) as client:
            while not self._stop.is_set():
                try:
                    # Together: one that is slow keeps no other waiting.
                    delivered = await asyncio.gather(*(self._deliver(client, row) for row in self._claim()))
                except Exception:  # the loop must outlive whatever one delivery does
                    log.exception("webhooks failed")
                    delivered = [False]
                if not any(delivered):
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._stop.wait(), LOOK_SECONDS)

    def stop(self) -> None:
        """Let ``work`` end after the delivery it is at."""
        self._stop.set()

    def _claim(self) -> list[Row]:
        """Lease the webhooks that may be due: no other worker delivers them meanwhile."""
        moment = time.time()
        due = "active = 1 AND next_at <= ? AND leased_until < ?"
        newest = self.pipeline.store.rows("SELECT coalesce(max(number), 0) FROM change")[0][0]
        found = self.ledger.rows(f"SELECT id FROM webhook WHERE after < ? AND {due}", (newest, moment, moment))
        return [
            row
            for one in found
            for row in self.ledger.rows(
                f"UPDATE webhook SET leased_until = ? WHERE id = ? AND {due} RETURNING *",
                (moment + LEASE_SECONDS, one["id"], moment, moment),
            )
        ]

    async def _deliver(self, client: httpx.AsyncClient, row: Row) -> bool:
        """Send the changes that are next; whether they arrived."""
        changes = await asyncio.to_thread(self.pipeline.changes, row["after"], TOGETHER)
        if row["sending"] is not None and row["sending"] > row["after"]:
            changes = [change for change in changes if change.number <= row["sending"]]  # a retry sends the same again
        if not changes:
            self.ledger.change("UPDATE webhook SET leased_until = 0 WHERE id = ?", (row["id"],))
            return False
        last = changes[-1].number
        self.ledger.change("UPDATE webhook SET sending = ? WHERE id = ?", (last, row["id"]))
        delivery, timestamp = f"{row['id']}-{last}", int(time.time())
        data = {
            "type": "changes",
            "timestamp": now(),
            "data": {"changes": [change_shape(change) for change in changes]},
        }
        body = json.dumps(data, ensure_ascii=False).encode()
        headers = {
            "Content-Type": "application/json",
            "webhook-id": delivery,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signature(row["secret"], delivery, timestamp, body),
        }
        try:
            answer = await client.post(row["url"], content=body, headers=headers)
            reason = None if answer.is_success else f"answered {answer.status_code}"
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            reason = str(error) or type(error).__name__
        if reason is None:
            self.ledger.change(  # unless it was told meanwhile to begin elsewhere
                "UPDATE webhook SET after = ?, sending = NULL, attempts = 0, next_at = 0, leased_until = 0, delivered_at = ?, reason = NULL WHERE id = ? AND after = ?",
                (last, now(), row["id"], row["after"]),
            )
            return True
        attempts = row["attempts"] + 1
        self.ledger.change(
            "UPDATE webhook SET attempts = ?, next_at = ?, leased_until = 0, reason = ?, active = ? WHERE id = ?",
            (attempts, time.time() + _wait(attempts), reason, int(attempts < ATTEMPTS), row["id"]),
        )
        log.warning("webhook not delivered", webhook=row["id"], attempts=attempts, reason=reason)
        return False
