"""`docker compose up` in any order: the resource waits for nobody, says what it lacks, and is well by itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import httpx
import pytest
from tests.faults.scale import fault
from tests.hostile.rows import row
from tests.resource.running import ACCEPT, META, MODERN
from tests.resource.stand_in import claims, rsa_key, sign
from tests.support import servers
from tests.support.machine import ROOT

PATIENCE = 120
BODY = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": META}}
HEADERS = {**ACCEPT, "MCP-Protocol-Version": MODERN, "Mcp-Method": "tools/list"}


@pytest.fixture
def compose() -> Iterator[servers.Compose]:
    """Nothing runs yet."""
    made = servers.Compose("docker-compose.yml", {})
    try:
        yield made
    finally:
        made("down", "--volumes", "--timeout", "10", check=False)


def seconds_until(wanted: int, url: str) -> float:
    """How long it took until `url` answered with this status."""
    started = time.monotonic()
    while True:
        with suppress(httpx.TransportError):
            if httpx.get(url, timeout=10).status_code == wanted:
                return time.monotonic() - started
        assert time.monotonic() - started < PATIENCE, f"{url} does not answer {wanted}"
        time.sleep(0.1)


def call(mcp: str, token: str) -> httpx.Response:
    return httpx.post(mcp, json=BODY, headers={**HEADERS, "Authorization": f"Bearer {token}"}, timeout=30)


@pytest.mark.containers
@row("RS-19")
@fault("the resource's container starts before the issuer's", service="resource")
def test_the_resource_first(compose: servers.Compose, record_property: Callable[[str, object], None]) -> None:
    issuer, resource = (compose.service(name).origin for name in servers.NAMES)
    mcp = f"{resource}/mcp"
    compose("up", "--build", "--detach", "--no-deps", "resource")
    seconds_until(200, f"{resource}/healthz")
    seconds_until(503, f"{resource}/readyz")
    early = call(mcp, sign(rsa_key(), claims(issuer, mcp)))
    assert early.status_code == 503
    assert int(early.headers["retry-after"]) <= 3
    compose("up", "--build", "--detach", "issuer")
    seconds_until(200, f"{issuer}/readyz")
    record_property("seconds until well again", round(seconds_until(200, f"{resource}/readyz"), 1))
    pair = servers.Pair("containers", issuer, resource, ROOT / "keys", {})
    token = pair.token()
    compose("stop", "issuer")
    assert call(mcp, token).status_code == 200, "known keys go on"
    compose("restart", "resource")
    seconds_until(503, f"{resource}/readyz")
    assert call(mcp, token).status_code == 503
    compose("start", "issuer")
    seconds_until(200, f"{resource}/readyz")
    assert call(mcp, token).status_code == 200
