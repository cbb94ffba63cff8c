"""Token introspection (RFC 7662): a resource server asks whether a token still stands.

Only a client that can prove itself is answered, and only about tokens for a resource whose server it is, or its own.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from issuer import log
from issuer.errors import InvalidClient, InvalidGrant
from issuer.grants import refresh_token
from issuer.model import AUTH_METHODS, Client
from issuer.protocol import jws, resource, scope
from issuer.server import Server, server_of
from issuer.settings import Settings
from issuer.standing import stands
from issuer.store import Transaction
from issuer.tokens import ACCESS
from issuer.web import client_auth
from issuer.web.errors import NO_STORE
from issuer.web.form import read_form

router = APIRouter(tags=["tokens"])
PATH = "/introspect"
_METHODS = [method for method in AUTH_METHODS if method != "none"]
_TOLD = ("iss", "sub", "aud", "client_id", "scope", "iat", "exp", "jti")


def metadata(settings: Settings) -> dict[str, Any]:
    return {
        "introspection_endpoint": settings.ISSUER + PATH,
        "introspection_endpoint_auth_methods_supported": _METHODS,
        "introspection_endpoint_auth_signing_alg_values_supported": list(jws.ALGORITHMS),
    }


@router.post(
    PATH,
    openapi_extra={"requestBody": {"content": {"application/x-www-form-urlencoded": {"example": {"token": "..."}}}}},
)
async def introspect(request: Request) -> Response:
    """The state of a token (§2.2). Whatever is not valid, or not the asker's business, is `{"active": false}`."""
    server = server_of(request)
    now = server.now()
    form = await read_form(request)
    token = form.require("token")
    credentials = await client_auth.read(request, form, server)
    if credentials.method == "none":
        raise InvalidClient("introspection is for clients that can authenticate")
    claims = server.mint.read(token, ACCESS, now)

    def work(tx: Transaction) -> dict[str, Any]:
        client = client_auth.authenticate(credentials, tx, now)
        log.note(client_id=client.id)
        if claims is not None:
            return _access_token(claims, client, server, tx)
        return _refresh_token(token, client, server, tx)

    writes = credentials.method == "private_key_jwt"
    answer = await server.transact(work, writes=writes)
    server.metrics.introspected[answer["active"]].inc()
    return JSONResponse(answer, headers=NO_STORE)


def _access_token(claims: dict[str, Any], client: Client, server: Server, tx: Transaction) -> dict[str, Any]:
    served = resource.audience(client.introspects, server.settings.resources)
    aud = claims["aud"]
    meant_for_it = bool(set(served) & ({aud} if isinstance(aud, str) else set(aud)))
    its_business = meant_for_it or claims["client_id"] == client.id
    if not its_business or not stands(claims, tx, now=server.now(), development=server.settings.development):
        return {"active": False}
    return {"active": True, "token_type": "Bearer", **{name: claims[name] for name in _TOLD}}


def _refresh_token(token: str, client: Client, server: Server, tx: Transaction) -> dict[str, Any]:
    try:
        refresh, family = refresh_token.find(token, client.id, server.now(), tx)
    except InvalidGrant:
        return {"active": False}
    if refresh.spent_at is not None:
        return {"active": False}
    return {
        "active": True,
        "client_id": client.id,
        "sub": family.subject,
        "scope": scope.join(family.scope),
        "exp": min(refresh.expires_at, family.expires_at),
    }
