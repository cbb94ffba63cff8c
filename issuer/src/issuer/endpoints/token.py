"""The token endpoint (OAuth 2.1 §3.2): authenticate the client, let its grant decide, mint."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from issuer import log
from issuer.errors import OAuthError, UnauthorizedClient, UnsupportedGrantType
from issuer.grants.registry import GRANTS
from issuer.grants.request import Lives, TokenRequest
from issuer.model import AUTH_METHODS, Authorization
from issuer.protocol import jws
from issuer.server import Server, server_of
from issuer.settings import Settings
from issuer.store import StoreUnavailable, Transaction
from issuer.web import client_auth
from issuer.web.errors import NO_STORE
from issuer.web.form import Form, read_form

router = APIRouter(tags=["tokens"])
PATH = "/token"
_EXAMPLE = {"grant_type": "client_credentials", "client_id": "mcp-client", "client_secret": "..."}


def metadata(settings: Settings) -> dict[str, Any]:
    return {
        "token_endpoint": settings.ISSUER + PATH,
        "grant_types_supported": list(GRANTS),
        "token_endpoint_auth_methods_supported": list(AUTH_METHODS),
        "token_endpoint_auth_signing_alg_values_supported": list(jws.ALGORITHMS),
    }


@router.post(
    PATH,
    openapi_extra={"requestBody": {"content": {"application/x-www-form-urlencoded": {"example": _EXAMPLE}}}},
)
async def token(request: Request) -> Response:
    """Exchange a grant for tokens: the token response of RFC 6749 §5.1, or an error of §5.2."""
    server, form = server_of(request), await read_form(request)
    grant_type, outcome = form.get("grant_type"), "server_error"
    try:
        answer = await _exchange(request, form, server)
        outcome = "issued"
    except OAuthError as error:
        outcome = error.code
        raise
    except StoreUnavailable:
        outcome = "temporarily_unavailable"
        raise
    finally:
        server.metrics.tokens(grant_type if grant_type in GRANTS else "unknown", outcome).inc()
    return answer


async def _exchange(request: Request, form: Form, server: Server) -> Response:
    settings, now = server.settings, server.now()
    grant_type = form.require("grant_type")
    credentials = await client_auth.read(request, form, server)
    grant = GRANTS.get(grant_type)

    def work(tx: Transaction) -> Authorization:
        client = client_auth.authenticate(credentials, tx, now)
        log.note(client_id=client.id)
        try:
            if grant is None:
                raise UnsupportedGrantType("grant_type is none of grant_types_supported in the metadata")
            if grant_type not in client.grant_types:
                raise UnauthorizedClient("the client is not registered for this grant_type")
            lives = Lives(settings.ISSUER_REFRESH_IDLE_SECONDS, settings.ISSUER_REFRESH_TOTAL_SECONDS)
            return grant.authorize(TokenRequest(client, form, settings.resources, lives, now), tx)
        except OAuthError as error:
            client_auth.stay_used(credentials, error)
            raise

    writes = credentials.method == "private_key_jwt" or (grant is not None and grant.WRITES)
    authorization = await server.transact(work, writes=writes)
    log.note(grant=grant_type, sub=authorization.subject)
    return JSONResponse(server.mint.issue(authorization, now), headers=NO_STORE)
