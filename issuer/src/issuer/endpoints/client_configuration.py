"""Client configuration (RFC 7592): a client reads, replaces or removes its own registration."""

from __future__ import annotations

import dataclasses
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from issuer import log
from issuer.errors import InvalidClientMetadata, InvalidToken
from issuer.model import Client
from issuer.protocol import client_metadata, secret
from issuer.server import server_of
from issuer.settings import Settings
from issuer.store import Transaction
from issuer.web.body import LONGEST_JSON, read_json_object
from issuer.web.credentials import NO_TOKEN, bearer, new_secret, registration
from issuer.web.errors import NO_STORE

router = APIRouter(tags=["registration"])
PATH = "/register/{client_id}"
_OURS = ("registration_access_token", "registration_client_uri", "client_secret_expires_at", "client_id_issued_at")


def metadata(settings: Settings) -> dict[str, Any]:
    return {}


@router.get(PATH)
async def read(request: Request, client_id: str) -> Response:
    """What is registered (§2.1)."""
    server = server_of(request)
    token = bearer(request)
    client = await server.transact(lambda tx: _own(token, client_id, tx))
    return JSONResponse(registration(client, token, server.settings), headers=NO_STORE)


@router.put(PATH)
async def replace(request: Request, client_id: str) -> Response:
    """Replace the whole registration (§2.2). New redirect URIs end every consent that was given to the old ones."""
    server = server_of(request)
    token = bearer(request)
    await server.transact(lambda tx: _own(token, client_id, tx))
    document = await read_json_object(request, LONGEST_JSON)
    if document.get("client_id") != client_id:
        raise InvalidClientMetadata("client_id must be the one that is being changed")
    if any(name in document for name in _OURS):
        raise InvalidClientMetadata("leave out what only this server can say: " + " ".join(_OURS))

    def work(tx: Transaction) -> tuple[Client, str | None]:
        old = _own(token, client_id, tx)
        sent = document.get("client_secret")
        if sent is not None and not any(isinstance(sent, str) and secret.matches(sent, s.digest) for s in old.secrets):
            raise InvalidClientMetadata("client_secret must be the current one, or left out")
        new = client_metadata.read(
            document, id=old.id, origin=old.origin, now=old.created_at, grants=client_metadata.OPEN_TO_ANYONE
        )
        server.client_keys.check_url(new)
        new, plain = new_secret(dataclasses.replace(new, registration=old.registration, secrets=old.secrets))
        if new.redirect_uris != old.redirect_uris:
            tx.consents.forget(old.id)
        tx.clients.put(new)
        return new, plain

    client, plain = await server.transact(work)
    return JSONResponse(registration(client, token, server.settings, plain), headers=NO_STORE)


@router.delete(PATH)
async def remove(request: Request, client_id: str) -> Response:
    """Remove the registration and end everything that was granted to it (§2.3)."""
    server = server_of(request)
    token = bearer(request)

    def work(tx: Transaction) -> None:
        tx.clients.remove(_own(token, client_id, tx).id)

    await server.transact(work)
    return Response(status_code=204, headers=NO_STORE)


def _own(token: str, client_id: str, tx: Transaction) -> Client:
    """The client that the token belongs to. One that is tried on another client has leaked: it ends (§2)."""
    digest = secret.digest(token)
    client = tx.clients.registered_by(digest)
    if client is not None and client.id == client_id:
        log.note(client_id=client.id)
        return client
    error = InvalidToken("the registration access token is not one of this client", headers=NO_TOKEN)
    if client is not None:
        error.detail = "a registration access token was used on another client"
        error.remember = lambda tx: _end(digest, tx)
    raise error


def _end(digest: str, tx: Transaction) -> None:
    """Nothing is registered by this token any more. The client is read again: much may have happened to it since."""
    client = tx.clients.registered_by(digest)
    if client is not None:
        tx.clients.put(dataclasses.replace(client, registration=None))
