"""The person's own page: which programs they let in, when and for what, and an end to any of it."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Request
from starlette.responses import Response

from issuer import log
from issuer.model import Client, Family
from issuer.protocol import scope
from issuer.server import Server, server_of
from issuer.settings import Settings
from issuer.store import Transaction
from issuer.web import browser, pages, session
from issuer.web.form import Form
from issuer.web.page_error import start_again
from issuer.web.page_request import read_posted
from issuer.web.passage import Begin, resume

router = APIRouter(include_in_schema=False)
PATH = "/account"


def metadata(settings: Settings) -> dict[str, Any]:
    return {}


@router.get(PATH)
async def account(request: Request) -> Response:
    """The programs that were let in, or the sign-in page."""
    return await _page(request, server_of(request))


async def _page(request: Request, server: Server, *, revoked: str | None = None) -> Response:
    settings, now = server.settings, server.now()
    digest = browser.cookie(request, settings, "session")
    begin = Begin(request, server)

    def look(tx: Transaction) -> tuple[session.SignedIn | None, list[tuple[Family, Client | None]]]:
        signed_in = session.current(digest, tx, settings, now)
        families = tx.families.of(signed_in.user.subject) if signed_in else []
        return signed_in, [(f, tx.clients.get(f.client_id)) for f in families if f.expires_at > now]

    signed_in, let_in = await server.store.read(look)
    if signed_in is None:
        transaction = begin.passage("login", Form(()), None).sealed(server)
        return begin.remember(pages.sign_in(transaction=transaction, quick_people=settings.quick_people))
    return begin.remember(
        pages.account(
            person=signed_in.user.name or signed_in.user.username,
            transaction=begin.passage("account", Form(()), signed_in.session.digest).sealed(server),
            connections=[_connection(family, client, server) for family, client in let_in],
            access_seconds=settings.ISSUER_ACCESS_TOKEN_SECONDS,
            revoked=revoked,
        )
    )


def _connection(family: Family, client: Client | None, server: Server) -> pages.Connection:
    return pages.Connection(
        family_id=family.id,
        client_name=_name(family, client),
        client_host=urlsplit(family.client_id).hostname if client and client.origin == "document" else None,
        scopes=pages.scope_lines(family.scope, scope.known(server.settings.ISSUER_SCOPES)),
        resource=" ".join(family.resources),
        since=family.created_at,
        last_used=family.last_used_at,
    )


@router.post(PATH)
async def revoke(request: Request) -> Response:
    """End one connection of the person who is signed in: its refresh token at once, and any remembered consent."""
    server = server_of(request)
    settings, now = server.settings, server.now()
    browser.refuse_cross_site(request, settings)
    form = await read_posted(request)
    passage = resume(request, server, form.get("transaction"), "account")
    chosen = form.get("connection") or ""

    def work(tx: Transaction) -> str:
        signed_in = session.current(passage.session, tx, settings, now)
        family = tx.families.get(chosen)
        if signed_in is None or family is None or family.subject != signed_in.user.subject:
            raise start_again()
        tx.families.revoke(family.id, now)
        tx.consents.remove(family.subject, family.client_id)
        log.note(client_id=family.client_id, sub=family.subject)
        return _name(family, tx.clients.get(family.client_id))

    return await _page(request, server, revoked=await server.store.write(work))


def _name(family: Family, client: Client | None) -> str:
    return (client.name if client else None) or family.client_id
