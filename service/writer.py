"""The process that writes, apart from those that answer: requests wait their turn, reads never do.

An ingest works the processor for as long as it lasts; in the process that answers it would take the
interpreter from every read. So each worker has one writing process over the same folder, started
with the first write. What waits while it works is ingested together. Writers of several workers
take turns through SQLite's write lock.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
from collections import deque
from collections.abc import Coroutine, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import structlog

from align.database import identity
from align.errors import AlignError
from align.ingesting import IngestReport, Outcome
from align.pipeline import Pipeline
from align.records import Document
from align.store import DATABASE
from service.children import follow_parent
from service.problems import BusyError

TOGETHER = 512
"""Most documents ingested in one call for requests that wait."""

NICENESS = 10
"""By how much the writing process gives way to those that answer: a read is waited for, a write is queued."""

CATCH_UP = "catch_up"

log = structlog.get_logger("samestory.writer")
_index: _Index | None = None
_pipeline: Pipeline | None = None


class WriterEndedError(BusyError):
    """The writing process was ended from outside, and what was in work with it."""


class UnopenedError(Exception):
    """The writing process cannot open the index; says why."""


@dataclass(frozen=True)
class _Index:
    """What the writing process is to open: a folder, the model's name, and which file its database is."""

    folder: Path
    model: str | None
    database: tuple[int, int] | None


def _begin(index: _Index) -> None:
    """Begin the writing process, which ends with its parent and by nothing else."""
    global _index
    os.nice(NICENESS)
    follow_parent(signal.SIGINT, signal.SIGTERM)  # the parent says when to stop, after the last accepted item
    _index = index


def _opened() -> Pipeline:
    """The index, opened with the first call: a new one is not made where the one that is served has gone. Raises UnopenedError."""
    global _pipeline
    if _pipeline is None:
        assert _index is not None
        path = _index.folder / DATABASE
        try:
            if identity(path) != _index.database:
                raise UnopenedError(f"{path}: another file has been put in its place")
            _pipeline = Pipeline(_index.folder, _index.model)
        except (AlignError, OSError, sqlite3.Error) as error:
            raise UnopenedError(str(error)) from None
    return _pipeline


def _awake() -> None:
    """Open the index before the first call; that says it where it cannot be."""
    with suppress(UnopenedError):
        _opened()


def _call(method: str, arguments: tuple[Any, ...]) -> Any:
    return getattr(_opened(), method)(*arguments)


@dataclass
class _Waiting:
    documents: Sequence[Document]
    answer: asyncio.Future[list[Outcome]]


class Writer:
    """Everything that changes the index. Its methods are for the event loop that made it."""

    def __init__(self, folder: Path, model: str | None, database: tuple[int, int] | None, max_waiting: int) -> None:
        """`database` is which file is served (``align.database.identity``): no other is written to."""
        self._arguments = (_Index(folder, model, database),)
        self._max_waiting = max_waiting
        self._waiting: deque[_Waiting] = deque()
        self._turn = asyncio.Lock()
        self._open: set[asyncio.Task[Any]] = set()
        self._executor: ProcessPoolExecutor | None = None

    @property
    def n_waiting(self) -> int:
        """Documents that were accepted and wait."""
        return sum(len(waiting.documents) for waiting in self._waiting)

    async def call(self, method: str, *arguments: Any) -> Any:
        """The result of a method of the writing process's Pipeline. Raises what it raises, or BusyError."""
        async with self._turn:
            return await self._submit(method, arguments)

    def start_soon(self) -> None:
        """Start the writing process, if there is none, so that it is there when something is to be written."""
        if self._executor is None:
            asyncio.get_running_loop().run_in_executor(self._process(), _awake)

    def _process(self) -> ProcessPoolExecutor:
        if self._executor is None:
            self._executor = ProcessPoolExecutor(1, get_context("spawn"), _begin, self._arguments)
        return self._executor

    async def _submit(self, method: str, arguments: tuple[Any, ...]) -> Any:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._process(), _call, method, arguments)
        except UnopenedError as error:
            log.warning("the index cannot be opened to write", reason=str(error))
            raise BusyError("the index cannot be written; the server's log says why") from error
        except BrokenProcessPool as error:
            self._executor = None
            if method != CATCH_UP:  # else it may be what ends them
                self.catch_up_soon()
            raise WriterEndedError(
                "the writing process was ended from outside; a new one takes over, send the request again"
            ) from error

    async def ingest(self, documents: Sequence[Document]) -> list[Outcome]:
        """Store documents; one outcome a document, in their order. Raises BusyError where too much waits.

        Once accepted the documents are stored whatever becomes of the request.
        """
        if self.n_waiting + len(documents) > self._max_waiting and self._waiting:
            raise BusyError(f"{self.n_waiting} documents wait to be ingested")
        waiting = _Waiting(documents, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._soon(self._ingest_waiting())
        return await asyncio.shield(waiting.answer)

    def catch_up_soon(self) -> None:
        """Relate and cluster what an earlier writing process had stored when it was killed."""
        self._soon(self.call(CATCH_UP))

    def _soon(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.create_task(work)
        self._open.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._open.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.warning("writing failed", reason=str(task.exception()))

    async def _ingest_waiting(self) -> None:
        async with self._turn:
            together = self._next_together()
            documents = [document for waiting in together for document in waiting.documents]
            if not documents:
                for waiting in together:
                    _settle(waiting, [])
                return
            try:
                report: IngestReport = await self._submit("ingest_documents", (documents,))
            except BaseException as error:
                for waiting in together:
                    if not waiting.answer.done():
                        waiting.answer.set_exception(error)
                        waiting.answer.exception()  # seen, even where the request has gone
                return
            outcomes: dict[str, deque[Outcome]] = {}
            for outcome in report.outcomes:
                outcomes.setdefault(outcome.document, deque()).append(outcome)
            for waiting in together:
                _settle(waiting, [outcomes[document.name].popleft() for document in waiting.documents])

    def _next_together(self) -> list[_Waiting]:
        """The requests at the head of the queue, as long as they are few and none names what another names."""
        together: list[_Waiting] = []
        names: set[str] = set()
        while self._waiting:
            own = {document.name for document in self._waiting[0].documents}
            if together and (names & own or len(names) + len(own) > TOGETHER):
                break
            names |= own
            together.append(self._waiting.popleft())
        return together

    async def close(self) -> None:
        """Finish what was accepted, then end the writing process."""
        while self._open:
            await asyncio.gather(*self._open, return_exceptions=True)
        if self._executor is not None:
            await asyncio.to_thread(self._executor.shutdown)


def _settle(waiting: _Waiting, outcomes: list[Outcome]) -> None:
    if not waiting.answer.done():
        waiting.answer.set_result(outcomes)
