"""How each issuer is spoken to: its paths, its clients, and how somebody signs in there."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import httpx

from bench import ours
from bench.servers import Running

REDIRECT_URI = "http://127.0.0.1:7777/callback"
SCOPE = "mcp:tools"
VERIFIER = "bench-verifier-bench-verifier-bench-verifier-0123"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
PEER_MACHINE = ("machine", ours.MACHINE[1])
REGISTRATION = {
    "redirect_uris": [REDIRECT_URI],
    "token_endpoint_auth_method": "none",
    "grant_types": ["authorization_code", "refresh_token"],
    "response_types": ["code"],
    "application_type": "native",
    "client_name": "bench",
}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Refused(Exception):
    """A server did not answer as its dialect says; the message has its answer."""


def _ours_client(server: Running, web: httpx.Client) -> str:
    return str(expect(web.post("/register", json=REGISTRATION), 201).json()["client_id"])


def _nobody(server: Running, web: httpx.Client) -> None:
    """No one signs in: consent is automatic."""


def _oidc_sign_in(server: Running, web: httpx.Client) -> None:
    """Once, as a person would; from then on the cookies are enough."""
    answer = expect(web.get(authorize_url(OIDC, "app")), 303)
    answer = expect(web.get(answer.headers["location"], params={"as": "alice"}), 303)
    answer = expect(web.get(answer.headers["location"]), 303)
    if "code=" not in answer.headers["location"]:
        raise Refused(f"{server.candidate.title} gave no code: {answer.headers['location']}")


@dataclass(frozen=True)
class Dialect:
    """Paths of an issuer, the machine that client_credentials is measured with, and the program that people use."""

    token: str = "/token"
    authorize: str = "/authorize"
    register: str = "/register"
    jwks: str = "/.well-known/jwks.json"
    metadata: str = "/.well-known/openid-configuration"
    machine: tuple[str, str] = PEER_MACHINE
    client: Callable[[Running, httpx.Client], str] = lambda server, web: "app"
    sign_in: Callable[[Running, httpx.Client], None] = _nobody


OURS = Dialect(machine=ours.MACHINE, client=_ours_client)
OIDC = Dialect(authorize="/auth", register="/reg", jwks="/jwks", sign_in=_oidc_sign_in)
PLAIN = Dialect()


def expect(answer: httpx.Response, status: int) -> httpx.Response:
    if answer.status_code != status:
        raise Refused(f"{answer.request.url}: {answer.status_code} {answer.text[:500]}")
    return answer


def basic(dialect: Dialect) -> dict[str, str]:
    pair = ":".join(quote(part) for part in dialect.machine)
    return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}


def machine_form() -> str:
    return urlencode({"grant_type": "client_credentials", "scope": SCOPE, "resource": ours.RESOURCE})


def authorize_url(dialect: Dialect, client_id: str) -> str:
    asked = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": REDIRECT_URI,
        "scope": f"{SCOPE} offline_access",
        "state": "bench",
        "resource": ours.RESOURCE,
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    }
    return f"{dialect.authorize}?{urlencode(asked)}"


def code_form(client_id: str) -> str:
    """A token request without its code, which is to be added at the end."""
    known = {"grant_type": "authorization_code", "client_id": client_id, "redirect_uri": REDIRECT_URI}
    return urlencode({**known, "code_verifier": VERIFIER, "resource": ours.RESOURCE}) + "&code="


@dataclass(frozen=True)
class Person:
    """A program that somebody uses, signed in: what its requests carry."""

    client_id: str
    cookies: str


def person(server: Running, dialect: Dialect) -> Person:
    with httpx.Client(base_url=server.origin) as web:
        client_id = dialect.client(server, web)
        dialect.sign_in(server, web)
        return Person(client_id, "; ".join(f"{name}={value}" for name, value in web.cookies.items()))


def tokens(server: Running, dialect: Dialect, person: Person) -> dict[str, str]:
    """The answer of the token endpoint at the end of one whole flow."""
    with httpx.Client(base_url=server.origin, headers={"Cookie": person.cookies} if person.cookies else {}) as web:
        answer = web.get(authorize_url(dialect, person.client_id))
        code = parse_qs(urlsplit(answer.headers.get("location", "")).query).get("code")
        if not code:
            raise Refused(f"{server.candidate.title} gave no code: {answer.status_code} {dict(answer.headers)}")
        form = code_form(person.client_id) + quote(code[0])
        found: dict[str, str] = expect(web.post(dialect.token, content=form, headers=FORM), 200).json()
        return found


def machine_token(web: httpx.Client, dialect: Dialect) -> str:
    """An access token of the machine."""
    answer = web.post(dialect.token, content=machine_form(), headers={**FORM, **basic(dialect)})
    return str(expect(answer, 200).json()["access_token"])


def as_json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))
