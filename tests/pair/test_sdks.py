"""The MCP client libraries: Python SDK, FastMCP, and both lines of the TypeScript SDK, each in a program of its own."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from tests.pair.clients.browser import Browser
from tests.pair.foreign import AND_SCALED, LIFETIME, PROCESSES, Outcome, assert_worked, run, wait_until_ended
from tests.support import node
from tests.support.servers import Pair

PROGRAMS = {"mcp": "mcp_client", "fastmcp": "fastmcp_client", "sdk-v1": "sdk_v1.mjs", "client-v2": "client_v2.mjs"}
# After a restart the Python SDK has its refresh token, but has forgotten which token endpoint it is for
# (modelcontextprotocol/python-sdk#3250): it signs in anew. Should this fail one day, the SDK has learnt it.
ASKS_AGAIN = {"mcp", "fastmcp"}
LEGACY, MODERN = "2025-11-25", "2026-07-28"


def case(name: str, *more: str, browser: bool = False) -> object:
    """A test case of program `name`, which this machine can run or not."""
    marks = [pytest.mark.node] * PROGRAMS[name].endswith(".mjs") + [pytest.mark.browser] * browser
    return pytest.param(name, *more, marks=marks, id="-".join((name, *more)))


def drive(name: str, url: str, *arguments: str, **environment: str) -> Outcome:
    program = PROGRAMS[name]
    python = [sys.executable, "-m", f"tests.pair.clients.{program}"]
    start = node.script(program) if program.endswith(".mjs") else python
    return run([*start, "--url", url, *arguments], **environment)


@AND_SCALED
@pytest.mark.parametrize(
    ("name", "era", "protocol"),
    [
        case("mcp", "auto", MODERN),
        case("mcp", "legacy", LEGACY),
        case("fastmcp", "auto", MODERN),
        case("fastmcp", "legacy", LEGACY),
        case("sdk-v1", "legacy", LEGACY),
        case("client-v2", "auto", MODERN),
        case("client-v2", "legacy", LEGACY),
    ],
)
def test_a_token_opens_the_tools_in_both_eras(pair: Pair, name: str, era: str, protocol: str) -> None:
    token = pair.token(sub="ada")
    result = drive(name, pair.mcp, "--token", token, "--era", era).result
    assert_worked(result, "ada")
    assert result["protocol"] == protocol


@AND_SCALED
@pytest.mark.parametrize("name", [case(name) for name in PROGRAMS])
def test_a_token_opens_the_tools_over_sse(pair: Pair, name: str) -> None:
    token = pair.token(sub="ada")
    result = drive(name, f"{pair.mcp}/sse", "--token", token, "--transport", "sse", "--era", "legacy").result
    assert_worked(result, "ada")


@PROCESSES
@pytest.mark.parametrize("name", [case(name) for name in PROGRAMS])
def test_without_a_token_each_says_that_it_is_refused(pair: Pair, name: str) -> None:
    refused = drive(name, pair.mcp)
    assert refused.code == 1
    assert "needs an access token" in refused.answer["error"]["message"]


@AND_SCALED
@pytest.mark.parametrize("name", [case(name, browser=True) for name in PROGRAMS])
def test_a_person_signs_in_once(pair: Pair, browser: Browser, tmp_path: Path, name: str) -> None:
    """The first start registers and opens one page; the second works with what the first stored."""
    store = ("--store", str(tmp_path / "store"))
    first, second = (drive(name, pair.mcp, *store, **browser.environment()).result for _ in range(2))
    for result in first, second:
        assert_worked(result, "alice")
    assert second["whoami"] == first["whoami"]
    [visit] = browser.visits()
    assert visit["pages"] == ["Sign in", "Approve access"]
    assert not visit["problems"]


@pytest.mark.parametrize("name", [case(name, browser=True) for name in PROGRAMS])
def test_a_token_that_ended_is_renewed(brief_pair: Pair, browser: Browser, tmp_path: Path, name: str) -> None:
    """While the program runs, and by its next start; what the person sees of it is counted."""
    store = ("--store", str(tmp_path / "store"))
    first = drive(name, brief_pair.mcp, *store, "--idle", str(LIFETIME + 1), **browser.environment()).result
    assert_worked(first, "alice")
    assert first["later"]["expires_at"] > first["whoami"]["expires_at"]
    assert len(browser.visits()) == 1

    wait_until_ended(first["later"])
    second = drive(name, brief_pair.mcp, *store, **browser.environment()).result
    assert_worked(second, "alice")
    assert second["whoami"]["client_id"] == first["whoami"]["client_id"]
    assert len(browser.visits()) == (2 if name in ASKS_AGAIN else 1)
