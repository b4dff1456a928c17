"""Webhooks: where changes are sent."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse

from service.access import Contributor
from service.api.schemas import WebhookIn, WebhookOut, WebhooksPage, errors
from service.api.strict import StrictRoute
from service.repeats import PARAMETER, answered_once
from service.webhooks import Webhooks

router = APIRouter(tags=["webhooks"], route_class=StrictRoute)


@router.post(
    "/v1/webhooks",
    status_code=201,
    openapi_extra={"parameters": [PARAMETER]},
    response_model=WebhookOut,
    responses=errors(409, 415),
)
async def post_webhook(request: Request, webhook: WebhookIn, caller: Contributor) -> Response:
    """Send changes to a URL from now on, as `webhooks` of this description says; the secret is told this once."""
    webhooks: Webhooks = request.app.state.webhooks

    async def work() -> Response:
        made, secret = await to_thread.run_sync(webhooks.add, webhook.url, webhook.secret, webhook.after)
        return JSONResponse({**asdict(made), "secret": secret}, 201)

    return await answered_once(request, request.app.state.ledger, caller, await request.body(), work)


@router.get("/v1/webhooks", response_model=WebhooksPage, responses=errors())
def get_webhooks(request: Request, caller: Contributor) -> dict[str, Any]:
    """The webhooks, and how their deliveries go."""
    webhooks: Webhooks = request.app.state.webhooks
    return {"items": [asdict(webhook) for webhook in webhooks.webhooks()], "next": None}


@router.get("/v1/webhooks/{webhook_id}", response_model=WebhookOut, responses=errors(404))
def get_webhook(request: Request, webhook_id: str, caller: Contributor) -> dict[str, Any]:
    """One webhook, and how its deliveries go."""
    webhooks: Webhooks = request.app.state.webhooks
    return asdict(webhooks.webhook(webhook_id))


@router.post("/v1/webhooks/{webhook_id}/resume", response_model=WebhookOut, responses=errors(404))
def resume_webhook(
    request: Request, webhook_id: str, caller: Contributor,
    after: Annotated[
        int | None, Query(ge=0, lt=2**63, description="Send again what came after the change of this number.")
    ] = None,
) -> dict[str, Any]:  # fmt: skip
    """Try again at once, also after too many failures; nothing is lost meanwhile. With `after` changes are sent again."""
    webhooks: Webhooks = request.app.state.webhooks
    return asdict(webhooks.resume(webhook_id, after))


@router.delete("/v1/webhooks/{webhook_id}", status_code=204, responses=errors(404))
def delete_webhook(request: Request, webhook_id: str, caller: Contributor) -> None:
    """Send no more."""
    webhooks: Webhooks = request.app.state.webhooks
    webhooks.remove(webhook_id)
