"""`fastmcp list` and `fastmcp call`, as README shows them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.pair.clients.browser import Browser
from tests.pair.foreign import PROCESSES, Outcome, run
from tests.support.servers import Pair

pytestmark = PROCESSES
FASTMCP = str(Path(sys.executable).with_name("fastmcp"))


def called(outcome: Outcome) -> Any:
    """What the tool answered."""
    assert outcome.code == 0, outcome.stderr
    return json.loads(outcome.stdout)["structured_content"]


def test_with_a_token(pair: Pair) -> None:
    token = ("--auth", pair.token(sub="ada"))
    listed = run([FASTMCP, "list", pair.mcp, *token])
    assert listed.code == 0, listed.stderr
    assert {"hello", "add_numbers", "whoami"} <= set(listed.stdout.replace("(", " ").split())
    sse = ("--transport", "sse")
    assert run([FASTMCP, "list", f"{pair.mcp}/sse", *sse, *token]).stdout == listed.stdout
    assert called(run([FASTMCP, "call", pair.mcp, "add_numbers", "a=2", "b=3", "--json", *token]))["result"] == 5


def test_without_a_token(pair: Pair) -> None:
    refused = run([FASTMCP, "call", pair.mcp, "whoami", "--auth", "none"])
    assert refused.code != 0
    assert "access token" in refused.stdout + refused.stderr


@pytest.mark.browser
def test_with_nothing_but_the_url(pair: Pair, browser: Browser) -> None:
    assert called(run([FASTMCP, "call", pair.mcp, "whoami", "--json"], **browser.environment()))["subject"] == "alice"
    assert len(browser.visits()) == 1
