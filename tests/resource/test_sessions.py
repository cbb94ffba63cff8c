"""Sessions of the older era: so many for each caller, so many in all; one left behind makes room for a new one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import httpx
import pytest
from tests.resource.running import ACCEPT, Running, result, serving
from tests.resource.stand_in import StandIn

EACH, MOST = 3, 5


@pytest.fixture
def server(issuer: StandIn) -> Iterator[Running]:
    with serving(issuer, RESOURCE_MOST_SESSIONS=MOST, RESOURCE_MOST_SESSIONS_EACH=EACH) as running:
        yield running


def alive(server: Running, token: str, session: str) -> bool:
    answer = server.legacy("tools/list", token, session)
    if answer.status_code == 404:
        return False
    assert result(answer)["tools"]
    return True


def asks_for_one_more(server: Running, token: str) -> httpx.Response:
    params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    return server.post({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}, token)


@contextlib.contextmanager
def in_use(server: Running, token: str, session: str) -> Iterator[None]:
    """A session whose client listens."""
    headers = {"Authorization": f"Bearer {token}", "Mcp-Session-Id": session, "Accept": "text/event-stream"}
    with httpx.stream("GET", server.mcp, headers=headers, timeout=20) as listening:
        assert listening.status_code == 200
        yield


def refused(answer: httpx.Response, status: int) -> None:
    assert answer.status_code == status, answer.text
    assert int(answer.headers["retry-after"]) > 0
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["error"]["message"]


def test_a_new_session_takes_the_place_of_the_one_unused_for_longest(server: Running) -> None:
    anna, bert = server.token(sub="anna"), server.token(sub="bert")
    his = server.session(bert)
    hers = [server.session(anna) for _ in range(EACH)]
    assert alive(server, anna, hers[0])  # so that the second is the one that nobody used
    newest = server.session(server.token(sub="anna", client_id="another-program"))
    assert [alive(server, anna, session) for session in hers] == [True, False, True]
    assert alive(server, bert, his)
    assert alive(server, server.token(sub="anna", client_id="another-program"), newest)


def test_no_session_in_use_is_ended(server: Running) -> None:
    anna = server.token(sub="anna")
    with contextlib.ExitStack() as stack:
        for _ in range(EACH):
            stack.enter_context(in_use(server, anna, server.session(anna)))
        refused(asks_for_one_more(server, anna), 429)
        assert server.session(server.token(sub="bert"))


def test_where_all_room_is_taken_who_has_an_idle_one_still_gets_a_new_one(server: Running) -> None:
    anna, bert, carl = (server.token(sub=name) for name in ("anna", "bert", "carl"))
    hers = [server.session(anna) for _ in range(EACH)]
    for _ in range(MOST - EACH):
        server.session(bert)
    refused(asks_for_one_more(server, carl), 503)
    server.session(bert)
    assert all(alive(server, anna, session) for session in hers), "nobody loses a session to somebody else"
    ended = httpx.delete(server.mcp, headers={**ACCEPT, "Authorization": f"Bearer {anna}", "Mcp-Session-Id": hers[0]})
    assert ended.status_code == 200
    assert server.session(carl)


def test_one_caller_leaves_no_more_than_that_behind(server: Running) -> None:
    anna = server.token(sub="anna")
    sessions = [server.session(anna) for _ in range(10 * EACH)]
    assert [alive(server, anna, session) for session in sessions[-EACH:]] == [True] * EACH
    assert not any(alive(server, anna, session) for session in sessions[:-EACH])


def test_newer_clients_need_no_session(server: Running) -> None:
    for name in "abcdefgh":
        assert result(server.modern("tools/list", server.token(sub=name)))["tools"]
