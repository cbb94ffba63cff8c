"""UserInfo (OpenID Connect Core §5.3): who the person is, for an access token that was granted `openid`."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from issuer.errors import InsufficientScope, InvalidRequest, InvalidToken
from issuer.server import Server, server_of
from issuer.settings import Settings
from issuer.standing import person
from issuer.tokens import ACCESS
from issuer.web.credentials import NO_TOKEN, bearer
from issuer.web.errors import NO_STORE
from issuer.web.form import read_form

router = APIRouter(tags=["tokens"])
PATH = "/userinfo"


def metadata(settings: Settings) -> dict[str, Any]:
    return {"userinfo_endpoint": settings.ISSUER + PATH}


@router.post(PATH)
@router.get(PATH)
async def userinfo(request: Request) -> Response:
    """The claims that the granted scopes open: `profile` the names, `email` the address."""
    server = server_of(request)
    await _refuse_elsewhere(request)
    claims = _claims(request, server)
    scopes = set(claims["scope"].split())
    if "openid" not in scopes:
        raise InsufficientScope(
            "the token was not granted openid",
            headers={"WWW-Authenticate": 'Bearer error="insufficient_scope", scope="openid"'},
        )
    user = await server.store.read(lambda tx: person(claims, tx, now=server.now()))
    if user is None:
        raise _invalid()
    answer = {"sub": user.subject}
    if "profile" in scopes:
        answer |= {"preferred_username": user.username} | ({"name": user.name} if user.name else {})
    if "email" in scopes and user.email:
        answer["email"] = user.email
    return JSONResponse(answer, headers=NO_STORE)


async def _refuse_elsewhere(request: Request) -> None:
    """Only the header carries the token here (RFC 6750 §2): elsewhere it is a second one, or ends in a log."""
    elsewhere = "access_token" in request.query_params
    kind = request.headers.get("content-type", "").lower()
    if not elsewhere and kind.startswith("application/x-www-form-urlencoded"):
        elsewhere = (await read_form(request)).get("access_token") is not None
    if elsewhere:
        raise InvalidRequest(
            "send the access token once, in the Authorization header",
            headers={"WWW-Authenticate": 'Bearer error="invalid_request"'},
        )


def _claims(request: Request, server: Server) -> dict[str, Any]:
    claims = server.mint.read(bearer(request), ACCESS, server.now())
    if claims is None:
        raise _invalid()
    return claims


def _invalid() -> InvalidToken:
    return InvalidToken("the access token is malformed, expired or revoked", headers=NO_TOKEN)
