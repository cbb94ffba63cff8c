"""`ISSUER_WORKERS`: several processes on one port, started and ended as one."""

from __future__ import annotations

import contextlib
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
