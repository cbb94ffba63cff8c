"""Rows INT: introspection, revocation and UserInfo, asked by the wrong client or about what is no token."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.hostile.forge import GONE, Forger, b64
from tests.hostile.rows import row
from tests.hostile.target import Target
from tests.hostile.test_net import HELD
from tests.support.oauth import Client, claims

DEAD = {"active": False}
HINTS = [None, "access_token", "refresh_token", "id_token", "x", "urn:x"]


@pytest.fixture
def mine(issuer: Target) -> Client:
    """A client that can ask about its own tokens."""
    return Client.register(issuer.client, token_endpoint_auth_method="client_secret_post")


def asked(issuer: Target, asker: Client, token: str, **more: str) -> dict[str, Any]:
    """What introspection says to this client."""
    form = asker.form(token=token, **more)
    answer = issuer.send("POST", "/introspect", expect=200, data=form)
    assert answer.headers["cache-control"] == "no-store"
    found: dict[str, Any] = answer.json()
    return found


def revoke(issuer: Target, client: Client, token: str, **more: str) -> None:
    answer = issuer.send("POST", "/revoke", expect=200, changes=True, data=client.form(token=token, **more))
    assert not answer.content
    assert answer.headers["cache-control"] == "no-store"


@row("INT-02")
def test_whose_business_a_token_is(issuer: Target, mine: Client, server: Client) -> None:
    tokens = mine.tokens()
    stranger = Client.register(issuer.client, token_endpoint_auth_method="client_secret_post")
    for token in (tokens["access_token"], tokens["refresh_token"]):
        assert asked(issuer, stranger, token) == DEAD
        assert asked(issuer, mine, token)["active"] is True
    told = asked(issuer, server, tokens["access_token"])
    assert told["active"] is True
    assert {name: told[name] for name in claims(tokens["access_token"])} == claims(tokens["access_token"])
    assert asked(issuer, server, tokens["refresh_token"]) == DEAD, "a resource server has no business with it"


@row("INT-02")
@pytest.mark.parametrize("proof", ["none", "wrong", "nobody", "public"])
def test_who_may_ask_at_all(issuer: Target, client: Client, mine: Client, proof: str) -> None:
    token = mine.tokens()["access_token"]
    form = {
        "none": {},
        "wrong": {"client_id": mine.id, "client_secret": "x"},
        "nobody": {"client_id": "nobody", "client_secret": "x"},
        "public": {"client_id": client.id},
    }[proof]
    issuer.send("POST", "/introspect", expect=401, error="invalid_client", data={**form, "token": token})


@row("INT-02")
def test_a_token_is_no_authentication(issuer: Target, mine: Client) -> None:
    token = mine.tokens()["access_token"]
    headers = {"authorization": f"Bearer {token}"}
    issuer.send("POST", "/introspect", expect=401, error="invalid_client", data={"token": token}, headers=headers)


def no_tokens(issuer: Target, mine: Client) -> dict[str, str]:
    """What looks like a token of this client, and is none that stands."""
    forger = Forger(issuer.pair)
    good = json.dumps(forger.claims(client_id=mine.id, jti="dev.x", sub="alice")).encode()
    tokens = mine.tokens(scope="openid mcp:tools")
    signed, _, signature = tokens["access_token"].rpartition(".")
    none = ".".join(b64(part) for part in (b'{"alg":"none","typ":"at+jwt"}', good))
    deep = b'{"iss":' + b"[" * 5000
    return {
        "an ID token": tokens["id_token"],
        "a code": mine.code(),
        "a name": mine.id,
        "a secret": mine.secret or "",
        "alg none": f"{none}.",
        "alg none, some signature": f"{none}.{signature}",
        "no signature": f"{signed}.",
        "a changed signature": f"{signed}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}",
        "of another issuer": forger.token(iss="https://other.test", client_id=mine.id),
        "of another type": forger.headed(typ="JWT"),
        "without a kid": forger.headed(kid=GONE),
        "of a family that is none": forger.token(client_id=mine.id),
        "of no family": forger.token(client_id=mine.id, jti="x"),
        "deeply nested": forger.over(json.dumps(forger.header()).encode(), deep),
        "a nested header": forger.over(deep, good),
        "no claims": forger.over(json.dumps(forger.header()).encode(), b"[]"),
        "garbage": "x",
        "60 KB": "A" * 60_000,
        "a long JWT": f"{'A' * 20_000}.{'A' * 20_000}.{'A' * 10_000}",
        "unicode": "ключ-от-двери",
        "parts": "..",
        "blanks": "    ",
    }


@row("INT-03")
@row("INT-05")
def test_what_is_no_token(issuer: Target, mine: Client, server: Client) -> None:
    for name, token in no_tokens(issuer, mine).items():
        for asker in (mine, server):
            assert asked(issuer, asker, token) == DEAD, name
        revoke(issuer, mine, token)


@row("INT-03")
def test_a_token_that_has_ended(issuer: Target, mine: Client, server: Client, later: Callable[[int], None]) -> None:
    spent, live = mine.tokens(), mine.tokens()
    assert mine.refresh(spent["refresh_token"]).status_code == 200
    assert asked(issuer, mine, spent["refresh_token"]) == DEAD
    revoke(issuer, mine, live["refresh_token"])
    for token in live["access_token"], live["refresh_token"]:
        assert asked(issuer, mine, token) == asked(issuer, server, token) == DEAD
    later(901)
    assert asked(issuer, server, spent["access_token"]) == DEAD
    later(181 * 86_400)
    assert asked(issuer, mine, spent["refresh_token"]) == DEAD


@row("INT-03")
def test_a_person_who_is_disabled(issuer: Target, mine: Client, server: Client) -> None:
    tokens = mine.tokens()
    issuer.forget("UPDATE users SET disabled = 1 WHERE username = 'alice'")
    try:
        assert asked(issuer, server, tokens["access_token"]) == DEAD
        assert asked(issuer, mine, tokens["refresh_token"]) == DEAD
    finally:
        issuer.forget("UPDATE users SET disabled = 0")


@row("INT-03")
@pytest.mark.parametrize(
    ("raw", "statuses"),
    [("A" * 10**6, {400, 413}), ("a%00b", {400}), ("%ff", {400}), ("%ed%a0%80", {400}), ("%zz", {400})],
    ids=["1 MB", "NUL", "no UTF-8", "a surrogate", "a bad escape"],
)
def test_tokens_that_are_no_text(issuer: Target, mine: Client, raw: str, statuses: set[int]) -> None:
    body = f"client_id={mine.id}&client_secret={mine.secret}&token={raw}".encode()
    headers = {"content-type": "application/x-www-form-urlencoded"}
    for path in ("/introspect", "/revoke"):
        issuer.send("POST", path, expect=statuses, error="invalid_request", content=body, headers=headers)


@row("INT-03")
@row("INT-05")
@HELD
@given(token=st.one_of(st.text(min_size=1, max_size=100), st.lists(st.binary(max_size=20).map(b64)).map(".".join)))
def test_no_text_is_a_token(issuer: Target, mine: Client, token: str) -> None:
    for path in ("/introspect", "/revoke"):
        answer = issuer.send("POST", path, expect={200, 400}, data=mine.form(token=token), may_echo={token})
        assert answer.status_code == 200 or "\0" in token or not token
        assert path == "/revoke" or answer.status_code == 400 or answer.json() == DEAD


@row("INT-04")
@pytest.mark.parametrize("path", ["/introspect", "/revoke"])
def test_requests_that_are_none(issuer: Target, mine: Client, path: str) -> None:
    token = mine.tokens()["access_token"]
    for form in ({}, {"token": ""}, {"token": [token, token]}, {"token": [token, "x"]}, {"Token": token}):
        issuer.send("POST", path, expect=400, error="invalid_request", data={**mine.form(), **form})
    issuer.send("POST", path, expect={400, 415}, error="invalid_request", json=mine.form(token=token))
    issuer.send("POST", f"{path}?token={token}", expect=400, error="invalid_request", data=mine.form())
    for method in ("GET", "HEAD", "PUT", "DELETE", "PATCH"):
        answer = issuer.send(method, f"{path}?token={token}", expect=405)
        assert "POST" in answer.headers["allow"]
    assert asked(issuer, mine, token)["active"] is True


@row("INT-04")
@pytest.mark.parametrize("hint", HINTS)
def test_a_hint_is_a_hint(issuer: Target, mine: Client, hint: str | None) -> None:
    tokens = mine.tokens()
    more = {} if hint is None else {"token_type_hint": hint}
    for token in (tokens["access_token"], tokens["refresh_token"]):
        assert asked(issuer, mine, token, **more)["active"] is True


@row("INT-05")
def test_the_token_of_another_client(issuer: Target, client: Client, mine: Client, server: Client) -> None:
    tokens = mine.tokens()
    for other in (client, server, Client.register(issuer.client)):
        for token in (tokens["access_token"], tokens["refresh_token"]):
            for hint in ("access_token", "refresh_token"):
                sent = other.form(token=token, token_type_hint=hint)
                issuer.send("POST", "/revoke", expect={200, 400}, data=sent)
    assert asked(issuer, server, tokens["access_token"])["active"] is True
    assert mine.refresh(tokens["refresh_token"]).status_code == 200


@row("INT-05")
def test_what_was_revoked_before(issuer: Target, mine: Client) -> None:
    tokens = mine.tokens()
    for token in (tokens["access_token"], tokens["refresh_token"]):
        revoke(issuer, mine, token)
        revoke(issuer, mine, token)
        assert asked(issuer, mine, token) == DEAD


@row("INT-06")
@pytest.mark.parametrize("hint", HINTS)
def test_a_refresh_token_takes_the_grant_along(
    issuer: Target, client: Client, server: Client, hint: str | None
) -> None:
    first = client.tokens(scope="openid mcp:tools")
    second = client.refresh(first["refresh_token"]).json()
    other = client.tokens()
    revoke(issuer, client, second["refresh_token"], **({} if hint is None else {"token_type_hint": hint}))
    for access in (first["access_token"], second["access_token"]):
        assert asked(issuer, server, access) == DEAD
        issuer.send("GET", "/userinfo", expect=401, headers={"authorization": f"Bearer {access}"})
    for refresh in (first["refresh_token"], second["refresh_token"]):
        form = client.form(grant_type="refresh_token", refresh_token=refresh)
        issuer.send("POST", "/token", expect=400, error="invalid_grant", changes=True, data=form)
    assert asked(issuer, server, other["access_token"])["active"] is True, "another grant goes on"


@row("INT-06")
def test_a_spent_refresh_token_ends_the_grant_too(issuer: Target, client: Client) -> None:
    first = client.tokens()
    second = client.refresh(first["refresh_token"]).json()
    revoke(issuer, client, first["refresh_token"])
    assert client.refresh(second["refresh_token"]).json()["error"] == "invalid_grant"


@row("INT-07")
@pytest.mark.parametrize("hint", HINTS)
def test_an_access_token_goes_alone(issuer: Target, client: Client, server: Client, hint: str | None) -> None:
    tokens = client.tokens()
    revoke(issuer, client, tokens["access_token"], **({} if hint is None else {"token_type_hint": hint}))
    assert asked(issuer, server, tokens["access_token"]) == DEAD
    fresh = client.refresh(tokens["refresh_token"])
    assert asked(issuer, server, fresh.json()["access_token"])["active"] is True


@row("INT-08")
def test_revocation_needs_the_client(issuer: Target, client: Client, mine: Client, server: Client) -> None:
    assert mine.secret
    for owner in (mine, client):
        tokens = owner.tokens()
        wrong: list[dict[str, Any]] = [{}, {"client_id": "nobody"}, {"client_id": owner.id, "client_secret": "x"}]
        wrong += [
            {"client_id": mine.id},
            {"client_secret": "x"},
            {"client_id": mine.id, "client_secret": mine.secret[:-1]},
        ]
        for token in (tokens["access_token"], tokens["refresh_token"]):
            for form in wrong:
                issuer.send("POST", "/revoke", expect=401, error="invalid_client", data={**form, "token": token})
            basic = (owner.id, owner.secret or "x")  # a method, but not the registered one
            issuer.send("POST", "/revoke", expect=401, error="invalid_client", data={"token": token}, auth=basic)
        assert asked(issuer, server, tokens["access_token"])["active"] is True
        assert owner.refresh(tokens["refresh_token"]).status_code == 200


@row("INT-09")
@pytest.mark.parametrize("hint", ["unsupported", "id_token", "", "x" * 5_000, "access_token refresh_token", "ключ"])
def test_a_hint_that_nobody_knows(issuer: Target, client: Client, hint: str) -> None:
    token = client.tokens()["refresh_token"]
    revoke(issuer, client, token, token_type_hint=hint)
    assert client.refresh(token).json()["error"] == "invalid_grant"


@row("INT-10")
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_userinfo_is_for_people_who_signed_in(
    issuer: Target, client: Client, later: Callable[[int], None], method: str
) -> None:
    tokens = client.tokens(scope="openid mcp:tools")
    access, forger = tokens["access_token"], Forger(issuer.pair)
    secret = (issuer.pair.keys / "mcp-client.secret").read_text().strip()
    machine = issuer.client.post(
        "/token", data={"grant_type": "client_credentials"}, auth=("mcp-client", secret)
    ).json()
    bare = client.tokens(scope="mcp:tools")["access_token"]
    developers = issuer.pair.token(sub="alice", scope="openid mcp:tools")
    forged = forger.token(scope="openid", sub="alice")
    others = (bare, machine["access_token"], tokens["id_token"], tokens["refresh_token"], developers, forged)
    for token in (*others, access[:-1], access + "x", "x", "x" * 5000):
        headers = {"authorization": f"Bearer {token}"}
        answer = issuer.send(
            method, "/userinfo", expect={401, 403}, error={"invalid_token", "insufficient_scope"}, headers=headers
        )
        assert answer.headers["www-authenticate"].startswith("Bearer")
    for header in ({}, {"authorization": "Bearer"}, {"authorization": f"Basic {access}"}, {"authorization": access}):
        answer = issuer.send(method, "/userinfo", expect=401, headers=header)
        assert answer.headers["www-authenticate"].startswith("Bearer")
    right = {"authorization": f"Bearer {access}"}
    answer = issuer.client.request(method, "/userinfo", headers=right)
    assert answer.json()["sub"] == claims(tokens["id_token"])["sub"] == claims(access)["sub"]
    later(901)
    issuer.send(method, "/userinfo", expect=401, error="invalid_token", headers=right)


@row("INT-10")
def test_a_token_is_sent_once_and_in_the_header(issuer: Target, client: Client) -> None:
    access = client.tokens(scope="openid mcp:tools")["access_token"]
    right, form = {"authorization": f"Bearer {access}"}, {"access_token": access}
    two: list[dict[str, Any]] = [{"headers": right, "data": form}, {"headers": right, "data": {"access_token": "x"}}]
    for more in (*two, {"data": form}):
        answer = issuer.send("POST", "/userinfo", expect=400, error="invalid_request", **more)
        assert answer.headers["www-authenticate"].startswith("Bearer")
    for method in ("GET", "POST"):
        for headers in (right, {}):
            issuer.send(method, "/userinfo", expect=400, error="invalid_request", params=form, headers=headers)
    head = f"GET /userinfo HTTP/1.1\r\nHost: {issuer.host}\r\n" + f"Authorization: Bearer {access}\r\n" * 2
    issuer.raw(f"{head}\r\n".encode(), expect={400})
