"""Rows REF: refresh tokens, honest retries and theft."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.hostile.rows import row
from tests.hostile.target import Target
from tests.hostile.test_net import HELD
from tests.hostile.test_tok import BAD_TARGETS, GARBAGE, targets
from tests.support import servers
from tests.support.oauth import Client

GRACE = 60


def refused(issuer: Target, client: Client, token: str, **bent: Any) -> None:
    data = client.form(grant_type="refresh_token", refresh_token=token, **bent)
    issuer.send("POST", "/token", expect=400, error="invalid_grant", changes=True, data=data)


def renewed(client: Client, token: str) -> str:
    answer = client.refresh(token)
    assert answer.status_code == 200, answer.text
    found: str = answer.json()["refresh_token"]
    return found


@row("REF-01")
@pytest.mark.parametrize("seconds", [GRACE + 1, 10 * GRACE, 86_400])
def test_reuse_after_the_grace_ends_the_family(
    issuer: Target, client: Client, later: Callable[[int], None], seconds: int
) -> None:
    first = client.tokens()["refresh_token"]
    second = renewed(client, first)
    later(seconds)
    refused(issuer, client, first)
    assert any(line.get("detail") == "refresh token reuse" for line in issuer.log_since()), "an operator can see it"
    refused(issuer, client, second)


@row("REF-01")
def test_reuse_of_an_ancestor_ends_the_family(issuer: Target, client: Client) -> None:
    line = [client.tokens()["refresh_token"]]
    for _ in range(4):
        line.append(renewed(client, line[-1]))
    refused(issuer, client, line[1])
    refused(issuer, client, line[-1])


@row("REF-02")
@pytest.mark.parametrize("callers", [2, 20])
def test_parallel_refreshes_all_get_the_same_successor(issuer: Target, client: Client, callers: int) -> None:
    token = client.tokens()["refresh_token"]
    with issuer.holds(changes=True, events=callers), ThreadPoolExecutor(callers) as pool:
        answers = list(pool.map(lambda _: client.refresh(token), range(callers)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1, "the family forked"
    assert len({answer.json()["access_token"] for answer in answers}) == callers
    renewed(client, answers[0].json()["refresh_token"])


@row("REF-03")
def test_a_lost_answer_can_be_asked_for_again(client: Client, later: Callable[[int], None]) -> None:
    token = client.tokens()["refresh_token"]
    successor = renewed(client, token)
    later(GRACE - 5)
    assert renewed(client, token) == successor
    assert renewed(client, token) == successor
    renewed(client, successor)


@row("REF-04")
def test_the_grace_ends_when_the_successor_is_used(issuer: Target, client: Client) -> None:
    first = client.tokens()["refresh_token"]
    second = renewed(client, first)
    third = renewed(client, second)
    refused(issuer, client, first)
    refused(issuer, client, third)


@contextlib.contextmanager
def issuer_in(folder: Path, port: str) -> Iterator[servers.Service]:
    settings = {"ISSUER": f"http://127.0.0.1:{port}", "ISSUER_PORT": port, "ISSUER_AUTO_APPROVE": "alice"}
    with servers.running("issuer", folder, **settings) as service:
        yield service


@row("REF-03")
@row("REF-05")
def test_a_crash_changes_nothing(tmp_path: Path) -> None:
    """kill -9 between rotation and retry: the honest retry still works, the theft is still seen."""
    port = str(servers.free_port())
    with issuer_in(tmp_path, port) as service, httpx.Client(base_url=service.origin) as http:
        honest, stolen = Client.register(http), Client.register(http)
        lost = honest.tokens()["refresh_token"]
        successor = renewed(honest, lost)
        old = stolen.tokens()["refresh_token"]
        newest = renewed(stolen, renewed(stolen, old))
        assert service.process is not None
        os.kill(service.process.pid, signal.SIGKILL)
        service.process.wait()
    with issuer_in(tmp_path, port) as service, httpx.Client(base_url=service.origin) as http:
        honest.http = stolen.http = http
        assert renewed(honest, lost) == successor
        assert stolen.refresh(old).json()["error"] == "invalid_grant"
        assert stolen.refresh(newest).json()["error"] == "invalid_grant"


@row("REF-06")
def test_a_token_of_another_client(issuer: Target, client: Client) -> None:
    token = client.tokens()["refresh_token"]
    other = Client.register(issuer.client)
    refused(issuer, other, token)
    for bent in ({"client_id": None}, {"client_id": "nobody"}, {"client_secret": "x" * 43}):
        data = client.form(grant_type="refresh_token", refresh_token=token, **bent)
        issuer.send("POST", "/token", expect=401, error="invalid_client", data=data)
    renewed(client, token)


@row("REF-08")
@pytest.mark.parametrize("name", BAD_TARGETS)
def test_a_bad_resource_costs_no_token(issuer: Target, client: Client, name: str) -> None:
    token = client.tokens()["refresh_token"]
    data = client.form(grant_type="refresh_token", refresh_token=token, resource=targets(issuer, name))
    issuer.send("POST", "/token", expect=400, error={"invalid_target", "invalid_request"}, data=data)
    renewed(client, token)


@row("REF-08")
@pytest.mark.parametrize("scope", ["mcp:tools admin", "openid", 'a"b', "admin"])
def test_a_wider_scope_costs_no_token(issuer: Target, client: Client, scope: str) -> None:
    token = client.tokens(scope="mcp:tools")["refresh_token"]
    data = client.form(grant_type="refresh_token", refresh_token=token, scope=scope)
    issuer.send("POST", "/token", expect=400, error="invalid_scope", data=data)
    renewed(client, token)


@row("REF-09")
@pytest.mark.parametrize("days", [31, 181])
def test_an_idle_token_expires(issuer: Target, client: Client, later: Callable[[int], None], days: int) -> None:
    token = client.tokens()["refresh_token"]
    later(days * 86_400)
    refused(issuer, client, token)


@row("REF-09")
def test_a_grant_ends_however_often_it_is_renewed(issuer: Target, client: Client, later: Callable[[int], None]) -> None:
    token = client.tokens()["refresh_token"]
    for _ in range(6):
        later(29 * 86_400)
        token = renewed(client, token)
    later(29 * 86_400)
    refused(issuer, client, token)


@row("REF-09")
@pytest.mark.parametrize(
    "change",
    [
        "UPDATE users SET disabled = 1 WHERE username = 'alice'",
        "UPDATE families SET revoked_at = 1 WHERE client_id = :client",
    ],
    ids=["the person is disabled", "the grant is revoked"],
)
def test_what_the_grant_stood_on_is_gone(issuer: Target, client: Client, change: str) -> None:
    token = client.tokens()["refresh_token"]
    with contextlib.closing(sqlite3.connect(issuer.database)) as database:
        database.execute(change, {"client": client.id})
        database.commit()
        try:
            refused(issuer, client, token)
        finally:
            database.execute("UPDATE users SET disabled = 0")
            database.commit()


@row("REF-09")
def test_the_client_is_gone(issuer: Target, client: Client) -> None:
    token = client.tokens()["refresh_token"]
    with contextlib.closing(sqlite3.connect(issuer.database)) as database:
        database.execute("DELETE FROM clients WHERE id = ?", (client.id,))
        database.commit()
    data = client.form(grant_type="refresh_token", refresh_token=token)
    issuer.send("POST", "/token", expect=401, error="invalid_client", data=data)


@row("REF-11")
@pytest.mark.parametrize("name", GARBAGE)
def test_garbage_for_a_refresh_token(issuer: Target, client: Client, name: str) -> None:
    data = client.form(grant_type="refresh_token", refresh_token=GARBAGE[name])
    issuer.send("POST", "/token", expect=400, error={"invalid_grant", "invalid_request"}, data=data)


@row("REF-11")
def test_other_tokens_for_a_refresh_token(issuer: Target, client: Client) -> None:
    tokens = client.tokens(scope="openid mcp:tools")
    for other in (tokens["access_token"], tokens["id_token"], client.code(), tokens["refresh_token"] + "A"):
        refused(issuer, client, other)
    assert tokens["refresh_token"] != renewed(client, tokens["refresh_token"])


@row("REF-11")
@HELD
@given(text=st.text(max_size=200))
def test_no_text_is_a_refresh_token(issuer: Target, client: Client, text: str) -> None:
    data = client.form(grant_type="refresh_token", refresh_token=text)
    errors = {"invalid_grant", "invalid_request"}
    issuer.send("POST", "/token", expect=400, error=errors, data=data, may_echo={text})
