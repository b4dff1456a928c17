"""No silent parameters: what a route does not know is refused, so that a misspelt filter does not pass for one."""

from __future__ import annotations

from fastapi import FastAPI, Request

from align.errors import InputError


def _known(app: FastAPI, path: str, method: str) -> list[str]:
    """The query parameters that the description of a route names."""
    described = app.openapi()["paths"][path][method.lower()]
    return [found["name"] for found in described.get("parameters", []) if found["in"] == "query"]


async def known_parameters(request: Request) -> None:
    """Raises InputError for a query parameter that the route does not have."""
    if not request.query_params:
        return
    known = _known(request.app, request.scope["route"].path_format, request.method)
    strange = [name for name in request.query_params if name not in known]
    if strange:
        there = f"it has {', '.join(sorted(known))}" if known else "it has none"
        raise InputError(f"query.{strange[0][:80]}: {request.url.path[:200]} has no such parameter; {there}")
