"""Rate limits that hold over all worker processes: the counters of the `limits` library, kept in the ledger."""

from __future__ import annotations

import sqlite3
import time
from typing import Any

from limits import RateLimitItem, parse
from limits.storage import Storage
from limits.strategies import FixedWindowRateLimiter

from service.ledger import Ledger


class LedgerStorage(Storage):
    """Fixed windows as rows of the ledger: one statement counts a hit, whichever process it came to."""

    STORAGE_SCHEME = None

    def __init__(self, ledger: Ledger) -> None:
        super().__init__()
        self.ledger = ledger

    @property
    def base_exceptions(self) -> type[Exception]:
        return sqlite3.Error

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        moment = time.time()
        row = self.ledger.row(
            "INSERT INTO rate VALUES (?1, ?2, ?3) ON CONFLICT (key) DO UPDATE SET "
            "count = CASE WHEN expires_at <= ?4 THEN ?2 ELSE count + ?2 END, expires_at = CASE WHEN expires_at <= ?4 THEN ?3 ELSE expires_at END "
            "RETURNING count",
            (key, amount, moment + expiry, moment),
        )
        return int(row["count"]) if row else amount

    def get(self, key: str) -> int:
        row = self.ledger.row("SELECT count FROM rate WHERE key = ? AND expires_at > ?", (key, time.time()))
        return int(row["count"]) if row else 0

    def get_expiry(self, key: str) -> float:
        row = self.ledger.row("SELECT expires_at FROM rate WHERE key = ?", (key,))
        return float(row["expires_at"]) if row else time.time()

    def check(self) -> bool:
        return self.ledger.row("SELECT 1") is not None

    def reset(self) -> int | None:
        return self.ledger.change("DELETE FROM rate")

    def clear(self, key: str) -> None:
        self.ledger.change("DELETE FROM rate WHERE key = ?", (key,))


class Rates:
    """Who may ask how often."""

    def __init__(self, ledger: Ledger) -> None:
        self._limiter = FixedWindowRateLimiter(LedgerStorage(ledger))
        self._parsed: dict[str, RateLimitItem] = {}

    def wait(self, caller: str, rate: str) -> float:
        """Count one request of `caller` under `rate`; seconds until the next is welcome, 0 if this one is."""
        item: Any = self._parsed.setdefault(rate, parse(rate))
        if self._limiter.hit(item, caller):
            return 0.0
        return max(self._limiter.get_window_stats(item, caller).reset_time - time.time(), 0.1)
