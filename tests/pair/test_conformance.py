"""The official MCP conformance suite in its `authorization` mode, with a person at the browser."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import httpx
import pytest
from tests.pair.clients.browser import Browser
from tests.pair.foreign import PROCESSES
from tests.support import node
from tests.support.servers import Pair, free_port

pytestmark = [pytest.mark.node, pytest.mark.browser, PROCESSES]


@pytest.mark.parametrize("revision", ["2026-07-28", "2025-11-25"])
def test_authorization_mode(pair: Pair, browser: Browser, tmp_path: Path, revision: str) -> None:
    port, output = str(free_port()), tmp_path / "output"
    registration = {"redirect_uris": [f"http://127.0.0.1:{port}/callback"], "token_endpoint_auth_method": "none"}
    client_id = httpx.post(f"{pair.issuer}/register", json=registration).json()["client_id"]
    where = ["--url", pair.issuer, "--resource", pair.mcp, "--client-id", client_id, "-p", port]
    suite = subprocess.Popen(
        [*node.script("conformance"), "authorization", *where, "--spec-version", revision, "-o", str(output)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    said = []
    try:
        for line in suite.stdout or ():
            said.append(line)
            if line.startswith(f"{pair.issuer}/authorize?"):
                browser.open(line.strip())
        code = suite.wait()
    finally:
        suite.kill()

    assert code == 0, "".join(said)
    checks = [check for file in output.rglob("checks.json") for check in json.loads(file.read_text())]
    assert {"authorization-server-metadata", "authorization-code-grant"} <= {check["id"] for check in checks}
    assert [check for check in checks if check["status"] not in ("SUCCESS", "WARNING")] == []
