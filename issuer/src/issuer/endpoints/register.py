"""Dynamic client registration (RFC 7591 §3, OpenID Connect Dynamic Client Registration 1.0 §3)."""

from __future__ import annotations

import dataclasses
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from issuer import log
from issuer.errors import AccessDenied, InvalidToken, TemporarilyUnavailable, TooManyRequests
from issuer.protocol import client_metadata, secret
from issuer.server import Server, server_of
from issuer.settings import Settings
from issuer.store import Transaction
from issuer.web import invitation
from issuer.web.address import address_of
from issuer.web.body import LONGEST_JSON, read_json_object
from issuer.web.credentials import NO_TOKEN, bearer, new_secret, registration
from issuer.web.errors import NO_STORE

router = APIRouter(tags=["registration"])
PATH = "/register"
_WINDOW = 60
_LOOK_EVERY = 100
_EXAMPLE = {"redirect_uris": ["http://127.0.0.1:3000/callback"], "token_endpoint_auth_method": "none"}


def metadata(settings: Settings) -> dict[str, Any]:
    return {"registration_endpoint": settings.ISSUER + PATH} if settings.registration != "off" else {}


@router.post(
    PATH,
    status_code=201,
    openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"example": _EXAMPLE}}}},
)
async def register(request: Request) -> Response:
    """Register a client from its metadata (RFC 7591 §2); the answer says what was registered, and each secret once."""
    server = server_of(request)
    invited = _admit(request, server)
    document = await read_json_object(request, LONGEST_JSON)
    client = client_metadata.read(
        document,
        id=secret.invent_id(secret.CLIENT_ID),
        origin="dynamic",
        now=server.now(),
        grants=client_metadata.OPEN_TO_ANYONE,
    )
    server.client_keys.check_url(client)
    client, plain = new_secret(client)
    token = secret.invent(secret.REGISTRATION)
    client = dataclasses.replace(client, registration=secret.digest(token))
    address = address_of(request)

    def work(tx: Transaction) -> None:
        if invited is not None and not invited.accept(tx):
            raise _uninvited()
        _check_limits(address, server, tx)
        tx.clients.add(client)

    await server.store.write(work)
    log.note(client_id=client.id)
    return JSONResponse(registration(client, token, server.settings, plain), 201, headers=NO_STORE)


def _admit(request: Request, server: Server) -> invitation.Invitation | None:
    """Whether registration is open, or the request brings an initial access token (RFC 7591 §1.2)."""
    policy = server.settings.registration
    if policy == "off":
        raise AccessDenied("registration is off here: ask the operator for a client")
    if policy == "open":
        return None
    invited = invitation.read(server, bearer(request))
    if invited is None:
        raise _uninvited()
    return invited


def _uninvited() -> InvalidToken:
    return InvalidToken("the initial access token is unknown, used or expired: ask the operator", headers=NO_TOKEN)


def _check_limits(address: str, server: Server, tx: Transaction) -> None:
    """The limits: so many a minute from one address, and so many rows in all, looked at now and then."""
    settings, now = server.settings, server.now()
    if tx.limits.hit(f"register:{address}", _WINDOW, now) > settings.ISSUER_REGISTRATIONS_PER_MINUTE:
        raise TooManyRequests(
            "too many registrations from this address: try again in a minute", headers={"Retry-After": str(_WINDOW)}
        )
    if tx.limits.hit("register", _WINDOW, now) % _LOOK_EVERY == 1 and tx.clients.crowded(settings.ISSUER_MOST_CLIENTS):
        raise TemporarilyUnavailable(
            "no more clients can be registered now: unused ones are removed after a day",
            headers={"Retry-After": "3600"},
        )
