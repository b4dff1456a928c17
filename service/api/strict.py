"""No silent parameters: what a route does not know is refused, so that a misspelt filter does not pass for one."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.routing import APIRoute

from align.errors import InputError


def _known(app: FastAPI, path: str, method: str) -> list[str]:
    """The query parameters that the description of a route names."""
    described = app.openapi()["paths"][path][method.lower()]
    return [found["name"] for found in described.get("parameters", []) if found["in"] == "query"]


class StrictRoute(APIRoute):
    """A route that refuses query parameters which it does not have."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's handler behind the check."""
        handle = super().get_route_handler()

        async def strict(request: Request) -> Response:
            if request.scope["query_string"]:
                _refuse_unknown(request)
            return await handle(request)

        return strict


def _refuse_unknown(request: Request) -> None:
    """Raises InputError for a query parameter that the route does not have."""
    known = _known(request.app, request.scope["route"].path_format, request.method)
    strange = [name for name in request.query_params if name not in known]
    if strange:
        there = f"it has {', '.join(sorted(known))}" if known else "it has none"
        raise InputError(f"query.{strange[0][:80]}: {request.url.path[:200]} has no such parameter; {there}")
