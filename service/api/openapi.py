"""The service's description, OpenAPI 3.1."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Header
from fastapi.openapi.utils import get_openapi

from service.api.schemas import Delivery, Problem

deliveries = APIRouter()
"""What the service sends, as the description's `webhooks` tells it; nothing answers at these routes."""


@deliveries.post(
    "changes",
    status_code=204,
    responses={503: {"description": "Any other status, or none within 10 s: sent again later."}},
)
def changes(
    delivery: Delivery,
    webhook_id: Annotated[
        str, Header(alias="webhook-id", description="Names the delivery; the same when it is sent again.")
    ],
    webhook_timestamp: Annotated[
        int, Header(alias="webhook-timestamp", description="Seconds since 1970; refuse what is minutes old.")
    ],
    webhook_signature: Annotated[
        str, Header(alias="webhook-signature", description="`v1,` and the base64 of the signature.")
    ],
) -> None:
    """Changes as they happen, sent to every webhook in order, at least once, up to 100 at a time.

    Signed as Standard Webhooks 1.0 says: HMAC-SHA256 over `webhook-id`, a full stop, `webhook-timestamp`, a full stop and the body
    as it came, byte for byte; the key is the base64 of the secret after `whsec_`, decoded. Compare in constant time, keep the largest
    `number` that you have dealt with, and answer with any 2xx. Else the same changes are sent again, after a second at first, then
    ever more slowly, for about a day and a half; then the webhook rests until POST /v1/webhooks/{webhook_id}/resume.
    """


def describe(app: FastAPI) -> None:
    """Let ``/openapi.json`` describe problems as problem documents, and every route by one unique name."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(
                title=app.title,
                version=app.version,
                summary=app.summary,
                openapi_version="3.1.0",
                routes=app.routes,
                webhooks=deliveries.routes,
            )
            schemas = schema.setdefault("components", {}).setdefault("schemas", {})
            schemas["Problem"] = Problem.model_json_schema()
            for name in ("HTTPValidationError", "ValidationError"):
                schemas.pop(name, None)
            for path in schema["paths"].values():
                for operation in path.values():
                    operation["operationId"] = operation["operationId"].split("_v1_")[0]
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's own way to change the description
