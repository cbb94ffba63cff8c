"""The listening socket, and how a process leaves."""

from __future__ import annotations

import signal
import socket
import time
from pathlib import Path

import httpx
import pytest
from tests.support import servers

from issuer import wire


def test_connections_are_answered_without_delay() -> None:
    # asyncio sets TCP_NODELAY only on sockets that say they are TCP; without it every answer on a kept connection
    # waits 40 ms for the client's acknowledgement.
    (listening,) = wire.listen("127.0.0.1", 0)
    with listening:
        assert listening.proto == socket.IPPROTO_TCP


@pytest.mark.parametrize("name", servers.NAMES)
def test_told_to_end_it_says_so_before_it_stops_to_listen(name: servers.Name, tmp_path: Path) -> None:
    port, address = servers.free_port(), "http://127.0.0.1:1"
    setting = name.upper()
    settings = {"ISSUER": f"http://127.0.0.1:{port}"} if name == "issuer" else {"ISSUER": address}
    settings |= {f"{setting}_PORT": str(port), f"{setting}_DRAIN_SECONDS": "3", "BASE_URL": f"http://127.0.0.1:{port}"}
    service = servers.spawn(name, tmp_path, **settings)
    assert service.process
    try:
        with httpx.Client(base_url=service.origin, timeout=20) as kept:
            deadline = time.monotonic() + servers.READY_SECONDS
            while "Listening" not in service.log():
                assert service.process.poll() is None, service.log()
                assert time.monotonic() < deadline, service.log()
                time.sleep(0.05)
            assert "connection" not in kept.get("/healthz").headers
            service.process.send_signal(signal.SIGTERM)
            while "Told to end" not in service.log():
                assert time.monotonic() < deadline, service.log()
                time.sleep(0.01)
            leaving = kept.get("/readyz")
            assert leaving.status_code == 503
            assert leaving.json()["error"] == "temporarily_unavailable"
            assert leaving.headers["retry-after"]
            assert leaving.headers["x-request-id"]
            # Whoever still comes is served, and the connection closed by whom knows it first.
            for asked in (leaving, kept.get("/healthz"), httpx.get(f"{service.origin}/healthz")):
                assert asked.headers["connection"] == "close"
            assert asked.status_code == 200
        assert service.process.wait(20) == 0
    finally:
        service.stop()
