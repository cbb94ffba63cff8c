"""A published stdio server from npm behind the guard, called by clients from npm: a process for each subject."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.pair.foreign import run
from tests.support import node, servers

pytestmark = pytest.mark.node
ERAS = ("legacy", "modern")


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[servers.Pair]:
    """A pair whose resource was started with `--upstream` and the command of the server from npm."""
    upstream = shlex.join(node.script("mcp-server-everything"))
    command = [sys.executable, "-m", "resource_server", "serve", "--upstream", upstream]
    settings = {"RESOURCE_UPSTREAM_ENV": "ITS_API_KEY", "ITS_API_KEY": "its own", "NOT_FOR_IT": "a secret of ours"}
    with servers.processes(tmp_path, resource_command=command, **settings) as started:
        yield started


def inspect(pair: servers.Pair, token: str, era: str, *call: str) -> dict[str, Any]:
    """One start of the MCP Inspector's command line; the result that it got."""
    home = {"HOME": str(pair.keys.parent), "MCP_INSPECTOR_SECRET_STORE": "file"}
    where = ["--cli", pair.mcp, "--transport", "http", "--format", "json", "--protocol-era", era]
    done = run(
        [*node.script("mcp-inspector"), *where, "--header", f"Authorization: Bearer {token}", "--method", *call], **home
    )
    assert done.code == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)["result"]
    assert not result.get("isError"), result
    return result


def started_by(pair: servers.Pair) -> dict[int, psutil.Process]:
    """The processes of the upstream that run now."""
    resource = pair.services["resource"].process
    assert resource is not None
    children = psutil.Process(resource.pid).children(recursive=True)
    return {child.pid: child for child in children if "mcp-server-everything" in " ".join(child.cmdline())}


def test_a_server_from_npm(pair: servers.Pair) -> None:
    alice, bob = pair.token(sub="alice"), pair.token(sub="bob")
    for era in ERAS:
        tools = inspect(pair, alice, era, "tools/list")["tools"]
        assert {"echo", "get-sum", "get-env"} <= {tool["name"] for tool in tools}
        call = ("tools/call", "--tool-name", "get-sum", "--tool-arg", "a=2", "b=3")
        assert "5" in inspect(pair, alice, era, *call)["content"][0]["text"]
    of_alice = started_by(pair)
    assert len(of_alice) == 1, "one process, whatever was asked and in whichever era"

    seen = inspect(pair, bob, "modern", "tools/call", "--tool-name", "get-env")["content"][0]["text"]
    of_both = started_by(pair)
    assert len(of_both) == 2, "each subject has a process"
    assert of_alice.keys() < of_both.keys()

    variables = json.loads(seen)
    assert variables["ITS_API_KEY"] == "its own"
    assert "NOT_FOR_IT" not in variables
    assert not [name for name in variables if name.startswith(("ISSUER", "RESOURCE", "BASE_URL"))]
    for process in of_both.values():
        known = str([*process.environ().items(), *process.cmdline()])
        assert alice not in known
        assert bob not in known

    pair.services["resource"].stop()
    assert psutil.wait_procs(of_both.values(), timeout=30)[1] == [], "they outlive the resource"
