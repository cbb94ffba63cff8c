"""The MCP Inspector's command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.pair.clients.browser import Browser
from tests.pair.foreign import PROCESSES, Outcome, run, wait_until_ended
from tests.support import node
from tests.support.servers import Pair, free_port

pytestmark = pytest.mark.node
AUTH_REQUIRED = 3  # its exit code


def inspect(pair: Pair, home: Path, *arguments: str, **environment: str) -> Outcome:
    """Run it with a home of its own, where it keeps registrations and tokens."""
    settings = {"HOME": str(home), "MCP_INSPECTOR_SECRET_STORE": "file", "MCP_AUTO_OPEN_ENABLED": "true"}
    start = [*node.script("mcp-inspector"), "--cli", pair.mcp, "--transport", "http", "--format", "json"]
    return run([*start, *arguments], **settings, **environment)


def called(outcome: Outcome) -> Any:
    """What the tool answered."""
    assert outcome.code == 0, outcome.stderr
    return json.loads(outcome.stdout)["result"]["structuredContent"]


@PROCESSES
@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_with_a_token(pair: Pair, tmp_path: Path, era: str) -> None:
    header = ("--header", f"Authorization: Bearer {pair.token(sub='ada')}", "--protocol-era", era)
    listed = inspect(pair, tmp_path, *header, "--method", "tools/list")
    assert "whoami" in listed.stdout
    call = ("--method", "tools/call", "--tool-name")
    assert called(inspect(pair, tmp_path, *header, *call, "add_numbers", "--tool-arg", "a=2", "b=3"))["result"] == 5
    assert called(inspect(pair, tmp_path, *header, *call, "whoami"))["subject"] == "ada"


@PROCESSES
def test_without_a_token(pair: Pair, tmp_path: Path) -> None:
    refused = inspect(pair, tmp_path, "--stored-auth-only", "--method", "tools/list")
    assert refused.code == AUTH_REQUIRED
    assert json.loads(refused.stderr.splitlines()[-1])["error"]["code"] == "auth_required"


@pytest.mark.browser
def test_a_person_signs_in_once(brief_pair: Pair, browser: Browser, tmp_path: Path) -> None:
    """The second start comes when the first token has ended, and renews it without asking."""
    callback = f"http://127.0.0.1:{free_port()}/oauth/callback"
    whoami = ("--callback-url", callback, "--method", "tools/call", "--tool-name", "whoami")
    first = called(inspect(brief_pair, tmp_path, *whoami, **browser.environment()))
    assert first["subject"] == "alice"

    wait_until_ended(first)
    second = called(inspect(brief_pair, tmp_path, *whoami, "--stored-auth-only"))
    assert second["client_id"] == first["client_id"]
    assert second["expires_at"] > first["expires_at"]
    assert len(browser.visits()) == 1
