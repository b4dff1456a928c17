"""uvicorn's connections, with a limit to the size of a request's head and to the time that it may take.

Their own faults, which come before there is a request, are problem documents too.
"""

from __future__ import annotations

import asyncio
import json
from http import HTTPStatus

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.problems import PROBLEM, problem_body

HEAD_BYTES = 64 * 1024
HEAD_SECONDS = 20.0


class Connection(HttpToolsProtocol):
    """One connection; a head over `HEAD_BYTES` is answered with 431, one that takes over `HEAD_SECONDS` with 408."""

    _in_head = False
    _head_bytes = 0
    _late: asyncio.TimerHandle | None = None
    _fault = (HTTPStatus.BAD_REQUEST, "this is no HTTP request")

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_is_here()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._expect_head()

    def on_headers_complete(self) -> None:
        self._head_is_here()
        lines = sum(len(name) + len(value) + 4 for name, value in self.headers)  # with ": " and the line's end
        if lines + len(self.url) > HEAD_BYTES:
            self._fault = self._too_large()
            raise ValueError  # the parser ends, and send_400_response answers
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES:
                self._refuse(*self._too_large())

    def _expect_head(self) -> None:
        self._in_head, self._head_bytes = True, 0
        if self._late is None:
            late = (HTTPStatus.REQUEST_TIMEOUT, f"the head of a request took over {HEAD_SECONDS:.0f} s")
            self._late = self.loop.call_later(HEAD_SECONDS, self._refuse, *late)

    def _head_is_here(self) -> None:
        self._in_head = False
        if self._late is not None:
            self._late.cancel()
            self._late = None

    @staticmethod
    def _too_large() -> tuple[HTTPStatus, str]:
        return HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"the head of the request is over {HEAD_BYTES} bytes"

    def send_400_response(self, msg: str) -> None:
        self._refuse(*self._fault)

    def _refuse(self, status: HTTPStatus, detail: str) -> None:
        self._head_is_here()
        if self.transport.is_closing():
            return
        body = json.dumps(problem_body(status, detail)).encode()
        head = f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: {PROBLEM}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        self.transport.write(head.encode() + body)
        self.transport.close()

    def _unsupported_upgrade_warning(self) -> None:
        """Nothing: a request that would rather be a WebSocket is answered as it stands."""


def connection_class() -> type[asyncio.Protocol]:
    """The class, as uvicorn's configuration takes it."""
    return Connection
