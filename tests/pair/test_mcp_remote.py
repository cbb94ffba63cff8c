"""mcp-remote: a client that knows only stdio reaches the protected server through it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters
from tests.pair.clients.browser import Browser
from tests.pair.clients.driver import use_tools
from tests.pair.foreign import LIFETIME, PROCESSES, assert_worked
from tests.support import node
from tests.support.servers import Pair

pytestmark = pytest.mark.node


async def through_mcp_remote(
    url: str, home: Path, *arguments: str, environment: dict[str, str], idle: float | None = None
) -> dict[str, Any]:
    """Start it as an editor does, with a folder of its own for credentials, and use the tools behind it."""
    start = [*node.script("mcp-remote"), url, "--auth-timeout", "100", *arguments]
    environment = {**os.environ, "MCP_REMOTE_CONFIG_DIR": str(home), **environment}
    async with Client(StdioServerParameters(command=start[0], args=start[1:], env=environment)) as client:
        return await use_tools(client, idle)


@PROCESSES
@pytest.mark.parametrize(("path", "transport"), [("", "http-only"), ("/sse", "sse-only")])
async def test_with_a_token(pair: Pair, tmp_path: Path, path: str, transport: str) -> None:
    header = ("--header", "Authorization:Bearer ${TOKEN}", "--transport", transport)
    result = await through_mcp_remote(pair.mcp + path, tmp_path, *header, environment={"TOKEN": pair.token(sub="ada")})
    assert_worked(result, "ada")


@pytest.mark.browser
async def test_a_person_signs_in_once(brief_pair: Pair, browser: Browser, tmp_path: Path) -> None:
    first = await through_mcp_remote(brief_pair.mcp, tmp_path, environment=browser.environment(), idle=LIFETIME + 1)
    assert_worked(first, "alice")
    assert first["later"]["expires_at"] > first["whoami"]["expires_at"]

    second = await through_mcp_remote(brief_pair.mcp, tmp_path, environment=browser.environment())
    assert_worked(second, "alice")
    assert second["whoami"]["client_id"] == first["whoami"]["client_id"]
    assert len(browser.visits()) == 1
