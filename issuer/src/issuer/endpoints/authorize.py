"""The authorization endpoint (OAuth 2.1 §4.1.1). GET changes nothing a client could notice: clients send it twice."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from issuer.protocol import authorization, pkce, scope
from issuer.server import server_of
from issuer.settings import Settings
from issuer.web.interaction import proceed
from issuer.web.page_request import again_by_get, read_posted, read_query

router = APIRouter(tags=["authorization"])
PATH = "/authorize"


def metadata(settings: Settings) -> dict[str, Any]:
    return {
        "authorization_endpoint": settings.ISSUER + PATH,
        "response_types_supported": ["code"],
        "response_modes_supported": list(authorization.RESPONSE_MODES),
        "code_challenge_methods_supported": [pkce.METHOD],
        "authorization_response_iss_parameter_supported": True,
        **({"client_id_metadata_document_supported": True} if settings.ISSUER_CIMD else {}),
        "prompt_values_supported": list(authorization.PROMPTS),
        "scopes_supported": list(scope.known(settings.ISSUER_SCOPES)),
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [settings.ISSUER_SIGNING_ALG],
        "claims_supported": ["sub", "name", "preferred_username", "email", "auth_time", "nonce", "sid", "at_hash"],
    }


@router.get(PATH)
async def authorize(request: Request) -> Response:
    """Ask the person: a page to sign in or to consent, or the redirect back with a code or an error."""
    return await proceed(request, server_of(request), read_query(request, refuse=False), fresh=False)


@router.post(PATH)
async def authorize_by_post(request: Request) -> Response:
    """The same by form (OpenID Connect Core §3.1.2.1): starts again as GET, so that cookies count as usual."""
    server, form = server_of(request), await read_posted(request, refuse=False)
    if form.repeated:  # refused, whoever is signed in
        return await proceed(request, server, form, fresh=False)
    return again_by_get(form, PATH, server.settings)
