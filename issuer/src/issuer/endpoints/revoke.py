"""Token revocation (RFC 7009): a refresh token takes its whole family along, an access token goes alone."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from issuer import log
from issuer.model import AUTH_METHODS
from issuer.protocol import jws, secret
from issuer.server import server_of
from issuer.settings import Settings
from issuer.store import Transaction
from issuer.tokens import ACCESS
from issuer.web import client_auth
from issuer.web.errors import NO_STORE
from issuer.web.form import read_form

router = APIRouter(tags=["tokens"])
PATH = "/revoke"


def metadata(settings: Settings) -> dict[str, Any]:
    return {
        "revocation_endpoint": settings.ISSUER + PATH,
        "revocation_endpoint_auth_methods_supported": list(AUTH_METHODS),
        "revocation_endpoint_auth_signing_alg_values_supported": list(jws.ALGORITHMS),
    }


@router.post(
    PATH,
    openapi_extra={
        "requestBody": {
            "content": {"application/x-www-form-urlencoded": {"example": {"token": "...", "client_id": "mcp-client"}}}
        }
    },
)
async def revoke(request: Request) -> Response:
    """End a token of the client that asks. The answer is 200 for any token: it tells nothing about other clients'."""
    server = server_of(request)
    now = server.now()
    form = await read_form(request)
    token = form.require("token")
    credentials = await client_auth.read(request, form, server)
    claims = server.mint.read(token, ACCESS, now)

    def work(tx: Transaction) -> None:
        client = client_auth.authenticate(credentials, tx, now)
        log.note(client_id=client.id)
        if claims is not None:
            if claims["client_id"] == client.id and claims["exp"] > now:
                tx.denied.add(claims["jti"], claims["exp"])
            return
        refresh = tx.refresh_tokens.get(secret.digest(token))
        family = tx.families.get(refresh.family) if refresh else None
        if family is not None and family.client_id == client.id:
            tx.families.revoke(family.id, now)

    await server.transact(work)
    return Response(status_code=200, headers=NO_STORE)
