"""Development tokens: `GET|POST /dev/token`. Registered only when ISSUER is an http loopback origin.

No web page that somebody visits may reach it: it has no CORS header, and a foreign Host or Origin, a request that a
browser calls cross-site or same-site, or one that a proxy forwarded is refused.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from issuer import log
from issuer.errors import AccessDenied, InvalidRequest
from issuer.guard import came_through_proxy
from issuer.model import Authorization
from issuer.protocol import resource, scope
from issuer.server import Server, server_of
from issuer.settings import Settings, origin_of
from issuer.standing import DEVELOPMENT_FAMILY
from issuer.web.errors import NO_STORE
from issuer.web.form import Form, parse, read_form

router = APIRouter(tags=["development"])
PATH = "/dev/token"
LONGEST = 3600
_FIELDS = ("sub", "scope", "resource", "expires_in", "client_id")
_EXAMPLE = {"sub": "alice", "scope": "mcp:tools", "expires_in": 900}


def metadata(settings: Settings) -> dict[str, Any]:
    return {}


@router.get(
    PATH,
    openapi_extra={"parameters": [{"name": n, "in": "query", "schema": {"type": "string"}} for n in _FIELDS]},
)
async def by_query(request: Request) -> Response:
    """A development token for query parameters, as in `/dev/token?sub=alice`."""
    refuse_strangers(request)
    return _answer(request, parse(request.scope["query_string"]))


@router.post(
    PATH,
    openapi_extra={"requestBody": {"content": {"application/x-www-form-urlencoded": {"example": _EXAMPLE}}}},
)
async def by_form(request: Request) -> Response:
    """A development token for form parameters; without any, one for `dev` with the default scope and resource."""
    refuse_strangers(request)
    empty = request.headers.get("content-length", "0") == "0" and "transfer-encoding" not in request.headers
    return _answer(request, parse(b"") if empty else await read_form(request))


def _answer(request: Request, form: Form) -> Response:
    server = server_of(request)
    form.refuse_repeated()
    authorization = decide(
        server,
        sub=form.get("sub"),
        asked_scope=form.get("scope"),
        resources=form.all("resource"),
        expires_in=form.get("expires_in"),
        client_id=form.get("client_id"),
    )
    log.note(client_id=authorization.client_id, sub=authorization.subject, grant="dev")
    return JSONResponse(server.mint.issue(authorization, server.now()), headers=NO_STORE)


def refuse_strangers(request: Request) -> None:
    """Only a program on this machine, or a page of this very origin, may ask; others learn nothing more."""
    headers, settings = request.headers, server_of(request).settings
    if headers.get("host", "").lower() not in settings.allowed_hosts:
        raise AccessDenied("Host is not the issuer's own")
    if headers.get("origin", origin_of(settings.ISSUER)) != origin_of(settings.ISSUER):
        raise AccessDenied("Origin is foreign: development tokens are not for web pages")
    if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        raise AccessDenied("a browser calls this request cross-site: development tokens are not for web pages")
    if came_through_proxy(headers):
        raise AccessDenied("the request came through a proxy: development tokens are for this machine alone")


def decide(
    server: Server,
    *,
    sub: str | None = None,
    asked_scope: str | None = None,
    resources: tuple[str, ...] = (),
    expires_in: str | None = None,
    client_id: str | None = None,
) -> Authorization:
    """The authorization of a development token: an hour at most, configured resources alone, marked `dev`."""
    settings = server.settings
    seconds = expires_in or str(min(settings.ISSUER_ACCESS_TOKEN_SECONDS, LONGEST))
    if not (seconds.isascii() and seconds.isdigit() and len(seconds) < 10 and 1 <= int(seconds) <= LONGEST):
        raise InvalidRequest(f"expires_in must be whole seconds from 1 to {LONGEST}")
    for name, value in (("sub", sub), ("client_id", client_id)):
        if value is not None and not (value.isprintable() and len(value) <= 200):
            raise InvalidRequest(f"{name} must be at most 200 printable characters")
    return Authorization(
        subject=sub or "dev",
        client_id=client_id or "dev",
        scope=scope.grantable(
            scope.parse(asked_scope),
            known=settings.ISSUER_SCOPES,
            default=settings.default_scope,
            any_scope=True,
        ),
        audience=resource.audience(resource.choose(resources, settings.resources), settings.resources),
        family=DEVELOPMENT_FAMILY,
        lifetime=int(seconds),
        claims={"dev": True},
    )
