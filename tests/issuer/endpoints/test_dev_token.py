"""Development tokens: marked, for programs on this machine. Their bounds, and who gets none: hostile/test_dev.py."""

from __future__ import annotations

import warnings
from typing import Any

import httpx
import pytest
from tests.issuer.started import Issuer
from tests.support.oauth import claims

MCP = "http://127.0.0.1:8000/mcp"


def ask(issuer: Issuer, **form: str) -> dict[str, Any]:
    answer = issuer.http.post("/dev/token", data=form)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    found: dict[str, Any] = answer.json()
    return found


def test_without_any_parameter_there_is_a_token_for_the_default(issuer: Issuer):
    response = ask(issuer)
    assert {name: response[name] for name in ("token_type", "expires_in", "scope")} == {
        "token_type": "Bearer",
        "expires_in": 900,
        "scope": "mcp:tools",
    }
    found = claims(response["access_token"])
    assert found.pop("jti").startswith("dev.")
    assert found == {
        "iss": issuer.origin,
        "sub": "dev",
        "aud": MCP,
        "client_id": "dev",
        "scope": "mcp:tools",
        "iat": issuer.clock.now,
        "exp": issuer.clock.now + 900,
        "dev": True,
    }


def test_every_parameter(issuer: Issuer):
    asked = {"sub": "\u00e1lice", "scope": "x:y notes:read", "resource": MCP, "expires_in": "3600", "client_id": "c"}
    found = claims(ask(issuer, **asked)["access_token"])
    assert {name: found[name] for name in ("sub", "scope", "aud", "client_id", "dev")} == {
        "sub": "\u00e1lice",
        "scope": "x:y notes:read",
        "aud": MCP,
        "client_id": "c",
        "dev": True,
    }
    assert found["exp"] - found["iat"] == 3600


def test_a_query_will_do(issuer: Issuer):
    answer = issuer.http.get("/dev/token", params={"sub": "bob", "expires_in": "1"})
    assert claims(answer.json()["access_token"])["sub"] == "bob"
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("empty", [{}, {"content": b""}, {"headers": {"content-type": "text/plain"}}])
def test_an_empty_post_of_any_kind_is_a_request_for_the_default(issuer: Issuer, empty: dict[str, Any]):
    assert issuer.http.post("/dev/token", **empty).status_code == 200


@pytest.mark.parametrize("headers", [{"Origin": "https://page.test"}, {"Sec-Fetch-Site": "cross-site"}, {"Via": "x"}])
def test_strangers_are_refused_before_anything_is_read(issuer: Issuer, headers: dict[str, str]):
    """A page can send a text, and learns from a different refusal that there is something to talk to."""
    text = {**headers, "Content-Type": "text/plain"}
    for answer in (
        issuer.http.post("/dev/token", content=b"sub=alice", headers=text),
        issuer.http.post("/dev/token", data={"sub": "x" * 100_000}, headers=headers),
        issuer.http.get("/dev/token?sub=%zz", headers=headers),
        issuer.http.get("/dev/token?sub=a&sub=b", headers=headers),
    ):
        assert (answer.status_code, answer.json()["error"]) == (403, "access_denied")


def test_a_page_of_its_own_may_ask(issuer: Issuer):
    """The documentation at /docs tries it out."""
    headers = {"Origin": issuer.origin, "Sec-Fetch-Site": "same-origin"}
    assert issuer.http.post("/dev/token", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "path", ["/dev/token", "/docs", "/redoc", "/openapi.json", "/metrics", "/docs/oauth2-redirect", "/dev/"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "OPTIONS"])
def test_nothing_of_development_is_there_in_production(public: Issuer, path: str, method: str):
    answer = public.http.request(method, path)
    assert answer.status_code == 404
    assert answer.headers["cache-control"] == "no-store"


def test_in_development_there_is_documentation_without_strangers(issuer: Issuer):
    page = issuer.http.get("/docs")
    assert page.status_code == 200
    assert "https://" not in page.text
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # the schema is made when it is first asked for, in this process
        document = issuer.http.get("/openapi.json").json()
    paths = {"/token", "/register", "/revoke", "/introspect", "/userinfo", "/authorize", "/dev/token"}
    assert paths <= set(document["paths"])


def test_the_two_ways_to_ask_whether_it_lives(issuer: Issuer):
    for path in ("/healthz", "/readyz"):
        answer = issuer.http.get(path, headers={"Host": "10.0.0.7:9000"})
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize("host", ["evil.test", "127.0.0.1", "127.0.0.1.evil.test", "localhost"])
def test_another_host_is_not_answered(issuer: Issuer, host: str):
    answer = httpx.get(f"{issuer.origin}/.well-known/jwks.json", headers={"Host": host})
    assert (answer.status_code, answer.json()["error"]) == (421, "invalid_request")
