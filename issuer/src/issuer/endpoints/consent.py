"""Consent: the person's yes, no, or part of it (OAuth 2.1 §4.1.1, §7.3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from starlette.responses import Response

from issuer import log
from issuer.errors import AccessDenied
from issuer.grants import authorization_code
from issuer.protocol.scope import MOST as MOST_SCOPES
from issuer.server import Server, server_of
from issuer.settings import Settings
from issuer.store import Transaction
from issuer.web import browser, known_client, pages
from issuer.web.form import Form
from issuer.web.interaction import Refused, code_for, look, proceed
from issuer.web.page_error import start_again
from issuer.web.page_request import read_posted, read_query
from issuer.web.passage import Passage, resume
from issuer.web.redirect import Redirect

router = APIRouter(include_in_schema=False)
PATH = "/consent"
_MOST_FIELDS = MOST_SCOPES + 10
"""The page has a box for each scope that was asked for."""
_SECONDS_TO_COPY = 300
"""Life of a code that a person carries to another machine by hand."""


def metadata(settings: Settings) -> dict[str, Any]:
    return {}


@router.get(PATH)
async def after_login(request: Request) -> Response:
    """Where a login leads: the request is taken up again by the person who has just signed in for it."""
    server = server_of(request)
    passage = resume(request, server, read_query(request).get("transaction"), "consent")
    return await proceed(request, server, passage.form(), fresh=passage.fresh)


@dataclass(frozen=True, slots=True)
class _Granted:
    redirect: Redirect
    code: str


@router.post(PATH)
async def consent(request: Request) -> Response:
    """The decision: `approve`, `deny`, `show` (approve, and show the callback URL) or `switch` (another person)."""
    server = server_of(request)
    browser.refuse_cross_site(request, server.settings)
    answer = await read_posted(request, repeatable={"scope"}, most=_MOST_FIELDS)
    passage = resume(request, server, answer.get("transaction"), "consent")
    decision = answer.get("decision")
    if decision == "switch":
        return _switch(server, passage)
    await known_client.for_authorization(request, server, passage.form())
    outcome = await server.transact(lambda tx: _decide(passage, answer, server, tx))
    if isinstance(outcome, Refused):
        return outcome.redirect.error(outcome.error)
    log.note(client_id=outcome.redirect.client.id, decision=decision)
    if decision == "show" and outcome.redirect.loopback:
        return pages.callback(
            url=outcome.redirect.url({"code": outcome.code}),
            client_name=outcome.redirect.client.name or outcome.redirect.client.id,
            seconds=_SECONDS_TO_COPY,
        )
    return outcome.redirect.code(outcome.code)


def _decide(passage: Passage, answer: Form, server: Server, tx: Transaction) -> _Granted | Refused:
    """Look again, use the passage up, and store the code: all or nothing, once."""
    settings, now = server.settings, server.now()
    situation = look(passage.form(), server, passage.session, now, tx)
    passage.spend(tx)
    if isinstance(situation, Refused):
        return situation
    if situation.signed_in is None:
        raise start_again()
    ticked = answer.all("scope")
    granted = tuple(token for token in situation.asked.scope if token in ticked)
    if answer.get("decision") not in ("approve", "show") or not granted:
        return Refused(situation.redirect, AccessDenied("the person said no"))
    client, user = situation.redirect.client, situation.signed_in.user
    if client.trusted:
        resources = " ".join(situation.asked.resources)
        tx.consents.add(user.subject, client.id, situation.redirect.uri, resources, granted, now)
    shown = answer.get("decision") == "show" and situation.redirect.loopback
    seconds = _SECONDS_TO_COPY if shown else settings.ISSUER_CODE_SECONDS
    code = code_for(situation, granted, situation.signed_in, now + seconds)
    return _Granted(situation.redirect, authorization_code.issue(code, tx))


def _switch(server: Server, passage: Passage) -> Response:
    """Start again, asking who it is; whoever comes is asked to consent if the client wanted that."""
    kept = [(name, value) for name, value in passage.request if name != "prompt"]
    asked = (passage.form().get("prompt") or "").split()
    prompt = "select_account consent" if "consent" in asked else "select_account"
    query = urlencode([*kept, ("prompt", prompt)])
    return browser.see_other(f"{server.settings.ISSUER}/authorize?{query}")
