"""What the issuer counts, and who may read it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from tests.issuer.started import Issuer, started
from tests.support.postgres import Cluster
from tests.support.scraped import Scrape

from issuer import sweep

MACHINE = {"grant_type": "client_credentials", "client_id": "mcp-client"}


def wait_for(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.02)


def secret_of(folder: Path) -> str:
    return (folder / "keys" / "mcp-client.secret").read_text().strip()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scraped")


@pytest.fixture(scope="module")
def own(folder: Path) -> Iterator[Issuer]:
    """An issuer that nobody else asks."""
    with started(folder) as issuer:
        yield issuer


def test_token_requests_are_counted_by_grant_and_outcome(own: Issuer, folder: Path):
    sent = [
        ({**MACHINE, "client_secret": secret_of(folder)}, "client_credentials", "issued"),
        ({**MACHINE, "client_secret": "wrong"}, "client_credentials", "invalid_client"),
        ({**MACHINE, "client_secret": secret_of(folder), "scope": "no such"}, "client_credentials", "invalid_scope"),
        ({**MACHINE, "client_secret": secret_of(folder), "grant_type": "x"}, "unknown", "unsupported_grant_type"),
        ({"client_id": "mcp-client", "client_secret": secret_of(folder)}, "unknown", "invalid_request"),
    ]
    before = Scrape(own.origin)
    for form, _, _ in sent:
        own.http.post("/token", data=form)
    after = Scrape(own.origin)
    for _, grant, outcome in sent:
        name = "issuer_token_requests_total"
        grown = after.value(name, grant=grant, outcome=outcome) - before.value(name, grant=grant, outcome=outcome)
        assert grown == 1, (grant, outcome)


def test_introspections_are_counted(own: Issuer, folder: Path):
    client = ("mcp-client", secret_of(folder))
    live = own.http.post("/token", data={**MACHINE, "client_secret": client[1]}).json()["access_token"]
    for token in live, "nonsense":
        own.http.post("/introspect", data={"token": token}, auth=client)
    found = Scrape(own.origin)
    assert found.value("issuer_introspections_total", outcome="active") == 1
    assert found.value("issuer_introspections_total", outcome="inactive") == 1


def test_requests_are_counted_by_route_and_timed(own: Issuer):
    before = Scrape(own.origin)
    own.http.get("/.well-known/jwks.json")
    after, labels = Scrape(own.origin), {"route": "/.well-known/jwks.json"}
    name, labelled = "issuer_requests_total", {**labels, "method": "GET", "status": "200"}
    assert after.value(name, **labelled) == before.value(name, **labelled) + 1
    assert after.value("issuer_request_seconds_count", **labels) >= 1
    assert after.value("issuer_requests_in_progress") == 1  # this very scrape


def test_the_state_of_the_keys_is_told(own: Issuer):
    found = Scrape(own.origin)
    assert found.value("issuer_published_keys") == 1
    assert found.value("issuer_coming_keys") == 0
    own.clock.now += 100
    assert Scrape(own.origin).value("issuer_signing_key_age_seconds") - found.value(
        "issuer_signing_key_age_seconds"
    ) == pytest.approx(100)


def test_sweeps_are_counted(own: Issuer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sweep, "_EVERY", 0.01)
    task = asyncio.run_coroutine_threadsafe(sweep.forever(own.server), own.loop)
    try:
        wait_for(lambda: Scrape(own.origin).value("issuer_sweeps_total", outcome="done") >= 1)
    finally:
        task.cancel()
    assert Scrape(own.origin).value("issuer_sweeps_total", outcome="failed") == 0


@pytest.mark.postgres
def test_the_pool_of_connections_is_told(tmp_path: Path, cluster: Cluster):
    """Four transactions on a pool of three: three connections are busy, one transaction waits."""

    def state(issuer: Issuer) -> tuple[float, ...]:
        found, name = Scrape(issuer.origin), "issuer_database_connections"
        return tuple(map(found.value, (name, f"{name}_busy", "issuer_database_waiting", f"{name}_max")))

    release = threading.Event()
    url = cluster.create()
    with started(tmp_path, ISSUER_DATABASE=url, ISSUER_DATABASE_POOL="3") as issuer:
        store = issuer.server.store
        for _ in range(4):
            asyncio.run_coroutine_threadsafe(store.read(lambda tx: release.wait(30)), issuer.loop)
        wait_for(lambda: state(issuer) == (3, 3, 1, 3))
        release.set()
        wait_for(lambda: state(issuer) == (3, 0, 0, 3))
    cluster.drop(url)


@pytest.mark.parametrize("header", ["Forwarded", "X-Forwarded-For", "X-Real-IP", "Via"])
def test_what_came_through_a_proxy_reads_no_metrics(own: Issuer, header: str):
    assert own.http.get("/metrics", headers={header: "203.0.113.7"}).status_code == 404


def test_no_web_page_reads_metrics(own: Issuer):
    answer = own.http.get("/metrics", headers={"Origin": "http://127.0.0.1:3000"})
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_a_scraper_that_was_asked_for_may_use_an_address(own: Issuer, tmp_path: Path):
    """Prometheus finds replicas by address; in development any name but our own is refused (DNS rebinding)."""
    by_address = {"Host": "10.1.2.3:9000"}
    assert own.http.get("/metrics", headers=by_address).status_code == 421
    with started(tmp_path, ISSUER_METRICS="1") as issuer:
        assert httpx.get(f"{issuer.origin}/metrics", headers=by_address).status_code == 200
