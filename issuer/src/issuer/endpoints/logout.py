"""Signing out: RP-initiated logout (OpenID Connect RP-Initiated Logout 1.0 §2, §3). The person is always asked."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from issuer.protocol import redirect_uri
from issuer.server import Server, server_of
from issuer.settings import Settings
from issuer.store import Transaction
from issuer.web import browser, pages, session
from issuer.web.form import Form
from issuer.web.page_request import again_by_get, read_posted, read_query
from issuer.web.passage import Begin, resume

router = APIRouter(include_in_schema=False)
PATH = "/logout"


def metadata(settings: Settings) -> dict[str, Any]:
    return {"end_session_endpoint": settings.ISSUER + PATH}


@router.get(PATH)
async def ask(request: Request) -> Response:
    """The question whether to sign out; another site that merely loads this address ends nothing."""
    server, form = server_of(request), read_query(request)
    settings, now = server.settings, server.now()
    digest = browser.cookie(request, settings, "session")
    signed_in = await server.store.read(lambda tx: session.current(digest, tx, settings, now))
    if signed_in is None:
        name, return_to = await server.store.read(lambda tx: _return_to(form, server, tx))
        return pages.signed_out(client_name=name, return_to=return_to)
    begin = Begin(request, server)
    sealed = begin.passage("logout", form, signed_in.session.digest).sealed(server)
    person = signed_in.user.name or signed_in.user.username
    return begin.remember(pages.confirm_sign_out(transaction=sealed, person=person))


@router.post(PATH)
async def answer(request: Request) -> Response:
    """The person's answer; a client's request, which may be posted too, starts again as GET."""
    server, form = server_of(request), await read_posted(request)
    settings = server.settings
    if form.get("transaction") is None:
        return again_by_get(form, PATH, settings)
    browser.refuse_cross_site(request, settings)
    passage = resume(request, server, form.get("transaction"), "logout", "account")

    def work(tx: Transaction) -> tuple[str | None, str | None]:
        passage.spend(tx)
        if passage.session:
            tx.sessions.remove(passage.session)
        return _return_to(passage.form(), server, tx)

    name, return_to = await server.store.write(work)
    response = pages.signed_out(client_name=name, return_to=return_to)
    session.clear_cookie(response, settings)
    return response


def _return_to(form: Form, server: Server, tx: Transaction) -> tuple[str | None, str | None]:
    """The client that asked, proven by an ID token of ours, and where the person may go on to: a link, no redirect."""
    asked = form.get("post_logout_redirect_uri")
    claims = server.mint.hinted(form.get("id_token_hint"), form.get("client_id"), server.now())
    if claims is None:
        return None, None
    client = tx.clients.get(str(claims.get("aud")))
    if client is None:
        return None, None
    registered = tuple(client.metadata.get("post_logout_redirect_uris", ()))
    if asked is None or not redirect_uri.registered(asked, registered):
        return client.name, None
    state = form.get("state")
    return client.name, redirect_uri.with_query(asked, {"state": state}) if state else asked
