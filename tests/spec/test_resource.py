"""The resource server: MCP authorization, RFC 6750, RFC 9068 §4, RFC 9110."""

from __future__ import annotations

import base64
import json
import re
import time
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm
from tests.requirements import requirement
from tests.spec.conftest import World
from tests.support.oauth import claims


def challenge(answer: httpx.Response) -> dict[str, str]:
    scheme, _, rest = answer.headers["www-authenticate"].partition(" ")
    assert scheme == "Bearer"
    return dict(re.findall(r'(\w+)="([^"]*)"', rest))


@requirement("mcp-server-discovery/challenge", "mcp-scope-selection/challenge", "rfc6750-3", "rfc6750-3.1")
def test_the_challenge(world: World) -> None:
    refused = world.mcp(None)
    assert refused.status_code == 401
    asked = challenge(refused)
    assert asked["resource_metadata"] == f"{world.pair.resource}/.well-known/oauth-protected-resource/mcp"
    assert asked["scope"] == "mcp:tools"
    assert "error" not in asked
    assert challenge(world.mcp("garbage"))["error"] == "invalid_token"


@requirement("mcp-error-handling/401")
def test_a_good_token_is_let_in_and_an_expired_one_is_not(world: World) -> None:
    assert world.mcp(world.tokens()["access_token"]).status_code == 200
    brief = world.pair.token(expires_in="1")
    deadline = time.time() + 40
    while world.mcp(brief).status_code == 200:
        assert time.time() < deadline, "the token outlived its expiry and all leeway"
        time.sleep(0.5)
    refused = world.mcp(brief)
    assert refused.status_code == 401
    assert challenge(refused)["error"] == "invalid_token"


def signing_key(world: World, token: str) -> rsa.RSAPrivateKey:
    """The key that signed this token, from the issuer's folder."""
    kid = jwt.get_unverified_header(token)["kid"]
    published = world.http.get("/.well-known/jwks.json").json()["keys"]
    modulus = next(key["n"] for key in published if key["kid"] == kid)
    for path in world.pair.keys.glob("*.pem"):
        key = serialization.load_pem_private_key(path.read_bytes(), None)
        assert isinstance(key, rsa.RSAPrivateKey)
        if RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)["n"] == modulus:
            return key
    raise AssertionError("the key is not there")


def signed(good: str, bend: dict[str, Any], key: rsa.RSAPrivateKey) -> str:
    """The token again, with some claims or its type changed; None takes a claim away."""
    body = {**claims(good), **{name: value for name, value in bend.items() if name not in ("typ", "key")}}
    body = {name: value for name, value in body.items() if value is not None}
    return jwt.encode(body, key, "RS256", {**jwt.get_unverified_header(good), "typ": bend.get("typ", "at+jwt")})


@requirement("rfc9068-4")
def test_a_token_signed_anew_by_the_issuers_key_is_good(world: World) -> None:
    """What the next test changes is all that is wrong with its tokens."""
    good = world.tokens()["access_token"]
    assert world.mcp(signed(good, {"jti": "another"}, signing_key(world, good))).status_code == 200


@requirement("mcp-token-handling/audience", "rfc9068-4")
@pytest.mark.parametrize(
    "bend",
    [
        {"aud": "https://else.example/mcp"},
        {"iss": "https://else.example"},
        {"exp": 1},
        {"exp": None},
        {"sub": None},
        {"jti": None},
        {"client_id": None},
        {"iat": 2**40},
        {"nbf": 2**40},
        {"typ": "JWT"},
        {"alg": "none"},
        {"signature": "A" * 342},
        {"key": "foreign"},
    ],
    ids=lambda bend: next(iter(bend)),
)
def test_a_token_that_differs_in_one_thing_is_refused(world: World, bend: dict[str, Any]) -> None:
    """Signed with the issuer's own key where that is possible: it is that one thing, and nothing else."""
    good = world.tokens()["access_token"]
    header, payload, _ = good.split(".")
    if "signature" in bend:
        token = f"{header}.{payload}.{bend['signature']}"
    elif bend.get("alg") == "none":
        unsigned = {**jwt.get_unverified_header(good), "alg": "none"}
        token = base64.urlsafe_b64encode(json.dumps(unsigned).encode()).decode().rstrip("=") + f".{payload}."
    else:
        foreign = rsa.generate_private_key(65537, 2048)
        token = signed(good, bend, foreign if "key" in bend else signing_key(world, good))
    refused = world.mcp(token)
    assert refused.status_code == 401
    assert challenge(refused)["error"] == "invalid_token"


@requirement("mcp-token-requirements/query")
def test_a_token_in_the_query_is_none(world: World) -> None:
    refused = world.mcp(None, params={"access_token": world.pair.token()})
    assert refused.status_code == 401
    assert "error" not in challenge(refused)


@requirement("mcp-transport-security/origin")
@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost.evil.example"])
def test_a_foreign_page_is_refused(world: World, origin: str) -> None:
    assert world.mcp(world.pair.token(), headers={"origin": origin}).status_code == 403


@requirement("rfc9110-7.4")
@pytest.mark.parametrize("service", ["issuer", "resource"])
def test_another_host_is_misdirected(world: World, service: str) -> None:
    origin = getattr(world.pair, service)
    answer = httpx.get(f"{origin}/.well-known/x", headers={"host": "evil.example"})
    assert answer.status_code == 421
    assert origin.removeprefix("http://") in answer.json()["error_description"]


@requirement("rfc9110-7.8")
def test_an_offered_upgrade_is_ignored_and_the_body_kept(world: World) -> None:
    """As Java's HTTP client offers with its first request."""
    offer = {"connection": "Upgrade, HTTP2-Settings", "upgrade": "h2c", "http2-settings": "AAMAAABkAAQBAAAAAAIAAAAA"}
    answer = httpx.post(f"{world.pair.issuer}/dev/token", data={"sub": "java"}, headers=offer)
    assert claims(answer.json()["access_token"])["sub"] == "java"
    assert world.mcp(world.pair.token(), headers=offer).status_code == 200
