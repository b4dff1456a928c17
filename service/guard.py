"""What is refused before any work is done: strange hosts and origins, large bodies, slow ones, one request too many."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.entries import NDJSON
from service.problems import for_reader, problem, retry_after
from service.settings import Settings

SAFE = ("GET", "HEAD", "OPTIONS")
ALWAYS = ("/healthz", "/readyz", "/metrics")
"""Answered however busy the service is: whoever watches over it must see that it is busy, not gone."""
LINES = ("/v1/items", "/v1/jobs")
"""Where a body may be NDJSON."""
STREAMED = "/v1/jobs"
"""Where a body goes to a file as it comes, not to memory."""


class Guard:
    """Refuses with 403, 408, 413, 415, 421 or 503; everything else goes on."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self.settings = settings
        self.open_requests = 0
        self.open_bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = self._refusal(scope, headers)
        if refusal is not None:
            await for_reader(scope, refusal)(scope, receive, send)
            return
        self.open_requests += 1
        try:
            await self._within_limits(scope, receive, send)
        finally:
            self.open_requests -= 1

    def _refusal(self, scope: Scope, headers: Headers) -> JSONResponse | None:
        settings = self.settings
        host = headers.get("host", "")
        if settings.on_loopback and host and not _is_loopback(host):
            # A foreign name that resolves to this machine is how a web page reaches a service on loopback.
            return problem(
                HTTPStatus.MISDIRECTED_REQUEST, f"host {host!r} is not served here; ask for 127.0.0.1 or localhost"
            )
        if scope["method"] not in SAFE and _from_elsewhere(headers, host):
            return problem(HTTPStatus.FORBIDDEN, "a page of another site may not change anything here")
        unread = _unread(scope, headers)
        if unread is not None:
            return problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, unread)
        length = headers.get("content-length", "0")
        most = self._most_bytes(scope["path"])
        if length.isdigit() and int(length) > most:
            return _too_large(most)
        if scope["path"] not in ALWAYS and self.open_requests >= settings.max_requests:
            return problem(
                HTTPStatus.SERVICE_UNAVAILABLE,
                f"{self.open_requests} requests are being answered already",
                retry_after(1),
            )
        return None

    def _most_bytes(self, path: str) -> int:
        return self.settings.max_job_bytes if path == STREAMED else self.settings.max_body_bytes

    async def _within_limits(self, scope: Scope, receive: Receive, send: Send) -> None:
        settings = self.settings
        started = False
        body = b""

        async def send_on(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        writes = scope["method"] not in SAFE and scope["path"].startswith(("/v1/items", STREAMED))
        limit = settings.ingest_timeout if writes else settings.timeout
        try:
            if scope["path"] != STREAMED and _has_body(scope):
                body = await self._body(receive)
                receive = _replayed(body, receive)
            async with asyncio.timeout(limit):
                await self.app(scope, receive, send_on)
        except _Refused as refused:
            await for_reader(scope, refused.answer)(scope, receive, send)
        except TimeoutError:
            if started:
                raise
            late = problem(HTTPStatus.SERVICE_UNAVAILABLE, f"not answered within {limit:.0f} s", retry_after(5))
            await for_reader(scope, late)(scope, receive, send)
        finally:
            self.open_bytes -= len(body)

    async def _body(self, receive: Receive) -> bytes:
        """The whole body, counted among the bytes that wait. Raises _Refused."""
        settings = self.settings
        parts: list[bytes] = []
        taken = 0
        try:
            while True:
                message = await asyncio.wait_for(receive(), settings.timeout)
                if message["type"] == "http.disconnect":
                    raise _Refused(problem(HTTPStatus.BAD_REQUEST, "the connection was closed within the body"))
                parts.append(message.get("body", b""))
                taken += len(parts[-1])
                self.open_bytes += len(parts[-1])
                if taken > settings.max_body_bytes:
                    raise _Refused(_too_large(settings.max_body_bytes))
                if self.open_bytes > settings.max_waiting_bytes:
                    busy = "more is being sent at once than the service may hold"
                    raise _Refused(problem(HTTPStatus.SERVICE_UNAVAILABLE, busy, retry_after(2)))
                if not message.get("more_body", False):
                    return b"".join(parts)
        except TimeoutError as error:
            self.open_bytes -= taken
            slow = problem(HTTPStatus.REQUEST_TIMEOUT, f"no part of the body came for {settings.timeout:.0f} s")
            raise _Refused(slow) from error
        except _Refused:
            self.open_bytes -= taken
            raise


def _has_body(scope: Scope) -> bool:
    """Whether a request says that a body follows (RFC 9112, section 6.3)."""
    return any(name in (b"content-length", b"transfer-encoding") for name, _ in scope["headers"])


def _replayed(body: bytes, receive: Receive) -> Receive:
    """A receive that gives the body at hand, then what comes after it: the client's going away."""
    given = False

    async def receive_on() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_on


class _Refused(Exception):  # noqa: N818 - carries an answer, it is no fault
    def __init__(self, answer: JSONResponse) -> None:
        super().__init__()
        self.answer = answer


def _too_large(most: int) -> JSONResponse:
    return problem(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        f"the body is over {most} bytes; send it in parts, or as a job (POST /v1/jobs)",
        {"Connection": "close"},
    )


def _is_loopback(host: str) -> bool:
    name = urlsplit(f"//{host}").hostname or ""
    return name in ("localhost", "::1") or name.startswith("127.")


def _unread(scope: Scope, headers: Headers) -> str | None:
    """What is wrong with the kind of a body for the API; None where nothing is."""
    if not scope["path"].startswith("/v1/") or scope["method"] in SAFE:
        return None
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding != "identity":
        return f"a body with Content-Encoding {encoding[:40]!r} is not read; send it as it is"
    media = headers.get("content-type", "").partition(";")[0].strip().lower()
    lines = scope["path"] in LINES
    if not media or media == "application/json" or media.endswith("+json") or (lines and media in NDJSON):
        return None
    also = f" or {NDJSON[0]}" if lines else ""
    return f"a body of Content-Type {media[:80]!r} is not read; send application/json{also}"


def _from_elsewhere(headers: Headers, host: str) -> bool:
    """Whether a browser says that another site's page sent the request; programs say nothing."""
    site = headers.get("sec-fetch-site")
    if site in ("same-origin", "none"):
        return False
    origin = headers.get("origin")
    if origin is None:
        return site is not None
    return urlsplit(origin).netloc != host
