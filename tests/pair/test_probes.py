"""Probes of both services: by GET and by HEAD, and quiet in the log, where they would drown everything else."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.support import servers
from tests.support.servers import NAMES, Name, Service

PATHS = {"issuer": ("/healthz", "/readyz"), "resource": ("/healthz", "/readyz", "/mcp/health")}


@pytest.fixture(params=["info", "debug"])
def level(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture(params=NAMES)
def service(request: pytest.FixtureRequest, level: str, tmp_path: Path) -> Iterator[Service]:
    """One of both, alone: the resource finds no issuer."""
    name: Name = request.param
    setting, port = name.upper(), servers.free_port()
    settings = {f"{setting}_PORT": str(port), f"{setting}_LOG_FORMAT": "json", f"{setting}_LOG_LEVEL": level}
    settings |= {"BASE_URL": f"http://127.0.0.1:{port}"} if name == "resource" else {}
    nobody = {"ISSUER": f"http://127.0.0.1:{servers.free_port() if name == 'resource' else port}"}
    started = servers.spawn(name, tmp_path, **settings, **nobody)
    try:
        deadline = time.monotonic() + servers.READY_SECONDS
        while "Listening" not in started.log():
            assert started.process
            assert started.process.poll() is None, started.log()
            assert time.monotonic() < deadline, started.log()
            time.sleep(0.05)
        yield started
    finally:
        started.stop()


def requests(service: Service) -> list[dict[str, Any]]:
    return [line for line in map(json.loads, service.log().splitlines()) if line["event"] == "request"]


def test_probes_answer_to_get_and_head_and_are_quiet(service: Service, level: str) -> None:
    expected = []
    for path in PATHS[service.name]:
        lives = service.name == "issuer" or path == "/healthz"
        for method in ("GET", "HEAD"):
            answer = httpx.request(method, service.origin + path)
            assert answer.status_code == (200 if lives else 503), path
            assert (answer.content == b"") == (method == "HEAD")
            expected.append((method, path, answer.status_code, "debug" if lives else "warning"))
    httpx.get(f"{service.origin}/nothing")  # the last line: those before are written by then
    expected.append(("GET", "/nothing", 404, "info"))
    deadline = time.monotonic() + 20
    while not (found := requests(service)) or found[-1]["path"] != "/nothing":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    written = [(line["method"], line["path"], line["status"], line["level"]) for line in found]
    assert written == [line for line in expected if level == "debug" or line[3] != "debug"]
