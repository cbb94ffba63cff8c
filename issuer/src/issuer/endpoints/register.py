"""Dynamic client registration (RFC 7591 §3, OpenID Connect Dynamic Client Registration 1.0 §3)."""

from __future__ import annotations

import dataclasses
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from issuer import log
from issuer.errors import AccessDenied
from issuer.grants import registry
from issuer.model import Secret
from issuer.protocol import client_metadata, secret
from issuer.server import server_of
from issuer.settings import Settings
from issuer.web.body import read_json_object
from issuer.web.errors import NO_STORE

router = APIRouter(tags=["registration"])
PATH = "/register"
_LONGEST = 64 * 1024


def metadata(settings: Settings) -> dict[str, Any]:
    return {"registration_endpoint": settings.ISSUER + PATH} if settings.registration_open else {}


@router.post(
    PATH,
    status_code=201,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "example": {
                        "redirect_uris": ["http://127.0.0.1:3000/callback"],
                        "token_endpoint_auth_method": "none",
                    }
                }
            },
        }
    },
)
async def register(request: Request) -> Response:
    """Register a client from its metadata (RFC 7591 §2); the answer says what was registered, and any secret once."""
    server = server_of(request)
    if not server.settings.registration_open:
        raise AccessDenied("registration is off here: ask the operator for a client")
    document = await read_json_object(request, _LONGEST)
    client = client_metadata.read(
        document,
        id=secret.invent_id(secret.CLIENT_ID),
        origin="dynamic",
        now=server.now(),
        grants=registry.OPEN_TO_ANYONE,
    )
    answer = client_metadata.describe(client)
    if client.auth_method in ("client_secret_basic", "client_secret_post"):
        plain = secret.invent(secret.CLIENT_SECRET)
        client = dataclasses.replace(client, secrets=(Secret(secret.digest(plain)),))
        answer |= {"client_secret": plain, "client_secret_expires_at": 0}
    await server.store.write(lambda tx: tx.clients.put(client))
    log.note(client_id=client.id)
    return JSONResponse(answer, 201, headers=NO_STORE)
