"""The walk of an authorization request: verify, read, decide, and show or do what was decided.

`/authorize` begins it and `/consent` takes it up again after a login; both come through `proceed`, and everything
is checked anew each time, as clients, people and sign-ins may have changed since the last page.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from fastapi import Request
from starlette.responses import Response

from issuer import log
from issuer.errors import LoginRequired, OAuthError, UnauthorizedClient
from issuer.grants import authorization_code
from issuer.model import Code, Scope
from issuer.protocol import authorization, redirect_uri, scope
from issuer.protocol.authorization import AuthorizationRequest, IssueCode, ShowConsent, ShowLogin
from issuer.server import Server
from issuer.settings import Settings
from issuer.store import Transaction
from issuer.web import browser, known_client, pages, session
from issuer.web.form import Form
from issuer.web.page_error import PageError
from issuer.web.passage import Begin
from issuer.web.redirect import Redirect, verify
from issuer.web.session import SignedIn


@dataclass(frozen=True, slots=True)
class Situation:
    """A verified request with who is signed in; `remembered` that they agreed to it before."""

    redirect: Redirect
    asked: AuthorizationRequest
    signed_in: SignedIn | None
    remembered: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """A request that goes back to its client with an error."""

    redirect: Redirect
    error: OAuthError


def look(form: Form, server: Server, session_digest: str | None, now: int, tx: Transaction) -> Situation | Refused:
    """Verify the request and see who is here. Raises PageError where there is nowhere to redirect to."""
    settings = server.settings
    redirect = verify(form, settings, tx)
    client = redirect.client

    def hinted(hint: str) -> str | None:
        claims = server.mint.hinted(hint, client.id, now)
        return claims["sub"] if claims else None

    try:
        if authorization_code.GRANT_TYPE not in client.grant_types:
            raise UnauthorizedClient("the client is not registered for the authorization code flow")
        asked = authorization.read(form, rules(settings), hinted)
    except OAuthError as error:
        return Refused(redirect, error)
    signed_in = session.current(session_digest, tx, settings, now)
    remembered = (
        signed_in is not None
        and client.trusted
        and tx.consents.covers(signed_in.user.subject, client.id, redirect.uri, " ".join(asked.resources), asked.scope)
    )
    return Situation(redirect, asked, signed_in, remembered)


def rules(settings: Settings) -> authorization.Rules:
    return authorization.Rules(
        scopes=scope.known(settings.ISSUER_SCOPES),
        default_scope=settings.default_scope,
        any_scope=settings.development,
        resources=settings.resources,
    )


async def proceed(request: Request, server: Server, form: Form, *, fresh: bool) -> Response:
    """One step of the walk. `fresh` says that the person has just signed in for this very request."""
    settings, now = server.settings, server.now()
    digest = browser.cookie(request, settings, "session")
    await known_client.for_authorization(request, server, form)
    situation = await server.store.read(lambda tx: look(form, server, digest, now, tx))
    log.note(client_id=situation.redirect.client.id)
    if isinstance(situation, Refused):
        return situation.redirect.error(situation.error)
    if dropped := scope.dropped(scope.parse(form.get("scope")), situation.asked.scope):
        # The client's text, but tokens of printable ASCII; the log cuts and escapes what it holds.
        log.note(scope_dropped=scope.join(dropped))
    if settings.ISSUER_AUTO_APPROVE and situation.redirect.loopback and _no_page_asks(request):
        return await _approve_unseen(server, situation)
    signed_in = situation.signed_in
    if signed_in is not None and session.worth_noting(signed_in, now):
        await server.store.write(lambda tx: tx.sessions.seen(signed_in.session.digest, now))

    def decide(situation: Situation) -> authorization.Decision:
        return authorization.decide(
            situation.asked,
            subject=situation.signed_in.user.subject if situation.signed_in else None,
            auth_time=situation.signed_in.session.auth_time if situation.signed_in else None,
            signed_in_for_this=fresh,
            consented=situation.remembered and browser.came_by_itself(request),
            now=now,
        )

    try:
        decision = decide(situation)
    except OAuthError as error:
        return situation.redirect.error(error)
    begin = Begin(request, server)
    match decision:
        case ShowLogin():
            return begin.remember(_sign_in(server, begin, form, situation))
        case ShowConsent():
            assert signed_in is not None
            sealed = begin.passage("consent", form, signed_in.session.digest, fresh=fresh).sealed(server)
            return begin.remember(consent_page(settings, situation, signed_in, sealed))
        case IssueCode():
            expires_at = now + settings.ISSUER_CODE_SECONDS
            issued = await server.store.write(
                lambda tx: _issue(look(form, server, digest, now, tx), decide, expires_at, tx)
            )
            if issued is None:
                return await proceed(request, server, form, fresh=fresh)
            return situation.redirect.code(issued)


def _issue(
    situation: Situation | Refused,
    decide: Callable[[Situation], authorization.Decision],
    expires_at: int,
    tx: Transaction,
) -> str | None:
    """A code, if that is still what comes next: person, client or consent may have gone since it was decided."""
    try:
        if isinstance(situation, Refused) or not isinstance(decide(situation), IssueCode):
            return None
    except OAuthError:
        return None
    assert situation.signed_in is not None
    return authorization_code.issue(code_for(situation, situation.asked.scope, situation.signed_in, expires_at), tx)


def _sign_in(server: Server, begin: Begin, form: Form, situation: Situation) -> Response:
    return pages.sign_in(
        transaction=begin.passage("login", form, None).sealed(server),
        client_name=situation.redirect.client.name,
        login_hint=situation.asked.login_hint,
        quick_people=server.settings.quick_people,
    )


def consent_page(settings: Settings, situation: Situation, signed_in: SignedIn, sealed: str) -> Response:
    """The question to the person, with everything that tells one program from another."""
    client, redirect = situation.redirect.client, situation.redirect
    return pages.consent(
        transaction=sealed,
        client_name=client.name or client.id,
        client_id_host=urlsplit(client.id).hostname if client.origin == "document" else None,
        verified=client.origin == "operator",
        redirect_host=redirect_uri.host(redirect.uri),
        redirect_is_loopback=redirect.loopback,
        scopes=pages.scope_lines(situation.asked.scope, scope.known(settings.ISSUER_SCOPES)),
        resource=" ".join(situation.asked.resources),
        person=signed_in.user.name or signed_in.user.username,
        can_show_callback=redirect.loopback and redirect.mode == "query",
    )


def code_for(situation: Situation, granted: Scope, signed_in: SignedIn, expires_at: int) -> Code:
    """The code for what the person granted, its secret not invented yet."""
    return Code(
        digest="",
        client_id=situation.redirect.client.id,
        redirect_uri=situation.redirect.uri,
        code_challenge=situation.asked.code_challenge,
        subject=signed_in.user.subject,
        scope=granted,
        resources=situation.asked.resources,
        auth_time=signed_in.session.auth_time,
        expires_at=expires_at,
        nonce=situation.asked.nonce,
        sid=signed_in.session.sid,
    )


def _no_page_asks(request: Request) -> bool:
    """The request comes from a program or was typed, not from a web page."""
    return request.headers.get("sec-fetch-site", "none") == "none"


async def _approve_unseen(server: Server, situation: Situation) -> Response:
    """ISSUER_AUTO_APPROVE: that person signs in and agrees, without a page and without a session."""
    settings, now = server.settings, server.now()
    name = settings.ISSUER_AUTO_APPROVE or ""

    def work(tx: Transaction) -> str | None:
        user = tx.users.named(name)
        if user is None or user.disabled:
            return None
        if situation.asked.subject not in (None, user.subject):
            raise LoginRequired("another person is signed in automatically than the one of id_token_hint")
        _, unseen = session.make(user, settings, now)
        expires_at = now + settings.ISSUER_CODE_SECONDS
        code = code_for(situation, situation.asked.scope, SignedIn(user, unseen), expires_at)
        return authorization_code.issue(code, tx)

    try:
        code = await server.store.write(work)
    except LoginRequired as error:
        return situation.redirect.error(error)
    if code is None:
        raise PageError(
            400,
            "Nobody can be signed in automatically",
            "ISSUER_AUTO_APPROVE names a person who is not here.",
            "Set it to alice or bob, or add the person with mcp-issuer user add.",
        )
    return situation.redirect.code(code)
