"""Long batch work as jobs: the lines wait in a file, the progress stands in the ledger, a restart goes on where it stopped.

Each worker process looks for a job that nobody holds; a lease, renewed while the work goes on, keeps
two from one job and frees it when a process dies.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from align.errors import AlignError, NotFoundError
from align.records import Document, Rejection
from service.entries import Entry, read_lines
from service.keys import now
from service.ledger import Ledger
from service.problems import BusyError, TooLargeError
from service.settings import Settings
from service.writer import Writer

CHUNK = 256
"""Lines ingested between two looks at what else waits: other requests are served in between."""
LEASE_SECONDS = 20.0
LOOK_SECONDS = 1.0
KEPT_REJECTIONS = 1000

log = structlog.get_logger("samestory.jobs")


@dataclass(frozen=True)
class Job:
    """A job: `status` is queued, running, done or failed; `done` of `total` lines; what became of the items."""

    id: str
    kind: str
    status: str
    done: int
    total: int
    counts: dict[str, int]
    rejected: list[dict[str, Any]]
    reason: str | None
    created_at: str
    started_at: str | None
    finished_at: str | None


class Jobs:
    """The jobs of one ledger, and the loop that works on them."""

    def __init__(self, settings: Settings, ledger: Ledger, writer: Writer) -> None:
        self.settings = settings
        self.ledger = ledger
        self.writer = writer
        self.folder = settings.path / "jobs"
        self._wake = asyncio.Event()
        self._stopping = False

    def _file(self, job_id: str) -> Path:
        return self.folder / f"{job_id}.jsonl"

    async def accept(self, parts: AsyncIterator[bytes]) -> Job:
        """Take the lines of an ingest. Raises TooLargeError above the settings' `max_job_bytes`."""
        job_id = "j" + secrets.token_hex(8)
        await asyncio.to_thread(self.folder.mkdir, parents=True, exist_ok=True)
        part_file = self._file(job_id).with_suffix(".part")
        size = total = 0
        held = b""
        try:
            with part_file.open("wb") as handle:
                async for part in parts:
                    size += len(part)
                    if size > self.settings.max_job_bytes:
                        raise TooLargeError(
                            f"the job is over {self.settings.max_job_bytes} bytes; send it as several jobs"
                        )
                    *lines, held = (held + part).split(b"\n")
                    total += sum(bool(line.strip()) for line in lines)
                    handle.write(part)
                total += bool(held.strip())
            part_file.rename(self._file(job_id))
        finally:
            part_file.unlink(missing_ok=True)
        return self._put(job_id, "ingest", total)

    def _put(self, job_id: str, kind: str, total: int) -> Job:
        self.ledger.change(
            "INSERT INTO job (id, kind, status, done, total, counts, rejected, created_at) VALUES (?, ?, 'queued', 0, ?, '{}', '[]', ?)",
            (job_id, kind, total, now()),
        )
        self._wake.set()
        return self.job(job_id)

    def job(self, job_id: str) -> Job:
        """Raises NotFoundError if there is no such job."""
        row = self.ledger.row("SELECT * FROM job WHERE id = ?", (job_id,))
        if row is None:
            raise NotFoundError(f"no job {job_id!r}; GET /v1/jobs lists them")
        columns = {name: row[name] for name in row.keys() if name != "leased_until"}  # noqa: SIM118 - a Row is no dict
        return Job(**{**columns, "counts": json.loads(row["counts"]), "rejected": json.loads(row["rejected"])})

    def jobs(self, after: int | None, limit: int) -> list[tuple[int, Job]]:
        """(row number, job), newest first, those below `after`."""
        rows = self.ledger.rows(
            "SELECT rowid, id FROM job WHERE rowid < ? ORDER BY rowid DESC LIMIT ?",
            (2**62 if after is None else after, limit),
        )
        return [(row["rowid"], self.job(row["id"])) for row in rows]

    # the work

    async def work(self) -> None:
        """Work on whatever job waits, until ``stop``."""
        while not self._stopping:
            self._wake.clear()
            row = self._claim()
            if row is not None:
                await self._finish(row)
            else:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), LOOK_SECONDS)

    def stop(self) -> None:
        """Let ``work`` end after the lines it is at."""
        self._stopping = True
        self._wake.set()

    def _claim(self) -> str | None:
        moment = time.time()
        row = self.ledger.row(
            "UPDATE job SET status = 'running', leased_until = ?1, started_at = coalesce(started_at, ?2) WHERE id = "
            "(SELECT id FROM job WHERE finished_at IS NULL AND leased_until < ?3 ORDER BY created_at, rowid LIMIT 1) AND leased_until < ?3 RETURNING id",
            (moment + LEASE_SECONDS, now(), moment),
        )
        return str(row["id"]) if row else None

    async def _finish(self, job_id: str) -> None:
        lease = asyncio.create_task(self._keep_lease(job_id))
        try:
            finished = await self._ingest(job_id)
            status, reason = ("done", None) if finished else ("queued", None)
        except (AlignError, OSError) as error:
            status, reason = "failed", str(error)
            log.warning("job failed", job=job_id, reason=reason)
        finally:
            lease.cancel()
        over = None if status == "queued" else now()
        self.ledger.change(
            "UPDATE job SET status = ?, reason = ?, finished_at = ?, leased_until = 0 WHERE id = ?",
            (status, reason, over, job_id),
        )
        if over:
            self._file(job_id).unlink(missing_ok=True)

    async def _keep_lease(self, job_id: str) -> None:
        while True:
            await asyncio.sleep(LEASE_SECONDS / 4)
            self.ledger.change("UPDATE job SET leased_until = ? WHERE id = ?", (time.time() + LEASE_SECONDS, job_id))

    async def _ingest(self, job_id: str) -> bool:
        """Ingest the lines that are left, a chunk at a time; False where ``stop`` came first."""
        job = self.job(job_id)
        counts, rejected, done = Counter(job.counts), list(job.rejected), job.done
        chunks = self._chunks(job_id, done)
        while chunk := await asyncio.to_thread(lambda: list(itertools.islice(chunks, CHUNK))):
            if self._stopping:
                return False
            documents = [entry for entry in chunk if isinstance(entry, Document)]
            outcomes = iter(await self._patiently(documents))
            for entry in chunk:
                outcome = None if isinstance(entry, Rejection) else next(outcomes)
                status = outcome.status if outcome else "rejected"
                counts[status] += 1
                if status == "rejected" and len(rejected) < KEPT_REJECTIONS:
                    reason = entry.reason if isinstance(entry, Rejection) else outcome.reason if outcome else None
                    name = entry.name if isinstance(entry, Document) else None
                    rejected.append({"line": entry.line, "document": name, "reason": reason})
            done += len(chunk)
            self.ledger.change(
                "UPDATE job SET done = ?, counts = ?, rejected = ? WHERE id = ?",
                (done, json.dumps(counts), json.dumps(rejected, ensure_ascii=False), job_id),
            )
        return True

    async def _patiently(self, documents: list[Document]) -> list[Any]:
        while True:
            try:
                return await self.writer.ingest(documents)
            except BusyError as error:
                await asyncio.sleep(error.retry_after)

    def _chunks(self, job_id: str, done: int) -> Iterator[Entry]:
        with self._file(job_id).open(encoding="utf-8-sig", errors="surrogateescape", newline="\n") as handle:
            yield from itertools.islice(read_lines(handle, self.settings.max_item_characters), done, None)
