"""An OAuth client that says exactly what it is told to: registration, authorization, redemption, over httpx."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import secrets
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from tests.support import overheard

REDIRECT_URI = "http://127.0.0.1/callback"


def challenge_of(verifier: str) -> str:
    """The S256 challenge (RFC 7636 §4.2)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def claims(token: str) -> dict[str, Any]:
    """The payload of a JWT, unverified."""
    payload = token.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return found


def answer_of(response: httpx.Response) -> dict[str, str]:
    """The parameters of a redirect back to the client; each must be there once."""
    assert response.status_code == 303, response.text[:500]
    location = urlsplit(response.headers["location"])
    assert not location.fragment
    values = parse_qs(location.query, keep_blank_values=True, strict_parsing=True)
    assert all(len(value) == 1 for value in values.values()), values
    return {name: value[0] for name, value in values.items()}


@dataclass
class Client:
    """A registered client; `http` talks to the issuer. Every request can be bent by keyword: None leaves it out."""

    http: httpx.Client
    id: str
    redirect_uri: str = REDIRECT_URI
    secret: str | None = None
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48))

    @classmethod
    def register(cls, http: httpx.Client, **metadata: Any) -> Client:
        """A new public client by dynamic registration."""
        document = {
            "client_name": "Test client",
            "redirect_uris": [REDIRECT_URI],
            "token_endpoint_auth_method": "none",
            "grant_types": ["authorization_code", "refresh_token"],
            **metadata,
        }
        answer = http.post("/register", json=document)
        assert answer.status_code == 201, answer.text
        made = answer.json()
        return cls(http, made["client_id"], made["redirect_uris"][0], made.get("client_secret"))

    def parameters(self, **changes: Any) -> dict[str, Any]:
        """The parameters of a good authorization request, bent."""
        good = {
            "response_type": "code",
            "client_id": self.id,
            "redirect_uri": self.redirect_uri,
            "state": "the-state",
            "code_challenge": challenge_of(self.verifier),
            "code_challenge_method": "S256",
        }
        return {name: value for name, value in {**good, **changes}.items() if value is not None}

    def authorize(self, **changes: Any) -> httpx.Response:
        return self.http.get("/authorize", params=self.parameters(**changes), follow_redirects=False)

    def code(self, **changes: Any) -> str:
        """A fresh code; the issuer approves by itself (ISSUER_AUTO_APPROVE)."""
        return answer_of(self.authorize(**changes))["code"]

    def form(self, **changes: Any) -> dict[str, Any]:
        """The form of a token request with this client's authentication, bent."""
        good = {"client_id": self.id, "client_secret": self.secret}
        return {name: value for name, value in {**good, **changes}.items() if value is not None}

    def redemption(self, code: str, /, **changes: Any) -> dict[str, Any]:
        """The form that redeems a code, bent."""
        good = {"grant_type": "authorization_code", "code": code, "redirect_uri": self.redirect_uri}
        return self.form(**{**good, "code_verifier": self.verifier, **changes})

    def redeem(self, code: str, /, **changes: Any) -> httpx.Response:
        return self.http.post("/token", data=self.redemption(code, **changes))

    def refresh(self, token: str, /, **changes: Any) -> httpx.Response:
        return self.http.post("/token", data=self.form(grant_type="refresh_token", refresh_token=token, **changes))

    def tokens(self, **changes: Any) -> dict[str, Any]:
        """A whole grant: the token response."""
        answer = self.redeem(self.code(**changes))
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


@dataclass(frozen=True)
class Form:
    """The form of a page: where it posts to, its hidden fields."""

    action: str
    fields: dict[str, str]


def form_of(page: httpx.Response) -> Form:
    """The first form of a page."""
    text = page.text
    action = re.search(r'<form[^>]*action="([^"]*)"', text)
    assert action, text[:500]
    hidden = re.findall(r'<input[^>]*type="hidden"[^>]*>', text)
    fields = {}
    for tag in hidden:
        name, value = (re.search(rf'{key}="([^"]*)"', tag) for key in ("name", "value"))
        assert name
        fields[html.unescape(name[1])] = html.unescape(value[1]) if value else ""
    return Form(html.unescape(action[1]), fields)


@dataclass
class Person:
    """A person with a browser: cookies of their own, and the headers a browser sends."""

    origin: str
    name: str = "alice"
    http: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        # A browser that follows a link from another site; the issuer never approves that by itself.
        hooks = {"response": [overheard.listen]}
        headers = {"sec-fetch-site": "cross-site"}
        self.http = httpx.Client(base_url=self.origin, headers=headers, timeout=30, event_hooks=hooks)

    def open(self, client: Client, **changes: Any) -> httpx.Response:
        """Follow a client's link to /authorize."""
        return self.http.get("/authorize", params=client.parameters(**changes))

    def post(self, form: Form, **fields: Any) -> httpx.Response:
        """Submit a form of the issuer's own pages."""
        own = {"sec-fetch-site": "same-origin", "origin": self.origin}
        return self.http.post(form.action, data={**form.fields, **fields}, headers=own)

    def sign_in(self, page: httpx.Response) -> httpx.Response:
        """One click on the development person; returns the consent page."""
        moved = self.post(form_of(page), person=self.name)
        assert moved.status_code == 303, moved.text[:500]
        return self.http.get(moved.headers["location"], headers={"sec-fetch-site": "same-origin"})

    def consent_page(self, client: Client, **changes: Any) -> httpx.Response:
        """Sign in when asked to, and arrive at the question."""
        page = self.open(client, **changes)
        if "transaction" in page.text and 'name="person"' in page.text:
            page = self.sign_in(page)
        return page

    def approve(self, page: httpx.Response, **fields: Any) -> httpx.Response:
        scopes = re.findall(r'name="scope"[^>]*value="([^"]*)"', page.text)
        return self.post(form_of(page), **{"decision": "approve", "scope": scopes, **fields})
