"""Who asks, and whether they may: API keys for programs, sessions for editors, nobody's leave on an open loopback."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes

from align.errors import InputError
from service.keys import SCOPES, Key, KeyRing, checked_rate
from service.ledger import Ledger
from service.problems import Problem, retry_after
from service.rates import Rates
from service.settings import Settings

SESSION_COOKIE = "samestory_session"
ANYONE = "anyone"
"""Who asks where the service is open."""
_bearer = HTTPBearer(auto_error=False, description="A key made by `samestory keys add`.")


@dataclass(frozen=True)
class Caller:
    """Who asks: a key's holder, or anyone where the service is open (`key_id` is then "")."""

    name: str
    key_id: str
    scopes: tuple[str, ...]


class Access:
    """The door of one service."""

    def __init__(self, settings: Settings, ledger: Ledger) -> None:
        """Raises InputError where the service would stand open on an address that others can reach."""
        self.ring = KeyRing(ledger)
        self.rates = Rates(ledger)
        self.settings = settings
        checked_rate(settings.rate)
        if not settings.on_loopback and not self.ring.any_active():
            raise InputError(
                f"{settings.host} can be reached from elsewhere and no API key is in force; make one with `samestory keys add NAME --index {settings.folder}`"
            )

    @property
    def is_open(self) -> bool:
        """Whether requests need no key: on loopback, where none was in force at the start and none is now."""
        return self.settings.on_loopback and not self.settings.needs_key and not self.ring.any_active()

    def caller(self, request: Request, text: str | None) -> Caller:
        """Who sent `request`, counted against their rate. Raises Problem 401 or 429."""
        session = request.cookies.get(SESSION_COOKIE)
        key = self.ring.holder(text) if text else self.ring.session_holder(session) if session else None
        if key is None:
            if text or not self.is_open:
                detail = (
                    "the key is unknown or revoked"
                    if text
                    else "this service needs a key: send Authorization: Bearer KEY"
                )
                raise Problem(HTTPStatus.UNAUTHORIZED, detail, {"WWW-Authenticate": 'Bearer realm="samestory"'})
            host = request.client.host if request.client else "local"
            self._count(f"open:{host}", self.settings.rate)
            return Caller(ANYONE, "", SCOPES)
        return self._counted(key)

    def _counted(self, key: Key) -> Caller:
        self._count(f"key:{key.id}", key.rate or self.settings.rate)
        return Caller(key.name, key.id, key.scopes)

    def _count(self, caller: str, rate: str) -> None:
        wait = self.rates.wait(caller, rate) if rate else 0.0
        if wait:
            raise Problem(
                HTTPStatus.TOO_MANY_REQUESTS,
                f"over the rate limit of {rate}; come again in {wait:.0f} s",
                retry_after(wait),
            )


async def allowed(
    request: Request,
    scopes: SecurityScopes,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> Caller:
    """The caller, who has every scope that the route asks for. Raises Problem 401, 403 or 429."""
    access: Access = request.app.state.access
    caller = access.caller(request, bearer.credentials if bearer else request.headers.get("x-api-key"))
    lacking = [scope for scope in scopes.scopes if scope not in caller.scopes]
    if lacking:
        raise Problem(HTTPStatus.FORBIDDEN, f"the key of {caller.name} lacks the scope {', '.join(lacking)}")
    request.state.caller = caller
    return caller


Reader = Annotated[Caller, Security(allowed, scopes=["read"])]
Contributor = Annotated[Caller, Security(allowed, scopes=["write"])]
Editor = Annotated[Caller, Security(allowed, scopes=["decide"])]
