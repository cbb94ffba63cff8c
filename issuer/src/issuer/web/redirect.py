"""The answer to an authorization request, by redirect (OAuth 2.1 §4.1.2, RFC 9207, OAuth 2.0 Form Post Response Mode).

Only `verify` makes a `Redirect`, so a redirect exists only where client and redirect URI have been verified; before
that, whatever is wrong is shown to the person and nobody is redirected.
"""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import Response

from issuer import log
from issuer.errors import OAuthError
from issuer.model import Client
from issuer.protocol import authorization, redirect_uri
from issuer.settings import Settings
from issuer.store import Transaction
from issuer.web import browser, pages
from issuer.web.form import Form
from issuer.web.page_error import PageError


@dataclass(frozen=True, slots=True)
class Redirect:
    """Where the answer goes. `state` goes back untouched."""

    client: Client
    uri: str
    issuer: str
    state: str | None
    mode: authorization.ResponseMode

    @property
    def loopback(self) -> bool:
        return redirect_uri.is_loopback(self.uri)

    def code(self, code: str) -> Response:
        return self._send({"code": code})

    def error(self, error: OAuthError) -> Response:
        log.note(error=error.code, detail=error.detail or error.description)
        return self._send(error.body())

    def url(self, answer: dict[str, str]) -> str:
        return redirect_uri.with_query(self.uri, self._complete(answer))

    def _complete(self, answer: dict[str, str]) -> dict[str, str]:
        return {**answer, **({"state": self.state} if self.state is not None else {}), "iss": self.issuer}

    def _send(self, answer: dict[str, str]) -> Response:
        if self.mode == "form_post":
            return pages.form_post(action=self.uri, fields=list(self._complete(answer).items()))
        return browser.see_other(self.url(answer))


def verify(form: Form, settings: Settings, tx: Transaction) -> Redirect:
    """Client and redirect URI of an authorization request, or a page that helps."""
    sent = [(name, value) for name, value in form.items() if name in ("client_id", "redirect_uri")]
    client_id, asked = form.get("client_id"), form.get("redirect_uri")
    if {"client_id", "redirect_uri"} & form.repeated:
        raise PageError(
            400,
            "The request cannot be read",
            "The request names the program or its address twice.",
            "Go back to the program that sent you here and connect again.",
            _details(sent, settings),
        )
    if not client_id:
        raise PageError(
            400,
            "The request names no program",
            "The request does not say which program sent you here.",
            "This address is for programs: begin in the one that you want to connect.",
        )
    client = tx.clients.get(client_id)
    if client is None:
        raise PageError(
            400,
            "This program is not known here",
            "The program that sent you here uses a client_id that this server does not have.",
            "Remove the stored sign-in in that program and connect again: it will register anew.",
            _details(sent, settings),
        )
    asked = asked or redirect_uri.only(client.redirect_uris)
    if asked is None or not redirect_uri.registered(asked, client.redirect_uris):
        explain = (
            "The address to return to is not registered for this program."
            if asked
            else "The request does not say where to return to, and this program has no single address for that."
        )
        registered = [("registered", uri) for uri in client.redirect_uris]
        raise _unusable(explain, [*sent, *registered], settings)
    state = form.get("state")
    mode: authorization.ResponseMode = "form_post" if form.get("response_mode") == "form_post" else "query"
    # A state that was sent twice has no right value.
    return Redirect(client, asked, settings.ISSUER, None if "state" in form.repeated else state, mode)


def _unusable(explain: str, sent: list[tuple[str, str]], settings: Settings) -> PageError:
    return PageError(
        400,
        "The program asked to return to an unknown address",
        explain,
        "Register exactly the redirect_uri that the program sends, or connect again so that it registers anew.",
        _details(sent, settings),
    )


def _details(sent: list[tuple[str, str]], settings: Settings) -> list[tuple[str, str]]:
    return [(name, value[:200]) for name, value in sent] if settings.development else []
