"""Rows RS on keys, and MCP-12: the issuer away, slow, lying or rotating; streams end with their token."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from tests.faults.scale import fault
from tests.hostile.rows import row
from tests.resource import stand_in
from tests.resource.running import Running, challenge, serving
from tests.resource.stand_in import StandIn

Record = Callable[[str, object], None]


@pytest.fixture
def lone() -> Iterator[StandIn]:
    with stand_in.stand_in() as started:
        yield started


@pytest.fixture
def server(lone: StandIn) -> Iterator[Running]:
    with serving(lone) as started:
        yield started


def status(server: Running, token: str) -> int:
    return server.modern("tools/list", token).status_code


@row("RS-19")
@fault("the issuer is down when the resource starts", service="resource")
def test_an_outage_at_start_is_503_and_over_soon_after(lone: StandIn, record_property: Record) -> None:
    lone.down()
    with serving(lone) as server:
        token = server.token()
        answer = server.modern("tools/list", token)
        assert answer.status_code == 503
        assert 1 <= int(answer.headers["retry-after"]) <= 3
        assert answer.json()["jsonrpc"] == "2.0"
        assert "www-authenticate" not in answer.headers
        assert httpx.get(f"{server.origin}/healthz").status_code == 200
        assert httpx.get(f"{server.origin}/readyz").status_code == 503
        assert httpx.get(f"{server.origin}/mcp/health").status_code == 503
        assert server.post({}, "nonsense").status_code == 401, "what is no token needs no keys to be refused"
        lone.up()
        returned = time.monotonic()
        while status(server, token) != 200:
            assert time.monotonic() - returned < 3, "not well again within 3 s"
            time.sleep(0.1)
        record_property("seconds to recover", round(time.monotonic() - returned, 2))
        assert httpx.get(f"{server.origin}/readyz").status_code == 200
        lone.down()
        assert status(server, token) == 200, "known keys go on"
        assert status(server, server.token()) == 200, "for new tokens too"
        unknown = server.token(key=stand_in.rsa_key("new"))
        assert status(server, unknown) == 503, "nobody can say whether that key is the issuer's"
        lone.up()


@row("RS-17")
@fault("a flood of tokens with unknown keys", service="resource")
def test_five_hundred_unknown_keys_cost_three_fetches_at_most(lone: StandIn, record_property: Record) -> None:
    with serving(lone) as server:
        good = server.token()
        assert status(server, good) == 200
        fetched = len([path for path in lone.asked if path == "/jwks"])
        forged = [server.token(header={"kid": f"made-up-{number}"}) for number in range(500)]
        with ThreadPoolExecutor(16) as pool, httpx.Client() as client:

            def send(token: str) -> int:
                return client.post(server.mcp, headers={"Authorization": f"Bearer {token}"}).status_code

            assert set(pool.map(send, forged)) == {401}
            assert status(server, server.token()) == 200
        fetches = len([path for path in lone.asked if path == "/jwks"]) - fetched
        record_property("fetches for 500 unknown keys", fetches)
        assert fetches <= 3


@row("RS-23")
@row("RS-24")
def test_a_new_key_works_with_its_first_token_and_a_replaced_one_too(lone: StandIn) -> None:
    with serving(lone) as server:
        assert status(server, server.token()) == 200
        new = stand_in.rsa_key("new")
        lone.publish(lone.key, new)
        assert status(server, server.token(key=new)) == 200
    with serving(lone) as server:
        old = lone.key
        assert status(server, server.token()) == 200
        lone.key = stand_in.rsa_key("k1")
        lone.publish(lone.key)
        assert status(server, server.token()) == 200
        assert status(server, server.token(key=old)) == 401


BAD_ANSWERS: dict[str, tuple[int, dict[str, str], bytes]] = {
    "no keys": (200, {}, b'{"keys":[]}'),
    "no JSON": (200, {}, b"<html>"),
    "another content": (200, {"Content-Type": "text/html"}, b'{"keys":[]}'),
    "30 MB": (200, {}, b'{"keys":[' + b" " * 30_000_000 + b"]}"),
    "a compressed bomb": (200, {"Content-Encoding": "gzip"}, b"\x1f\x8b" + b"\0" * 1000),
    "an error": (500, {}, b"{}"),
    "a redirect": (302, {"Location": "{elsewhere}"}, b""),
    "a file": (302, {"Location": "file:///etc/passwd"}, b""),
}


@row("RS-20")
@row("RS-22")
@pytest.mark.parametrize("answer", BAD_ANSWERS.values(), ids=BAD_ANSWERS)
def test_a_bad_answer_is_an_outage_and_wipes_nothing(
    lone: StandIn, answer: tuple[int, dict[str, str], bytes], record_property: Record
) -> None:
    good = lone.answers["/jwks"]
    code, headers, body = answer
    with stand_in.stand_in() as elsewhere:
        headers = {name: value.format(elsewhere=f"{elsewhere.origin}/jwks") for name, value in headers.items()}
        with serving(lone) as server:
            assert status(server, server.token()) == 200
            lone.answers["/jwks"] = (code, headers, body)
            assert status(server, server.token(key=stand_in.rsa_key("new"))) == 503
            refused = [code for code in (status(server, server.token()) for _ in range(20)) if code != 200]
            record_property("of 20 valid tokens refused afterwards", len(refused))
            assert not refused
        with serving(lone) as server:
            assert status(server, server.token()) == 503
            lone.answers["/jwks"] = good
            returned = time.monotonic()
            while status(server, server.token()) != 200:
                assert time.monotonic() - returned < 3, "not well again within 3 s"
                time.sleep(0.1)
        assert elsewhere.asked == []


@row("RS-21")
@fault("the issuer hangs", service="resource")
def test_a_slow_issuer_slows_nobody_but_who_needs_it(lone: StandIn, record_property: Record) -> None:
    with serving(lone) as server:
        token = server.token()
        assert status(server, token) == 200
        lone.delay = 20
        with ThreadPoolExecutor(1) as pool:
            started = time.monotonic()
            waiting = pool.submit(status, server, server.token(key=stand_in.rsa_key("new")))
            time.sleep(0.3)
            for _ in range(5):
                assert status(server, server.token()) == 200
            assert time.monotonic() - started < 4
            assert waiting.result() == 503
            record_property("seconds to give up on a hanging issuer", round(time.monotonic() - started, 2))
            assert time.monotonic() - started < 7
        lone.delay = 0


def test_the_request_id_reaches_the_issuer(lone: StandIn) -> None:
    with serving(lone) as server:
        token = server.token(key=stand_in.rsa_key("new"))
        server.post({}, token, **{"X-Request-Id": "one-id-for-both"})
        assert "one-id-for-both" in [headers.get("x-request-id") for headers in lone.headers]


@contextlib.contextmanager
def stream(server: Running, path: str, token: str, **headers: str) -> Iterator[httpx.Response]:
    headers = {"Authorization": f"Bearer {token}", "Accept": "text/event-stream", **headers}
    with httpx.stream("GET", server.origin + path, headers=headers, timeout=15) as answer:
        assert answer.status_code == 200
        yield answer


@row("MCP-12")
@fault("tokens end while streams are open", service="resource")
def test_an_open_stream_ends_with_its_token(server: Running, record_property: Record) -> None:
    long = server.token(sub="stream")
    session = {"Mcp-Session-Id": server.session(long), "MCP-Protocol-Version": "2025-11-25"}
    for path, headers in (("/mcp/sse", {}), ("/mcp", session)):
        expires = int(time.time()) + 3
        with stream(server, path, server.token(sub="stream", exp=expires), **headers) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            for _ in answer.iter_raw():
                assert time.time() < expires + 0.5, "something came after the end"
        late = time.time() - expires
        assert -0.2 <= late < 1.5
        record_property(f"seconds by which a stream at {path} outlived its token", round(late, 2))
    assert server.legacy("tools/list", long, session["Mcp-Session-Id"]).status_code == 200, "the session lives on"


@row("MCP-12")
def test_a_token_that_leeway_keeps_alive_opens_no_endless_stream(server: Running) -> None:
    expired = int(time.time()) - 27
    with stream(server, "/mcp/sse", server.token(exp=expired)) as answer:
        for _ in answer.iter_raw():
            pass
    assert 0 <= time.time() - (expired + 30) < 1.5
    refused = server.modern("tools/list", server.token(exp=int(time.time()) - 31))
    assert challenge(refused)["error_description"] == "The access token has expired."
