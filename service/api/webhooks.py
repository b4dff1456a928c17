"""Webhooks: where changes are sent."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from service.access import Contributor
from service.api.schemas import WebhookIn, WebhookOut, WebhooksPage, errors
from service.api.strict import StrictRoute
from service.webhooks import Webhooks

router = APIRouter(tags=["webhooks"], route_class=StrictRoute)


@router.post("/v1/webhooks", status_code=201, response_model=WebhookOut, responses=errors(415))
def post_webhook(request: Request, webhook: WebhookIn, caller: Contributor) -> dict[str, Any]:
    """Send changes to a URL from now on, signed as Standard Webhooks says; the secret is told this once."""
    webhooks: Webhooks = request.app.state.webhooks
    made, secret = webhooks.add(webhook.url, webhook.secret, webhook.after)
    return {**asdict(made), "secret": secret}


@router.get("/v1/webhooks", response_model=WebhooksPage, responses=errors())
def get_webhooks(request: Request, caller: Contributor) -> dict[str, Any]:
    """The webhooks, and how their deliveries go."""
    webhooks: Webhooks = request.app.state.webhooks
    return {"items": [asdict(webhook) for webhook in webhooks.webhooks()], "next": None}


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
