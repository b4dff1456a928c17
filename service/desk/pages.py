"""What every page needs: its words in the reader's language, light or dark, and a token that only our own forms know."""

from __future__ import annotations

import hmac
import secrets
import tomllib
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, Form, Request, Response
from fastapi.templating import Jinja2Templates
from jinja2 import pass_context
from jinja2.runtime import Context

from align.instants import timestamp
from align.records import Item
from align.shapes import LANGUAGES, headline
from service.access import ANYONE
from service.problems import Problem

WEB = Path(__file__).parent.parent / "web"
LANGUAGE_NAMES = {"en": "English", "ja": "日本語", "de": "Deutsch", "it": "Italiano"}
LANGUAGE_COOKIE, THEME_COOKIE, FORM_COOKIE = "samestory_lang", "samestory_theme", "samestory_form"
THEMES = ("auto", "light", "dark")
YEAR = 365 * 24 * 3600

templates = Jinja2Templates(directory=WEB)


@lru_cache(maxsize=4)
def words(lang: str) -> dict[str, str]:
    """The desk's words in one of its languages."""
    found: dict[str, str] = tomllib.loads((WEB / "words" / f"{lang}.toml").read_text(encoding="utf-8"))
    return found


@pass_context
def say(context: Context, key: str, /, **values: object) -> str:
    """The words under `key` in the page's language, with `values` in their places, whole numbers grouped."""
    shown = {name: grouped(context, value) if isinstance(value, int) else value for name, value in values.items()}
    return words(context["ui"])[key].format(**shown)


@pass_context
def grouped(context: Context, n: int) -> str:
    """A whole number as the page's language writes it."""
    return f"{n:,}".replace(",", words(context["ui"])["thousands"])


@pass_context
def n_items(context: Context, n: int) -> str:
    """So many items, in the page's language."""
    return say(context, "one_item" if n == 1 else "n_items", n=n)


@pass_context
def leading(context: Context, items: Sequence[Item]) -> Item:
    """The item whose headline stands for a story: the first in the page's language, else the first."""
    return next((item for item in items if item.lang == context["ui"]), items[0])


def latest(items: Sequence[Item]) -> str:
    """When the newest of the items was published, as it says itself; "" where none has a date."""
    return max((item.published for item in items if item.published), key=timestamp, default="")


def month_of(stamp: str) -> str:
    """The month of a moment in UTC, such as ``2026-03``, in which moments in order stay in order; "" of none."""
    return datetime.fromtimestamp(timestamp(stamp), UTC).strftime("%Y-%m") if stamp else ""


@pass_context
def because(context: Context, why: str) -> str:
    """The reason of a change in the page's language; the id of a decision stays as it is."""
    cause, _, rest = why.partition(" ")
    said = words(context["ui"]).get(f"because_{cause}")
    return f"{said} {rest}".rstrip() if said else why


@pass_context
def lang_name(context: Context, code: str) -> str:
    """A language's name in the page's language, or its code."""
    return words(context["ui"]).get(f"lang_{code}", code)


@pass_context
def who(context: Context, name: str) -> str:
    """Who decided, in the page's language where nobody said."""
    return words(context["ui"])["anyone"] if name == ANYONE else name


@pass_context
def month_name(context: Context, month: str) -> str:
    """A month such as ``2026-03`` as the page's language writes it."""
    said = words(context["ui"])
    year, number = month.split("-")
    name = said["months"].split()[int(number) - 1]
    return said["month"].format(year=year, name=name)


def when(stamp: str | None) -> str:
    """An ISO 8601 time to the minute."""
    return (stamp or "")[:16].replace("T", " ")


def when_zoned(stamp: str | None) -> str:
    """The same with its distance from UTC, where times of several places stand together; a date alone stays one."""
    shown = when(stamp)
    if not stamp or len(shown) <= 10:
        return shown
    offset = datetime.fromisoformat(stamp).strftime("%z")  # +0900, or nothing
    return f"{shown} UTC{'' if offset in ('', '+0000') else f'{offset[:3]}:{offset[3:5]}'}"


templates.env.policies["json.dumps_kwargs"] = {"sort_keys": False}
templates.env.globals.update(
    languages=LANGUAGES,
    language_names=LANGUAGE_NAMES,
    headline=headline,
    say=say,
    because=because,
    lang_name=lang_name,
    month_name=month_name,
    when=when,
    when_zoned=when_zoned,
    grouped=grouped,
    n_items=n_items,
    leading=leading,
    latest=latest,
    month_of=month_of,
    who=who,
    themes=THEMES,
)


def chosen_language(request: Request) -> str:
    """The language that the reader chose, else the first one they accept that the desk speaks, else English."""
    chosen = request.cookies.get(LANGUAGE_COOKIE, "")
    if chosen in LANGUAGES:
        return chosen
    ranked: list[tuple[float, str]] = []
    for part in request.headers.get("accept-language", "").split(","):
        code, _, weight = part.strip().partition(";q=")
        try:
            ranked.append((-float(weight or 1), code.split("-")[0].lower()))
        except ValueError:
            continue
    return next((code for _, code in sorted(ranked, key=lambda entry: entry[0]) if code in LANGUAGES), "en")


def render(request: Request, template: str, status: int = 200, **context: Any) -> Response:
    """A page."""
    token = request.cookies.get(FORM_COOKIE) or secrets.token_urlsafe(24)
    theme = request.cookies.get(THEME_COOKIE, "auto")
    caller = getattr(request.state, "caller", None)
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    shared = {
        "ui": chosen_language(request), "theme": theme if theme in THEMES else "auto", "token": token, "here": here,
        "path": request.url.path, "caller": caller, "may_decide": caller is not None and "decide" in caller.scopes,
    }  # fmt: skip
    response: Response = templates.TemplateResponse(request, template, {**shared, **context}, status_code=status)
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers["Vary"] = "Cookie, Accept-Language"
    if FORM_COOKIE not in request.cookies:
        response.set_cookie(FORM_COOKIE, token, httponly=True, samesite="strict", secure=request.url.scheme == "https")
    return response


def error_page(request: Request, status: int, detail: str) -> Response:
    """An error as a page."""
    return render(request, "error.html", status, code=status, detail=detail)


async def own_form(request: Request, token: Annotated[str, Form()] = "") -> None:
    """Refuses a form that is none of ours: its token is not that of the browser's cookie. Raises Problem 403."""
    kept = request.cookies.get(FORM_COOKIE, "")
    if not kept or not hmac.compare_digest(kept.encode(), token.encode()):
        raise Problem(403, "this form has expired or is none of this desk; load the page again")


OwnForm = Depends(own_form)


def local(path: str) -> str:
    """`path` if it leads to this desk, else the desk's first page."""
    return path if path.startswith("/") and not path.startswith(("//", "/\\")) else "/"
