"""Introspection and revocation (RFC 7662, RFC 7009): who is told what. What ends with what: hostile/test_int.py."""

from __future__ import annotations

from typing import Any

import pytest
from tests.issuer.endpoints.conftest import MACHINE_SECRET, operator_client
from tests.issuer.started import Issuer
from tests.support.oauth import Client, Person, answer_of, claims

MCP = "http://127.0.0.1:8000/mcp"
DEAD = {"active": False}


@pytest.fixture
def server(issuer: Issuer) -> dict[str, str]:
    """The credentials of the resource's own server."""
    operator_client(issuer, "resource-server", grant_types=("client_credentials",), introspects=(MCP,))
    return {"client_id": "resource-server", "client_secret": MACHINE_SECRET}


@pytest.fixture
def tokens(client: Client, person: Person) -> dict[str, str]:
    found: dict[str, str] = client.redeem(answer_of(person.approve(person.consent_page(client)))["code"]).json()
    return found


def introspect(issuer: Issuer, asker: dict[str, str], token: str) -> dict[str, Any]:
    answer = issuer.http.post("/introspect", data={**asker, "token": token})
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    found: dict[str, Any] = answer.json()
    return found


def test_the_resources_server_is_told_what_the_token_says(issuer: Issuer, server: Any, tokens: Any):
    told = introspect(issuer, server, tokens["access_token"])
    assert told == {"active": True, "token_type": "Bearer", **claims(tokens["access_token"])}
    assert introspect(issuer, server, tokens["refresh_token"]) == DEAD


def test_a_client_is_told_about_its_own_tokens(issuer: Issuer, person: Person):
    own = operator_client(issuer, "introspects-own")
    tokens = own.redeem(answer_of(person.approve(person.consent_page(own)))["code"]).json()
    asker = {"client_id": own.id, "client_secret": MACHINE_SECRET}
    assert introspect(issuer, asker, tokens["access_token"])["active"] is True
    told = introspect(issuer, asker, tokens["refresh_token"])
    assert (told["active"], told["sub"], told["client_id"]) == (True, "alice", own.id)
    assert told["exp"] == issuer.clock.now + 30 * 86400
    own.refresh(tokens["refresh_token"])
    assert introspect(issuer, asker, tokens["refresh_token"]) == DEAD


def test_others_are_told_nothing(issuer: Issuer, server: Any, tokens: Any):
    operator_client(issuer, "curious", grant_types=("client_credentials",))
    asker = {"client_id": "curious", "client_secret": MACHINE_SECRET}
    for token in (tokens["access_token"], tokens["refresh_token"]):
        assert introspect(issuer, asker, token) == DEAD
    for wrong in ({}, {"client_id": "curious"}, {"client_id": "curious", "client_secret": "x"}):
        answer = issuer.http.post("/introspect", data={**wrong, "token": tokens["access_token"]})
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def test_a_public_client_cannot_ask_at_all(issuer: Issuer, client: Client, tokens: Any):
    answer = issuer.http.post("/introspect", data=client.form(token=tokens["access_token"]))
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


@pytest.mark.parametrize("token", ["x", "a.b.c", "mcp_rt_x", "x" * 20_000, "\u00e9"])
def test_what_is_no_token_is_not_active(issuer: Issuer, server: Any, client: Client, token: str):
    assert introspect(issuer, server, token) == DEAD
    assert issuer.http.post("/revoke", data=client.form(token=token)).status_code == 200


def test_a_token_is_active_until_its_time(issuer: Issuer, server: Any, tokens: Any):
    issuer.clock.now += 899
    assert introspect(issuer, server, tokens["access_token"])["active"] is True
    issuer.clock.now += 1
    assert introspect(issuer, server, tokens["access_token"]) == DEAD


def test_development_and_machine_tokens(issuer: Issuer, server: Any):
    made = issuer.http.post("/dev/token").json()["access_token"]
    assert introspect(issuer, server, made)["active"] is True
    machine = operator_client(issuer, "machine-seen", grant_types=("client_credentials",), scope=("mcp:tools",))
    token = issuer.http.post("/token", data=machine.form(grant_type="client_credentials")).json()["access_token"]
    assert introspect(issuer, server, token)["sub"] == "machine-seen"
    issuer.run(lambda tx: tx.clients.remove("machine-seen"))
    assert introspect(issuer, server, token) == DEAD


@pytest.mark.parametrize("path", ["/revoke", "/introspect"])
def test_a_missing_token_is_a_bad_request(issuer: Issuer, client: Client, path: str):
    answer = issuer.http.post(path, data=client.form())
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
