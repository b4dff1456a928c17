"""Long batch work as jobs: an ingest of many lines, or a rebuild of the index. Their progress stands in the ledger.

Each worker process looks for a job of either kind that nobody holds; a lease, renewed while the work goes
on, keeps two from one job and frees it when a process dies. After a restart an ingest, whose lines wait
in a file, goes on where it stopped; a rebuild, which leaves no trace until it is whole, begins again.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import itertools
import json
import secrets
import sqlite3
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from align.errors import AlignError, IndexBusyError, NotFoundError
from align.records import Document, Rejection
from service.entries import Entry, read_lines
from service.keys import now
from service.ledger import Ledger
from service.problems import RETRY_SECONDS, BusyError, Problem, TooLargeError
from service.rebuilding import rebuild
from service.settings import Settings
from service.writer import Writer, WriterEndedError

KINDS = ("ingest", "rebuild")

CHUNK = 256
"""Lines ingested between two looks at what else waits: other requests are served in between."""
LEASE_SECONDS = 20.0
LOOK_SECONDS = 1.0
KEPT_REJECTIONS = 1000
ENDED_WRITERS = 3
"""Writing processes that may end over one chunk of lines before the job is given up."""

log = structlog.get_logger("samestory.jobs")


@dataclass(frozen=True)
class Job:
    """A job: `status` is queued, running, done, failed or cancelled; `done` of `total` lines or items; what became of them.

    `message` says in words what is being done.
    """

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
    message: str | None


@dataclass(frozen=True)
class Held:
    """The lines of an ingest in a file, how many they are, and the digest of their bytes."""

    job_id: str
    total: int
    digest: bytes


class Jobs:
    """The jobs of one ledger, and the loop that works on them."""

    def __init__(self, settings: Settings, ledger: Ledger, writer: Writer) -> None:
        self.settings = settings
        self.ledger = ledger
        self.writer = writer
        self.folder = settings.path / "jobs"
        self._wake = {kind: asyncio.Event() for kind in KINDS}
        self._stopping = False

    def _file(self, job_id: str) -> Path:
        return self.folder / f"{job_id}.jsonl"

    async def hold(self, parts: AsyncIterator[bytes]) -> Held:
        """Keep the lines of an ingest in a file. Raises TooLargeError above the settings' `max_job_bytes`."""
        job_id = "j" + secrets.token_hex(8)
        await asyncio.to_thread(self.folder.mkdir, parents=True, exist_ok=True)
        part_file = self._file(job_id).with_suffix(".part")
        size = total = 0
        held = b""
        digest = hashlib.sha256()
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
                    digest.update(part)
                    handle.write(part)
                total += bool(held.strip())
            part_file.rename(self._file(job_id))
        finally:
            part_file.unlink(missing_ok=True)
        return Held(job_id, total, digest.digest())

    def sweep(self) -> None:
        """Remove lines that no job was made of, because a service was killed while they came."""
        known = {row["id"] for row in self.ledger.rows("SELECT id FROM job WHERE finished_at IS NULL")}
        for file in self.folder.glob("j*"):
            with contextlib.suppress(FileNotFoundError):
                if file.stem not in known and file.stat().st_mtime < time.time() - 2 * self.settings.ingest_timeout:
                    file.unlink()  # no request lasts so long, not even one to another service over this index

    def accept(self, held: Held) -> Job:
        """Take an ingest of the lines that are held."""
        return self._put(held.job_id, "ingest", held.total)

    def let_go(self, held: Held) -> None:
        """Remove lines that no job was made of."""
        if self.ledger.row("SELECT 1 FROM job WHERE id = ?", (held.job_id,)) is None:
            self._file(held.job_id).unlink(missing_ok=True)

    def rebuild(self) -> Job:
        """Have the index made anew from its texts. Raises Problem 409 while another rebuild is open."""
        open_one = self.ledger.row("SELECT id FROM job WHERE kind = 'rebuild' AND finished_at IS NULL")
        if open_one is not None:
            raise Problem(409, f"job {open_one['id']} rebuilds the index already; wait for it, or cancel it")
        return self._put("j" + secrets.token_hex(8), "rebuild", 0)

    def cancel(self, job_id: str) -> Job:
        """End a job; what it has stored stays. Raises NotFoundError, or Problem 409 where it has ended already."""
        job = self.job(job_id)
        with self.ledger.writing():
            if not self.ledger.change("UPDATE job SET unwanted = 1 WHERE id = ? AND finished_at IS NULL", (job_id,)):
                raise Problem(409, f"job {job_id} has ended already: {self.job(job_id).status}")
            nobody_at_it = self.ledger.change(
                "UPDATE job SET status = 'cancelled', finished_at = ? WHERE id = ? AND leased_until < ?",
                (now(), job_id, time.time()),
            )
        if nobody_at_it and job.kind == "ingest":
            self._file(job_id).unlink(missing_ok=True)
        return self.job(job_id)

    def _put(self, job_id: str, kind: str, total: int) -> Job:
        self.ledger.change(
            "INSERT INTO job (id, kind, status, done, total, counts, rejected, created_at) VALUES (?, ?, 'queued', 0, ?, '{}', '[]', ?)",
            (job_id, kind, total, now()),
        )
        self._wake[kind].set()
        return self.job(job_id)

    def job(self, job_id: str) -> Job:
        """Raises NotFoundError if there is no such job."""
        row = self.ledger.row("SELECT * FROM job WHERE id = ?", (job_id,))
        if row is None:
            raise NotFoundError(f"no job {job_id!r}; GET /v1/jobs lists them")
        columns = {name: row[name] for name in row.keys() if name not in ("leased_until", "unwanted")}  # noqa: SIM118 - a Row is no dict
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
        """Work on whatever jobs wait, one of each kind at a time, until ``stop``."""
        await asyncio.gather(*map(self._work, KINDS))

    async def _work(self, kind: str) -> None:
        while not self._stopping:
            self._wake[kind].clear()
            try:
                job_id = self._claim(kind)
                if job_id is not None:
                    await self._finish(job_id, kind)
            except Exception:  # the loop must outlive whatever befalls one job
                log.exception("jobs failed", kind=kind)
                job_id = None
            if job_id is None:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake[kind].wait(), LOOK_SECONDS)

    def stop(self) -> None:
        """Let ``work`` end after the lines it is at; a rebuild begins again with the next service."""
        self._stopping = True
        for wake in self._wake.values():
            wake.set()

    def _claim(self, kind: str) -> str | None:
        moment = time.time()
        row = self.ledger.row(
            "UPDATE job SET status = 'running', leased_until = ?1, started_at = coalesce(started_at, ?2) WHERE id = "
            "(SELECT id FROM job WHERE finished_at IS NULL AND kind = ?4 AND leased_until < ?3 ORDER BY created_at, rowid LIMIT 1) AND leased_until < ?3 RETURNING id",
            (moment + LEASE_SECONDS, now(), moment, kind),
        )
        return str(row["id"]) if row else None

    async def _finish(self, job_id: str, kind: str) -> None:
        lease = asyncio.create_task(self._keep_lease(job_id))
        try:
            finished = await (self._ingest(job_id) if kind == "ingest" else self._rebuild(job_id))
            status, reason = ("done" if finished else "cancelled" if self._unwanted(job_id) else "queued"), None
        except (BusyError, IndexBusyError) as error:
            status, reason = "queued", None
            log.warning("job waits", job=job_id, reason=str(error))
            await asyncio.sleep(RETRY_SECONDS)
        except Exception as error:
            status, reason = "failed", str(error) or type(error).__name__
            log.warning("job failed", job=job_id, reason=reason, exc_info=not isinstance(error, (AlignError, OSError)))
        finally:
            lease.cancel()
        over = None if status == "queued" else now()
        self.ledger.change(
            "UPDATE job SET status = ?, reason = ?, finished_at = ?, message = NULL, leased_until = 0 WHERE id = ?",
            (status, reason, over, job_id),
        )
        if over:
            self._file(job_id).unlink(missing_ok=True)

    async def _keep_lease(self, job_id: str) -> None:
        while True:
            await asyncio.sleep(LEASE_SECONDS / 4)
            with contextlib.suppress(sqlite3.OperationalError):  # busy: the next time comes before the lease ends
                self.ledger.change(
                    "UPDATE job SET leased_until = ? WHERE id = ?", (time.time() + LEASE_SECONDS, job_id)
                )

    def _unwanted(self, job_id: str) -> bool:
        return self.ledger.row("SELECT 1 FROM job WHERE id = ? AND unwanted", (job_id,)) is not None

    async def _rebuild(self, job_id: str) -> bool:
        """Make the index anew; False where ``stop`` or a cancellation came first."""

        def report(message: str, done: int, total: int) -> None:
            self.ledger.change(
                "UPDATE job SET message = ?, done = ?, total = ? WHERE id = ?", (message, done, total, job_id)
            )

        settings = self.settings
        return await rebuild(settings.path, settings.model, report, lambda: self._stopping or self._unwanted(job_id))

    async def _ingest(self, job_id: str) -> bool:
        """Ingest the lines that are left, a chunk at a time; False where ``stop`` or a cancellation came first."""
        job = self.job(job_id)
        counts, rejected, done = Counter(job.counts), list(job.rejected), job.done
        chunks = self._chunks(job_id, done)
        while chunk := await asyncio.to_thread(lambda: list(itertools.islice(chunks, CHUNK))):
            if self._stopping or self._unwanted(job_id):
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
        ended = 0
        while True:
            try:
                return await self.writer.ingest(documents)
            except WriterEndedError as error:
                ended += 1
                if ended == ENDED_WRITERS:
                    raise AlignError(f"the writing process ended {ended} times over the same lines") from error
            except BusyError as error:
                await asyncio.sleep(error.retry_after)

    def _chunks(self, job_id: str, done: int) -> Iterator[Entry]:
        with self._file(job_id).open(encoding="utf-8-sig", errors="surrogateescape", newline="\n") as handle:
            yield from itertools.islice(read_lines(handle, self.settings.max_item_characters), done, None)
