"""`ISSUER_WORKERS`: several processes on one port, started and ended as one."""

from __future__ import annotations

import contextlib
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from tests.support.scraped import Scrape
from tests.support.servers import Service, free_port, running


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Service]:
    port = str(free_port())
    settings = {"ISSUER": f"http://127.0.0.1:{port}", "ISSUER_PORT": port, "ISSUER_WORKERS": "2"}
    with running("issuer", tmp_path, **settings) as service:
        wait_for(lambda: service.log().count("Listening on") == 2, "both serve")
        yield service


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def workers(service: Service) -> list[psutil.Process]:
    assert service.process is not None
    return psutil.Process(service.process.pid).children()


def alive(process: psutil.Process) -> bool:
    """Whoever inherits what a dead parent left may be slow to notice that it has ended."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_all_serve_one_issuer(pair: Service) -> None:
    """Connections are dealt out among both; one key and one client, whichever process answers."""
    secret = (pair.folder / "keys" / "mcp-client.secret").read_text().strip()
    seen = set()
    with contextlib.ExitStack() as stack:
        for _ in range(40):
            web = stack.enter_context(httpx.Client(base_url=pair.origin, timeout=30))
            answer = web.post("/token", data={"grant_type": "client_credentials"}, auth=("mcp-client", secret))
            seen.add((answer.status_code, web.get("/.well-known/jwks.json").text))
        busy = [[c for c in child.net_connections("tcp") if c.status == "ESTABLISHED"] for child in workers(pair)]
    assert [status for status, _ in seen] == [200]
    assert sum(map(len, busy)) == 40
    assert all(busy), "one process got every connection"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_who_ends_the_parent_ends_all(pair: Service, number: signal.Signals) -> None:
    assert pair.process is not None
    children = workers(pair)
    pair.process.send_signal(number)
    assert pair.process.wait(60) == 0
    wait_for(lambda: not any(child.is_running() for child in children), "a worker was left behind")
    assert "Traceback" not in pair.log()


def test_a_worker_that_dies_ends_all(pair: Service) -> None:
    assert pair.process is not None
    first, second = workers(pair)
    first.kill()
    assert pair.process.wait(60) == 1
    wait_for(lambda: not second.is_running(), "the other one serves on alone")
    assert "A worker has ended by itself" in pair.log()


def test_when_the_parent_is_killed_all_end_and_the_port_is_free(pair: Service) -> None:
    """Nothing tells them by a signal; whoever starts the issuer anew must find its port free."""
    assert pair.process is not None
    children = workers(pair)
    pair.process.kill()
    pair.process.wait(60)
    wait_for(lambda: not any(map(alive, children)), "a worker was left behind")
    socket.create_server(("127.0.0.1", int(pair.origin.rpartition(":")[2]))).close()
    assert pair.log().count("The parent of this worker is gone") == 2
    assert "Traceback" not in pair.log()


JWKS = {"route": "/.well-known/jwks.json"}


def test_metrics_are_of_all_workers_whichever_answers(pair: Service) -> None:
    """Counters and histograms are sums; gauges bear the worker's number."""
    for _ in range(40):
        httpx.get(f"{pair.origin}/.well-known/jwks.json")
    name, labels = "issuer_requests_total", {**JWKS, "method": "GET", "status": "200"}
    wait_for(lambda: Scrape(pair.origin).value(name, **labels) == 40, "all are counted")  # right after the answer
    for _ in range(20):  # each on a connection of its own
        found = Scrape(pair.origin)
        assert found.value(name, **labels) == 40
        assert found.value("issuer_request_seconds_count", **JWKS) == 40
        assert found.value("issuer_request_seconds_bucket", **JWKS, le="+Inf") == 40
        assert [found.value("issuer_published_keys", worker=worker) for worker in "01"] == [1, 1]
        assert sum(found.value("issuer_requests_in_progress", worker=worker) for worker in "01") >= 1


def test_a_scrape_fails_when_a_worker_does_not_tell(pair: Service) -> None:
    """A sum that goes back and comes again would be read as twice the traffic."""
    first, second = workers(pair)
    first.suspend()
    try:
        with contextlib.ExitStack() as stack:
            answers = []
            for _ in range(20):  # until one reaches the other worker; the rest hang with the first
                web = stack.enter_context(httpx.Client(timeout=httpx.Timeout(10)))
                with contextlib.suppress(httpx.ReadTimeout):
                    answers.append(web.get(f"{pair.origin}/metrics"))
                    break
        assert [(answer.status_code, answer.headers["retry-after"]) for answer in answers] == [(503, "5")]
    finally:
        first.resume()
    assert second.is_running()
    Scrape(pair.origin)
