"""Structured logs: one JSON object a line on standard error, with the request's id.

Written by a thread of its own from a bounded queue, some at a time: a reader of the log that stands still costs log
lines (counted in samestory_log_lines_dropped_total), never an answer.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
from functools import partial
from typing import Any

import structlog
from prometheus_client import Counter

WAITING_LINES = 10_000
TOGETHER_SECONDS = 0.05
"""Lines that come within so many seconds of one another are written at once: waking the thread for each would take its time from the answers."""
DROPPED = Counter("samestory_log_lines_dropped_total", "Log lines dropped because their reader stood still.")


class _Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.waiting: queue.Queue[str] = queue.Queue(WAITING_LINES)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._write, name="log", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        self.put(self.format(record))

    def put(self, line: str) -> None:
        try:
            self.waiting.put_nowait(line + "\n")
        except queue.Full:
            DROPPED.inc()

    def _write(self) -> None:
        lines = [self.waiting.get()]
        while lines[-1]:  # what is empty is no line: it says that no more will come
            self._closing.wait(TOGETHER_SECONDS)
            while not self.waiting.empty():
                lines.append(self.waiting.get())
            rest = "".join(lines).encode("utf-8", "backslashreplace")
            try:
                while rest:
                    rest = rest[os.write(2, rest) :]
            except OSError:
                DROPPED.inc(len(lines))
            if lines[-1]:
                lines = [self.waiting.get()]

    def close(self) -> None:
        self._closing.set()
        try:
            self.waiting.put_nowait("")
        except queue.Full:
            return
        self._thread.join(timeout=1.0)


class _Logger:
    """What structlog hands finished lines to. The way through `logging` would cost a request a tenth of its time."""

    def __init__(self, lines: _Lines, name: str) -> None:
        self.name = name
        self.debug = self.info = self.warning = self.error = self.critical = lines.put


def configure_logs(level: int = logging.INFO) -> None:
    """Let the service, samestory and uvicorn log as JSON lines."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
    ]
    finish: list[Any] = [
        # Without the variables of each frame: keys and texts are among them.
        structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False)),
        structlog.processors.JSONRenderer(ensure_ascii=False),
    ]
    lines = _Lines()
    structlog.configure(
        processors=[*shared, *finish],
        logger_factory=partial(_Logger, lines),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    lines.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *finish],
        )
    )
    for name in ("samestory", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [lines], False
        logger.setLevel(level if name == "samestory" else logging.WARNING)
