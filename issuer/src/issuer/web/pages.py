"""The pages people see, one function each: plain values in, a response out; no request, no database, no clock.

Forms post to `login`, `consent`, `logout` and `account` relative to the page, so that an issuer that has a path needs
no further setting: show a page only at an address directly below the issuer, never deeper. Every form carries
the hidden field `transaction`. Names of clients are cut and cleaned here; hosts and addresses are shown whole, since
what is cut from them is what deceives.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from starlette.responses import HTMLResponse

from issuer.model import Scope
from issuer.web.render import page


@dataclass(frozen=True, slots=True)
class ScopeLine:
    """A scope, and what it allows in words."""

    name: str
    sentence: str


def scope_lines(scope: Scope, sentences: Mapping[str, str]) -> list[ScopeLine]:
    """A scope without a sentence stands for itself."""
    return [ScopeLine(name, sentences.get(name, name)) for name in scope]


@dataclass(frozen=True, slots=True)
class Connection:
    """What a person granted to one client; `since` and `last_used` are seconds since 1970."""

    family_id: str
    client_name: str
    client_host: str | None
    scopes: Sequence[ScopeLine]
    resource: str
    since: int
    last_used: int


def sign_in(
    *,
    transaction: str,
    client_name: str | None = None,
    login_hint: str | None = None,
    quick_people: Sequence[str] = (),
    failed: bool = False,
    retry_after: int | None = None,
) -> HTMLResponse:
    """Posts `username` and `password`, or `person` for one of `quick_people` (development), to `login`.

    403 after a failure, so that a password manager does not keep what was wrong; 429 when there were too many.
    """
    response = page(
        "sign_in",
        status=429 if retry_after else 403 if failed else 200,
        transaction=transaction,
        client_name=client_name,
        login_hint=login_hint,
        quick_people=quick_people,
        failed=failed,
        retry_after=retry_after,
    )
    if retry_after:
        response.headers["Retry-After"] = str(retry_after)
    return response


def consent(
    *,
    transaction: str,
    client_name: str,
    client_id_host: str | None,
    verified: bool,
    redirect_host: str,
    redirect_is_loopback: bool,
    scopes: Sequence[ScopeLine],
    resource: str,
    person: str,
    can_show_callback: bool,
) -> HTMLResponse:
    """Posts `decision` (approve, deny, show, switch) and one `scope` for each that stays ticked to `consent`.

    `client_id_host` is the host of a client metadata document's URL, None for other clients; `verified` says that the
    operator registered the client; `redirect_host` is host:port exactly as the redirect URI has them.
    """
    return page(
        "consent",
        transaction=transaction,
        client_name=client_name,
        client_id_host=client_id_host,
        verified=verified,
        redirect_host=redirect_host,
        redirect_is_loopback=redirect_is_loopback,
        scopes=scopes,
        resource=resource,
        person=person,
        can_show_callback=can_show_callback,
    )


def callback(*, url: str, client_name: str, seconds: int) -> HTMLResponse:
    """The redirect as text to copy, for a program on another machine; `seconds` is the life of the code in it."""
    return page("callback", url=url, client_name=client_name, seconds=seconds)


def form_post(*, action: str, fields: Sequence[tuple[str, str]]) -> HTMLResponse:
    """OAuth 2.0 Form Post Response Mode §2: posts `fields` to `action` by itself, by a button without JavaScript."""
    return page("form_post", submits_itself=True, action=action, fields=fields)


def error(
    *,
    status: int,
    title: str,
    explain: str,
    fix: str,
    details: Sequence[tuple[str, str]] = (),
    request_id: str | None = None,
) -> HTMLResponse:
    """What went wrong and the way out. `details` may repeat what was sent: in development only, cut by the caller."""
    return page("error", status=status, title=title, explain=explain, fix=fix, details=details, request_id=request_id)


def signed_out(*, client_name: str | None = None, return_to: str | None = None) -> HTMLResponse:
    """`return_to` is a registered post_logout_redirect_uri that nobody needs to be redirected to unasked."""
    return page("signed_out", client_name=client_name, return_to=return_to)


def confirm_sign_out(*, transaction: str, person: str) -> HTMLResponse:
    """Posts to `logout` (OpenID Connect RP-Initiated Logout §2: ask when it is not certain who asks)."""
    return page("confirm_sign_out", transaction=transaction, person=person)


def account(
    *,
    person: str,
    transaction: str,
    connections: Sequence[Connection],
    access_seconds: int,
    revoked: str | None = None,
) -> HTMLResponse:
    """Posts `connection`, the one to revoke, to `account`, and to `logout`; `revoked` names whose access just ended."""
    return page(
        "account",
        person=person,
        transaction=transaction,
        connections=connections,
        access_seconds=access_seconds,
        revoked=revoked,
    )
