"""Signing in: `POST /login`, the one place where a password is tried."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from starlette.responses import Response

from issuer import log, people
from issuer.model import User
from issuer.server import Server, server_of
from issuer.settings import Settings
from issuer.store import Transaction
from issuer.web import browser, pages, session
from issuer.web.address import address_of
from issuer.web.form import Form
from issuer.web.page_request import read_posted
from issuer.web.passage import Begin, Passage, resume

router = APIRouter(include_in_schema=False)
PATH = "/login"
_MOST_FAILURES = 5
_WINDOW = 300
_HASHING = asyncio.Semaphore(2)
"""Each check of a password takes 64 MiB and a thread: a flood of them waits here, not in memory."""


@dataclass(frozen=True, slots=True)
class _Proven:
    """Whom the form proved, as they were when it was tried; `failures` counts those that are now forgiven."""

    user: User
    failures: str | None = None
    rehash: str | None = None


def metadata(settings: Settings) -> dict[str, Any]:
    return {}


@router.post(PATH)
async def login(request: Request) -> Response:
    """Try a username and password, or a development person, and go on with what the person came for."""
    server = server_of(request)
    browser.refuse_cross_site(request, server.settings)
    form = await read_posted(request)
    passage = resume(request, server, form.get("transaction"), "login")
    person = form.get("person")
    if person is not None and person in server.settings.quick_people:
        user = await server.store.read(lambda tx: tx.users.named(person))
        proven = _Proven(user) if user else None
    else:
        answer = await _try_password(request, server, form, passage)
        if isinstance(answer, Response):
            return answer
        proven = answer
    response = await _go_on(request, server, passage, proven) if proven else None
    if response is None:
        log.note(error="login_failed")
        return await _again(server, passage, form, failed=True)
    return response


async def _try_password(request: Request, server: Server, form: Form, passage: Passage) -> _Proven | Response | None:
    """The person, or the page again. Whether the name is known makes no difference in answer or time."""
    now = server.now()
    username = _username(form)
    key = f"login:{username}:{address_of(request)}"

    def attempt(tx: Transaction) -> tuple[User | None, int]:
        # Counted before it is tried, or many at once would all get through.
        failures, ends_at = tx.limits.count(key, now)
        if failures >= _MOST_FAILURES:
            return None, ends_at
        tx.limits.hit(key, _WINDOW, now)
        return tx.users.named(username) if username else None, 0

    user, wait_until = await server.store.write(attempt)
    if wait_until:
        log.note(error="too_many_failures")
        return await _again(server, passage, form, retry_after=max(1, wait_until - now))
    async with _HASHING:
        checked = await asyncio.to_thread(people.check_password, user, form.get("password") or "")
    if not checked.ok or user is None:
        return None
    return _Proven(user, failures=key, rehash=checked.rehash)


def _username(form: Form) -> str:
    """The name as it is looked up; what cannot be one finds nobody, after the same work."""
    try:
        return people.normal_username(form.get("username") or "")
    except people.PersonError:
        return ""


async def _again(
    server: Server, passage: Passage, form: Form, *, failed: bool = False, retry_after: int | None = None
) -> Response:
    """The page as it was, and what went wrong: it still names the program that asked."""
    client_id = passage.form().get("client_id")
    client = await server.store.read(lambda tx: tx.clients.get(client_id)) if client_id else None
    return pages.sign_in(
        transaction=passage.sealed(server),
        client_name=client.name if client else None,
        login_hint=(form.get("username") or "")[:64] or None,
        quick_people=server.settings.quick_people,
        failed=failed,
        retry_after=retry_after,
    )


async def _go_on(request: Request, server: Server, passage: Passage, proven: _Proven) -> Response | None:
    """A new session, never the old one under a new name, and on to consent or to the account page.

    None when the person was removed or disabled, or their password changed, since the form was tried: a password
    waits its turn to be checked, and an old one must not sign anybody in after that.
    """
    settings, user = server.settings, proven.user
    old = browser.cookie(request, settings, "session")

    def work(tx: Transaction) -> tuple[str, str] | None:
        current = tx.users.get(user.subject)
        if current is None or current.disabled or current.password_hash != user.password_hash:
            return None
        passage.spend(tx)
        if proven.failures:
            tx.limits.clear(proven.failures)
        if proven.rehash:
            tx.users.put(replace(current, password_hash=proven.rehash))
        value, made = session.make(user, settings, server.now())
        if old:
            tx.sessions.remove(old)
        tx.sessions.add(made)
        return value, made.digest

    signed_in = await server.store.write(work)
    if signed_in is None:
        return None
    value, digest = signed_in
    log.note(sub=user.subject)
    onward = f"{settings.ISSUER}/account"
    if passage.request:
        following = Begin(request, server).passage("consent", passage.form(), digest, fresh=True)
        onward = f"{settings.ISSUER}/consent?{urlencode({'transaction': following.sealed(server)})}"
    response = browser.see_other(onward)
    session.set_cookie(response, settings, value)
    return response
