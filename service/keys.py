"""API keys with scopes, kept hashed, and the editors' sessions that a key opens.

A key is ``sst_<id>_<secret>`` with 256 random bits of secret, so that a plain SHA-256 keeps it: there
is nothing to guess, and so nothing that a slow hash would slow down.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime

from align.errors import InputError, NotFoundError
from service.ledger import Ledger

SCOPES = ("read", "write", "decide")
SESSION_SECONDS = 12 * 3600.0
PREFIX = "sst"


@dataclass(frozen=True)
class Key:
    """A key as it is kept; `rate` is "" where the service's own limit counts."""

    id: str
    name: str
    scopes: tuple[str, ...]
    rate: str
    created_at: str
    revoked_at: str | None


def now() -> str:
    """The time, ISO 8601, UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def checked_rate(rate: str) -> str:
    """`rate` as given. Raises InputError if it is none, such as ``100/second``."""
    from limits import parse_many

    try:
        fits = not rate or [limit.amount > 0 for limit in parse_many(rate)] == [True]
    except ValueError:
        fits = False
    if not fits:
        raise InputError(f"rate {rate!r} is none; write one, like 100/second or 5000/hour")
    return rate


class KeyRing:
    """The keys and sessions of one ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger

    def add(self, name: str, scopes: tuple[str, ...], rate: str = "") -> tuple[Key, str]:
        """A new key and its text, which is shown this once. Raises InputError for an unknown scope or rate."""
        if not name.strip():
            raise InputError("a key needs a name that says whose it is")
        unknown = [scope for scope in scopes if scope not in SCOPES]
        if unknown or not scopes:
            raise InputError(f"scope {', '.join(unknown) or '(none)'}: choose from {', '.join(SCOPES)}")
        key_id, secret = secrets.token_hex(6), secrets.token_hex(32)
        kept = tuple(scope for scope in SCOPES if scope in scopes)
        self.ledger.change(
            "INSERT INTO api_key VALUES (?, ?, ?, ?, ?, ?, NULL)",
            (key_id, name, _digest(secret), " ".join(kept), checked_rate(rate), now()),
        )
        return self._key(key_id), f"{PREFIX}_{key_id}_{secret}"

    def _key(self, key_id: str) -> Key:
        row = self.ledger.row("SELECT * FROM api_key WHERE id = ?", (key_id,))
        if row is None:
            raise NotFoundError(f"no key {key_id!r}; `samestory keys list` names them")
        return Key(
            row["id"], row["name"], tuple(row["scopes"].split()), row["rate"], row["created_at"], row["revoked_at"]
        )

    def all(self) -> list[Key]:
        """Every key, revoked ones included, in order of making."""
        return [self._key(row["id"]) for row in self.ledger.rows("SELECT id FROM api_key ORDER BY created_at, rowid")]

    def any_active(self) -> bool:
        """Whether some key is in force."""
        return self.ledger.row("SELECT 1 FROM api_key WHERE revoked_at IS NULL LIMIT 1") is not None

    def revoke(self, key_id: str) -> Key:
        """End a key and the sessions that it opened, at once. Raises NotFoundError."""
        self._key(key_id)
        with self.ledger.writing():
            self.ledger.change("UPDATE api_key SET revoked_at = coalesce(revoked_at, ?) WHERE id = ?", (now(), key_id))
            self.ledger.change("DELETE FROM session WHERE key_id = ?", (key_id,))
        return self._key(key_id)

    def holder(self, text: str) -> Key | None:
        """The key in force that `text` is, or None."""
        prefix, _, rest = text.strip().partition("_")
        key_id, _, secret = rest.partition("_")
        row = self.ledger.row("SELECT digest FROM api_key WHERE id = ? AND revoked_at IS NULL", (key_id,))
        if prefix != PREFIX or row is None or not hmac.compare_digest(row["digest"], _digest(secret)):
            return None
        return self._key(key_id)

    def open_session(self, key: Key) -> str:
        """A session of `key`: a random text that stands for it for `SESSION_SECONDS`."""
        token = secrets.token_urlsafe(32)
        with self.ledger.writing():
            self.ledger.change("DELETE FROM session WHERE expires_at < ?", (time.time(),))
            self.ledger.change(
                "INSERT INTO session VALUES (?, ?, ?)", (_digest(token), key.id, time.time() + SESSION_SECONDS)
            )
        return token

    def session_holder(self, token: str) -> Key | None:
        """The key that a session stands for, or None where it is over."""
        row = self.ledger.row(
            "SELECT key_id FROM session JOIN api_key ON api_key.id = key_id WHERE session.digest = ? AND expires_at > ? AND revoked_at IS NULL",
            (_digest(token), time.time()),
        )
        return self._key(row["key_id"]) if row else None

    def end_session(self, token: str) -> None:
        self.ledger.change("DELETE FROM session WHERE digest = ?", (_digest(token),))
