"""Structured logs: one JSON object a line on standard error, with the request's id.

Written by a thread of its own from a bounded queue: a reader of the log that stands still costs log
lines (counted in samestory_log_lines_dropped_total), never an answer.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
from typing import Any

import structlog
from prometheus_client import Counter

WAITING_LINES = 10_000
DROPPED = Counter("samestory_log_lines_dropped_total", "Log lines dropped because their reader stood still.")


class _Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.waiting: queue.Queue[str | None] = queue.Queue(WAITING_LINES)
        self._thread = threading.Thread(target=self._write, name="log", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self.waiting.put_nowait(self.format(record) + "\n")
        except queue.Full:
            DROPPED.inc()

    def _write(self) -> None:
        while (line := self.waiting.get()) is not None:
            try:
                os.write(2, line.encode("utf-8", "backslashreplace"))
            except OSError:
                DROPPED.inc()

    def close(self) -> None:
        try:
            self.waiting.put_nowait(None)
        except queue.Full:
            return
        self._thread.join(timeout=1.0)


def configure_logs(level: int = logging.INFO) -> None:
    """Let the service, samestory and uvicorn log as JSON lines."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        structlog.stdlib.PositionalArgumentsFormatter(),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = _Lines()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.dict_tracebacks,
                structlog.processors.JSONRenderer(ensure_ascii=False),
            ],
        )
    )
    for name in ("samestory", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(level if name == "samestory" else logging.WARNING)
