"""Errors → ``application/problem+json`` (RFC 9457): the one table of status codes, and its handlers."""

from __future__ import annotations

import json
import math
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.routing import Match, Mount
from starlette.types import Scope

from align.errors import (
    AlignError,
    DecisionConflictError,
    IndexBusyError,
    InputError,
    ModelMismatchError,
    NotFoundError,
)
from align.rows import shown
from align.shapes import decision_shape
from service.entries import UNREADABLE

PROBLEM = "application/problem+json"
STATUS_OF: tuple[tuple[type[AlignError], HTTPStatus], ...] = (
    (InputError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (NotFoundError, HTTPStatus.NOT_FOUND),
    (ModelMismatchError, HTTPStatus.CONFLICT),
    (DecisionConflictError, HTTPStatus.CONFLICT),
    (IndexBusyError, HTTPStatus.SERVICE_UNAVAILABLE),
    (AlignError, HTTPStatus.INTERNAL_SERVER_ERROR),
)
RETRY_SECONDS = 2
SECRETS = ("secret", "key", "token")
"""Fields whose value no answer repeats."""


class BusyError(AlignError):
    """The service has as much to do as it may take on; `retry_after` is in seconds."""

    def __init__(self, message: str, retry_after: float = RETRY_SECONDS) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class TooLargeError(AlignError):
    """More than the service takes in one request."""


class Problem(HTTPException):
    """An HTTP error with further members of its problem document."""

    def __init__(self, status: int, detail: str, headers: dict[str, str] | None = None, **extra: Any) -> None:
        super().__init__(status, detail, headers)
        self.extra = extra


def problem_body(status: int, detail: str, **extra: Any) -> dict[str, Any]:
    """A problem document."""
    return {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": int(status), "detail": detail, **extra}


def problem(status: int, detail: str, headers: dict[str, str] | None = None, **extra: Any) -> JSONResponse:
    """An answer in the form of RFC 9457."""
    return JSONResponse(problem_body(status, detail, **extra), int(status), headers=headers, media_type=PROBLEM)


def retry_after(seconds: float) -> dict[str, str]:
    """The header that says when to come again, in whole seconds."""
    return {"Retry-After": str(max(1, math.ceil(seconds)))}


def for_reader(scope: Scope, response: JSONResponse) -> Response:
    """A problem as a page, where a browser asks for one of the desk's; else as it is."""
    page = getattr(scope["app"].state, "error_page", None)
    wants_page = "text/html" in Headers(scope=scope).get("accept", "")
    if page is None or scope["path"].startswith("/v1") or not wants_page:
        return response
    detail = json.loads(bytes(response.body))["detail"]
    shown: Response = page(Request(scope), response.status_code, detail)
    for name in ("retry-after", "www-authenticate", "allow", "connection"):
        if name in response.headers:
            shown.headers[name] = response.headers[name]
    return shown


def problem_of(error: AlignError) -> JSONResponse:
    """The answer to an error that a caller can mend."""
    if isinstance(error, BusyError):
        return problem(HTTPStatus.SERVICE_UNAVAILABLE, str(error), retry_after(error.retry_after))
    if isinstance(error, TooLargeError):
        return problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, str(error))
    if isinstance(error, DecisionConflictError):
        return problem(HTTPStatus.CONFLICT, str(error), conflicts=[decision_shape(found) for found in error.conflicts])
    status = next(status for kind, status in STATUS_OF if isinstance(error, kind))
    headers = retry_after(RETRY_SECONDS) if status is HTTPStatus.SERVICE_UNAVAILABLE else None
    return problem(status, str(error), headers)


def add_problem_handlers(app: FastAPI) -> None:
    """Let every error of `app` leave as a problem document; pages answer a browser with a page."""

    @app.exception_handler(AlignError)
    async def _known(request: Request, error: AlignError) -> Response:
        response = problem_of(error)
        folder = request.app.state.settings.folder  # where the index lies is nobody's business outside
        detail = str(error).replace(str(folder), "this index")
        if detail != str(error):
            response = problem(
                response.status_code, detail, {k: v for k, v in response.headers.items() if k == "retry-after"}
            )
        return for_reader(request.scope, response)

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> Response:
        errors = [_fault(found) for found in error.errors()]
        detail = "; ".join(f"{found['place']}: {found['reason']}" for found in errors)
        return for_reader(request.scope, problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, errors=errors))

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        sign_in = error.status_code == HTTPStatus.UNAUTHORIZED and not request.url.path.startswith("/v1")
        if sign_in and "text/html" in request.headers.get("accept", ""):
            here = f"{request.url.path}{f'?{request.url.query}' if request.url.query else ''}"
            back = f"?next={quote(here)}" if request.method == "GET" else ""
            return RedirectResponse(f"/sign-in{back}", HTTPStatus.SEE_OTHER)
        extra = error.extra if isinstance(error, Problem) else {}
        headers = dict(error.headers or {})
        detail = str(error.detail)
        if (
            detail == "There was an error parsing the body"
        ):  # FastAPI's words for whatever the JSON parser raised beyond JSONDecodeError
            return problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"body: it is JSON {UNREADABLE}; send a flat object")
        if detail == HTTPStatus(error.status_code).phrase:  # the framework's own, which says no more than the status
            path = request.url.path
            if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
                headers["Allow"] = ", ".join(_methods(request))
                if request.method == "OPTIONS":
                    return Response(status_code=HTTPStatus.NO_CONTENT, headers=headers)
                detail = f"{request.method} is not answered at {path[:200]}; there are {headers['Allow']}"
            elif error.status_code == HTTPStatus.NOT_FOUND:
                detail = f"there is nothing at {path[:200]}; /openapi.json describes what there is"
        return for_reader(request.scope, problem(error.status_code, detail, headers, **extra))


def _fault(found: Any) -> dict[str, str]:
    """What pydantic found wrong, with its place and, where it is short, the value that was given."""
    place, reason = ".".join(map(str, found["loc"])), str(found["msg"]).removeprefix("Value error, ")
    if found["type"] == "json_invalid":
        return {"place": "body", "reason": f"it is not JSON (character {found['loc'][-1]}: {found['ctx']['error']})"}
    given = found.get("input")
    if found["type"] != "missing" and found["loc"][-1] not in SECRETS and isinstance(given, str | int | float | bool):
        reason += f"; given is {shown(given).encode('utf-8', 'replace').decode()}"
    return {"place": place, "reason": reason}


def _methods(request: Request) -> list[str]:
    """The methods that some route answers at a request's path; a GET comes with HEAD."""
    fresh = {name: request.scope[name] for name in ("type", "path", "headers")}
    found = [
        method
        for method in ("DELETE", "GET", "PATCH", "POST", "PUT")
        if any(
            route.matches({**fresh, "method": method})[0] is Match.FULL
            for route in request.app.routes
            if method == "GET"
            or not isinstance(route, Mount)  # a mounted folder of files takes any method, to refuse it
        )
    ]
    return [*found, *(["HEAD"] if "GET" in found else []), "OPTIONS"]
