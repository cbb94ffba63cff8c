"""What the resource counts, and that nobody from outside decides what a label is."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest
from fastapi import FastAPI
from fastmcp import FastMCP
from tests.resource import stand_in
from tests.resource.running import Running, listening, result, serving
from tests.support.scraped import Scrape
from tests.support.servers import free_port

from resource_server.protect import guard
from resource_server.settings import load
from resource_server.verifier import Reason

PROXIED = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Via")


@contextlib.contextmanager
def counted(server: Running, name: str, by: float = 1, **labels: str) -> Iterator[None]:
    """What happens inside makes this series grow by so much, once the requests have ended."""

    def value() -> float:
        return Scrape(server.origin).value(name, **labels)

    before = value()
    yield
    wait_until(lambda: value() - before >= by)
    assert value() - before == by


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.02)


def flawed(server: Running) -> dict[str, str]:
    """For each reason to refuse a token, one that is refused for it."""
    token, now = server.token, int(time.time())
    return {
        "malformed": "no.token",
        "algorithm": "eyJhbGciOiJub25lIn0.e30.AAAA",
        "header": token(header={"jku": "https://elsewhere.example"}),
        "not_access_token": token(header={"typ": "JWT"}),
        "issuer": token(iss="https://elsewhere.example"),
        "audience": token(aud="https://elsewhere.example"),
        "expired": token(exp=now - 3600),
        "not_yet_valid": token(nbf=now + 3600),
        "claims": token(sub=...),
        "signature": token(key=stand_in.rsa_key()),
    }


def test_each_request_is_counted_by_its_route_and_timed(server: Running) -> None:
    token = server.token()
    with (
        counted(server, "resource_requests_total", route="/mcp", method="POST", status="200"),
        counted(server, "resource_requests_total", route="/mcp", method="POST", status="401"),
        counted(server, "resource_request_seconds_count", 2, route="/mcp"),
    ):
        result(server.modern("tools/list", token))
        server.modern("tools/list", None)


def test_what_the_guard_refuses_is_counted_too(server: Running) -> None:
    with counted(server, "resource_requests_total", route="none", method="GET", status="421"):
        assert httpx.get(server.origin + "/healthz2", headers={"Host": "elsewhere.example"}).status_code == 421
    with counted(server, "resource_requests_total", route="none", method="other", status="501"):
        assert httpx.request("PROPFIND", server.mcp).status_code == 501


def test_every_outcome_of_a_verification_has_its_series_from_the_start(server: Running) -> None:
    found = Scrape(server.origin).labels("resource_verifications")
    assert found == {"ok", "no_token", "insufficient_scope", "keys_unavailable", *get_args(Reason)}


@pytest.mark.parametrize("reason", sorted(set(get_args(Reason)) - {"no_scope"}))
def test_a_refused_token_is_counted_by_its_reason(server: Running, reason: str) -> None:
    with counted(server, "resource_verifications_total", outcome=reason):
        assert server.modern("tools/list", flawed(server)[reason]).status_code == 401


def test_a_token_of_another_issuer_without_scope_is_counted(issuer: stand_in.StandIn) -> None:
    with (
        serving(issuer, RESOURCE_TOKEN_PROFILE="jwt") as server,
        counted(server, "resource_verifications_total", outcome="no_scope"),
    ):
        assert server.modern("tools/list", server.token(scope=...)).status_code == 401


def test_other_outcomes_are_counted(server: Running) -> None:
    for outcome, token, status in (
        ("ok", server.token(), 200),
        ("no_token", None, 401),
        ("insufficient_scope", server.token(scope="other"), 403),
    ):
        with counted(server, "resource_verifications_total", outcome=outcome):
            assert server.modern("tools/list", token).status_code == status


def test_a_token_is_verified_once_and_then_remembered(server: Running) -> None:
    token = server.token()
    with (
        counted(server, "resource_verified_cache_total", 2, outcome="hit"),
        counted(server, "resource_verified_cache_total", outcome="miss"),
    ):
        for _ in range(3):
            result(server.modern("tools/list", token))


def test_the_state_of_the_keys_is_told() -> None:
    with stand_in.stand_in() as issuer, serving(issuer) as server:
        server.modern("tools/list", server.token())
        found = Scrape(server.origin)
        assert found.value("resource_jwks_keys") == 1
        assert 0 <= found.value("resource_jwks_age_seconds") < 60
        assert found.value("resource_jwks_fetches_total", outcome="ok") == 1


@pytest.mark.parametrize(("answer", "outcome"), [((200, b"[]"), "unusable"), ((500, b"{}"), "failed")])
def test_an_outage_of_the_issuer_is_told(answer: tuple[int, bytes], outcome: str) -> None:
    with stand_in.stand_in() as issuer:
        issuer.serve("/jwks", answer[1], answer[0])
        with serving(issuer) as server:
            assert server.modern("tools/list", server.token()).status_code == 503
            found = Scrape(server.origin)
            assert found.value("resource_jwks_fetches_total", outcome=outcome) >= 1
            assert found.value("resource_jwks_fetches_total", outcome="ok") == 0
            assert found.value("resource_verifications_total", outcome="keys_unavailable") == 1
            assert found.value("resource_jwks_age_seconds") == float("inf")


def test_open_streams_and_requests_under_way_are_counted_while_they_last(server: Running) -> None:
    token = server.token()
    headers = {"Authorization": f"Bearer {token}", "Accept": "text/event-stream"}
    before = Scrape(server.origin)
    timed = before.value("resource_request_seconds_count", route="/mcp/sse")
    with httpx.stream("GET", f"{server.origin}/mcp/sse", headers=headers, timeout=20) as answer:
        assert answer.status_code == 200
        during = Scrape(server.origin)
        assert during.value("resource_open_streams") == before.value("resource_open_streams") + 1
        assert during.value("resource_requests_in_progress") == 2  # the stream, and the scrape itself
    wait_until(lambda: Scrape(server.origin).value("resource_open_streams") == before.value("resource_open_streams"))
    assert Scrape(server.origin).value("resource_request_seconds_count", route="/mcp/sse") == timed


def test_upstream_processes_are_counted(issuer: stand_in.StandIn, tmp_path: Path) -> None:
    upstream = tmp_path / "upstream.py"
    upstream.write_text(
        'from fastmcp import FastMCP\nmcp = FastMCP("up")\n@mcp.tool\ndef up() -> int: return 1\nmcp.run()\n'
    )
    command = f"{sys.executable} {upstream}"
    with serving(issuer, RESOURCE_UPSTREAM=command, RESOURCE_UPSTREAM_PROCESSES="3") as server:
        assert Scrape(server.origin).value("resource_upstream_processes") == 0
        for person in "alice", "bob":
            result(server.modern("tools/list", server.token(sub=person)))
        found = Scrape(server.origin)
        assert found.value("resource_upstream_processes") == 2
        assert found.value("resource_upstream_processes_max") == 3


# -- who may read it -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("header", PROXIED)
def test_what_came_through_a_proxy_reads_no_metrics(server: Running, header: str) -> None:
    assert httpx.get(f"{server.origin}/metrics", headers={header: "203.0.113.7"}).status_code == 404


def test_no_web_page_reads_metrics(server: Running) -> None:
    answer = httpx.get(f"{server.origin}/metrics", headers={"Origin": "http://127.0.0.1:3000"})
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_metrics_are_for_development_unless_set() -> None:
    public = {"ISSUER": "https://id.example", "BASE_URL": "https://mcp.example"}
    assert load({}).metrics
    assert not load(public).metrics
    assert load({**public, "RESOURCE_METRICS": "1"}).metrics
    assert not load({"RESOURCE_METRICS": "0"}).metrics


@pytest.mark.parametrize(("setting", "status"), [("1", 200), ("0", 421), ("", 421)])
def test_a_scraper_that_was_asked_for_may_use_an_address(issuer: Any, setting: str, status: int) -> None:
    """Prometheus finds replicas by address; in development any name but our own is refused (DNS rebinding)."""
    with serving(issuer, RESOURCE_METRICS=setting) as server:
        answer = httpx.get(f"{server.origin}/metrics", headers={"Host": "10.1.2.3:8000"})
        assert answer.status_code == status


def test_whoever_guards_an_app_of_their_own_has_the_counts_too(issuer: stand_in.StandIn) -> None:
    app, port = FastAPI(), free_port()
    protection = guard(app, FastMCP("own"), issuer=issuer.origin, base_url=f"http://127.0.0.1:{port}")
    with listening(app, port):
        assert httpx.post(f"http://127.0.0.1:{port}/mcp").status_code == 401
        assert httpx.get(f"http://127.0.0.1:{port}/metrics").status_code == 404  # it is their app
    registry = protection.metrics.registry
    assert registry.get_sample_value("resource_verifications_total", {"outcome": "no_token"}) == 1
