"""The HTTP service: ``create_app(pipeline)``, its error table and what every answer carries."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from align.errors import AlignError, IndexBusyError, InputError, ModelMismatchError, NotFoundError
from align.pipeline import Pipeline
from service.pages import WEB, pages
from service.routes import api

STATUS_OF: tuple[tuple[type[AlignError], HTTPStatus], ...] = (
    (InputError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (NotFoundError, HTTPStatus.NOT_FOUND),
    (ModelMismatchError, HTTPStatus.CONFLICT),
    (IndexBusyError, HTTPStatus.SERVICE_UNAVAILABLE),
    (AlignError, HTTPStatus.INTERNAL_SERVER_ERROR),
)
CONTENT_POLICY = "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"


def problem(status: int, detail: str, headers: dict[str, str] | None = None, **extra: Any) -> JSONResponse:
    """An answer in the form of RFC 9457."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail, **extra}
    return JSONResponse(body, status, headers=headers, media_type="application/problem+json")


def create_app(pipeline: Pipeline) -> FastAPI:
    """The service over one open index; the index is closed when the service stops."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        pipeline.close()

    app = FastAPI(
        title="samestory",
        version=version("samestory"),
        summary="The English, Japanese, German and Italian versions of the same news story.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.state.pipeline = pipeline
    app.include_router(api)
    app.include_router(pages)
    app.mount("/static", StaticFiles(directory=WEB), name="static")

    @app.exception_handler(AlignError)
    async def _known(request: Request, error: AlignError) -> Response:
        status = next(status for kind, status in STATUS_OF if isinstance(error, kind))
        headers = {"Retry-After": "5"} if status is HTTPStatus.SERVICE_UNAVAILABLE else None
        return problem(status, str(error), headers)

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> Response:
        errors = [{"place": ".".join(map(str, found["loc"])), "reason": found["msg"]} for found in error.errors()]
        detail = "; ".join(f"{found['place']}: {found['reason']}" for found in errors)
        return problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, errors=jsonable_encoder(errors))

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        return problem(error.status_code, str(error.detail), dict(error.headers or {}))

    @app.exception_handler(Exception)
    async def _unknown(request: Request, error: Exception) -> Response:
        return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "an error on our side; the server's log has the details")

    @app.middleware("http")
    async def _headers(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        response = await call_next(request)
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["Content-Security-Policy"] = CONTENT_POLICY
        return response

    return app
