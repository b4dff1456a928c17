"""Signing in with a key, and the reader's choice of language and of light or dark."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from align.shapes import LANGUAGES
from service.access import SESSION_COOKIE, Access
from service.desk.pages import LANGUAGE_COOKIE, THEME_COOKIE, THEMES, YEAR, OwnForm, local, render
from service.keys import SESSION_SECONDS

router = APIRouter(include_in_schema=False)


def _choose(path: str, cookie: str, value: str) -> Response:
    response = RedirectResponse(local(path), 303)
    response.set_cookie(cookie, value, max_age=YEAR, httponly=True, samesite="lax")
    return response


@router.get("/language/{code}")
def choose_language(code: str, to: str = "/") -> Response:
    """Show the desk in another language."""
    return _choose(to, LANGUAGE_COOKIE, code if code in LANGUAGES else "en")


@router.get("/theme/{name}")
def choose_theme(name: str, to: str = "/") -> Response:
    """Show the desk light, dark, or as the reader's system is."""
    return _choose(to, THEME_COOKIE, name if name in THEMES else "auto")


@router.get("/sign-in")
def sign_in_form(request: Request, next: str = "/") -> Any:
    """Ask for a key."""
    return render(request, "sign_in.html", to=local(next), wrong=False)


@router.post("/sign-in", dependencies=[OwnForm])
def sign_in(request: Request, key: Annotated[str, Form()] = "", to: Annotated[str, Form()] = "/") -> Any:
    """Begin a session with a key."""
    access: Access = request.app.state.access
    holder = access.ring.holder(key)
    if holder is None:
        return render(request, "sign_in.html", 401, to=local(to), wrong=True)
    response = RedirectResponse(local(to), 303)
    token = access.ring.open_session(holder)
    secure = request.url.scheme == "https"
    response.set_cookie(
        SESSION_COOKIE, token, max_age=int(SESSION_SECONDS), httponly=True, samesite="strict", secure=secure
    )
    return response


@router.post("/sign-out", dependencies=[OwnForm])
def sign_out(request: Request) -> Response:
    """End the session."""
    access: Access = request.app.state.access
    access.ring.end_session(request.cookies.get(SESSION_COOKIE, ""))
    response = RedirectResponse("/sign-in", 303)
    response.delete_cookie(SESSION_COOKIE)
    return response
