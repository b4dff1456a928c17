"""What goes around every answer: a request id, security headers, metrics, one log line, and an ETag.

Plain ASGI, outermost first, so that an answer of the limits or of a failure carries them too.
"""

from __future__ import annotations

import hashlib
import re
import time
import uuid
from http import HTTPStatus
from typing import Any

import structlog
from prometheus_client import Counter, Gauge, Histogram
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.problems import for_reader, problem

CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Content-Security-Policy": CONTENT_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_RAW_HEADERS = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
_REQUEST_ID = re.compile(r"[\w.:\-]{1,128}\Z", re.ASCII)

REQUESTS = Counter("samestory_http_requests_total", "Requests answered.", ["method", "route", "status"])
SECONDS = Histogram(
    "samestory_http_request_seconds",
    "Seconds from request to the end of its answer.",
    ["method", "route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
OPEN = Gauge("samestory_http_requests_open", "Requests being answered.", multiprocess_mode="livesum")

log = structlog.get_logger("samestory.request")


class Envelope:
    """Numbers, measures and logs requests, and turns an unforeseen exception into a problem document."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _REQUEST_ID.match(given) else uuid.uuid4().hex
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        status = 0

        async def send_on(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                sent = message.get("headers", ())
                names = {name for name, _ in sent}
                added = [pair for pair in _RAW_HEADERS if pair[0] not in names]
                message["headers"] = [*sent, *added, (b"x-request-id", request_id.encode())]
            await send(message)

        started = time.perf_counter()
        OPEN.inc()
        try:
            await self.app(scope, receive, send_on)
        except Exception:
            log.exception("failed", method=scope["method"], path=scope["path"])
            if status:
                raise
            detail = f"an error on our side; the server's log has the details under request id {request_id}"
            answer = problem(HTTPStatus.INTERNAL_SERVER_ERROR, detail, request_id=request_id)
            await for_reader(scope, answer)(scope, receive, send_on)
        finally:
            OPEN.dec()
            seconds = time.perf_counter() - started
            route = getattr(scope.get("route"), "path", "(none)")
            REQUESTS.labels(scope["method"], route, str(status)).inc()
            SECONDS.labels(scope["method"], route).observe(seconds)
            caller = scope.get("state", {}).get("caller")
            log.info(
                "request",
                method=scope["method"],
                path=scope["path"],
                status=status,
                ms=round(seconds * 1000, 2),
                key=caller.key_id if caller else None,
            )


class Heads:
    """Answers HEAD as GET (RFC 9110, section 9.3.2); the server below leaves the body out."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}
        await self.app(scope, receive, send)


class Tags:
    """Gives JSON answers to GET a strong ETag, the digest of their bytes, and answers If-None-Match with 304."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET" or not scope["path"].startswith("/v1/"):
            await self.app(scope, receive, send)
            return
        start: Message | None = None

        async def send_on(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start" and message["status"] == HTTPStatus.OK:
                start = message  # held back until the body is known
                return
            if start is None or message["type"] != "http.response.body":
                await send(message)
                return
            held, start = start, None
            if not message.get("more_body"):
                message = self._tag(held, message, Headers(scope=scope).get("if-none-match", ""))
            await send(held)
            await send(message)

        await self.app(scope, receive, send_on)

    @staticmethod
    def _tag(start: Message, body: Message, asked: str) -> Message:
        headers = MutableHeaders(scope=start)
        tag = f'"{hashlib.blake2b(body.get("body", b""), digest_size=12).hexdigest()}"'
        headers["ETag"] = tag
        headers.setdefault("Cache-Control", "private, no-cache")
        if not asked or {tag, "*"}.isdisjoint(one.strip().removeprefix("W/") for one in asked.split(",")):
            return body
        start["status"] = int(HTTPStatus.NOT_MODIFIED)
        del headers["content-length"]
        del headers["content-type"]
        empty: dict[str, Any] = {**body, "body": b""}
        return empty
