"""`ISSUER_WORKERS`: several processes on one port, started and ended as one."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest
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


def test_all_serve_one_issuer(pair: Service) -> None:
    """One key and one client, whichever process answers, and each of the two can alone."""
    one, two = workers(pair)
    secret = (pair.folder / "keys" / "mcp-client.secret").read_text().strip()
    seen = []
    for resting in one, two:
        resting.suspend()
        try:
            with httpx.Client(base_url=pair.origin, timeout=30) as web:
                form = {"grant_type": "client_credentials"}
                answer = web.post("/token", data=form, auth=("mcp-client", secret))
                keys = web.get("/.well-known/jwks.json").json()["keys"]
        finally:
            resting.resume()
        seen.append((answer.status_code, answer.json()["scope"], [key["kid"] for key in keys]))
    assert seen == [(200, "mcp:tools", seen[0][2])] * 2
    assert len(list((pair.folder / "keys").glob("*.pem"))) == 1


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
