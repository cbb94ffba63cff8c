"""Before a transaction looks a client up: have the store know it, when its client_id points to a metadata document.

Browsers get one page whatever is wrong with a document: what this server can reach is nobody's business (the log has
the reason).
"""

from __future__ import annotations

from fastapi import Request

from issuer import log
from issuer.documents import PAUSE, DocumentFailed
from issuer.errors import InvalidClient, InvalidRedirectUri, TemporarilyUnavailable
from issuer.protocol import client_document, redirect_uri
from issuer.server import Server
from issuer.web.address import address_of
from issuer.web.form import Form
from issuer.web.page_error import PageError


async def for_authorization(request: Request, server: Server, form: Form) -> None:
    """Raises PageError when there is a document and it cannot be used."""
    client_id, asked = form.get("client_id"), form.get("redirect_uri")
    if client_id is None or not client_document.is_url(client_id):
        return  # nothing points to a document
    if {"client_id", "redirect_uri"} & form.repeated or not _well_formed(asked):
        return  # refused by whoever looks it up, without a fetch
    try:
        await server.documents.resolve(client_id, asked_by=address_of(request))
    except DocumentFailed as error:
        log.note(client_id=client_id, reason=str(error))
        raise PageError(
            400,
            "This program cannot be identified",
            "It names itself by the address of a document, and that document cannot be used.",
            "Try again in a minute. If this page comes back, tell whoever makes the program, or runs this server.",
        ) from None


def _well_formed(asked: str | None) -> bool:
    try:
        return asked is None or bool(redirect_uri.check(asked))
    except InvalidRedirectUri:
        return False


async def for_tokens(server: Server, client_id: str) -> None:
    """Raises OAuthError when the document of a client that is known has ended, or cannot be renewed."""
    try:
        await server.documents.resolve(client_id)
    except DocumentFailed as error:
        if error.temporary:
            raise TemporarilyUnavailable(
                "the metadata document of the client cannot be fetched now: try again shortly",
                detail=str(error),
                headers={"Retry-After": str(PAUSE)},
            ) from None
        raise InvalidClient("the metadata document of the client can no longer be used", detail=str(error)) from None
