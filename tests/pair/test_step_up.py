"""Step-up (MCP authorization, Scope Challenge Handling): a client that signed in for little asks for more by itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.pair.clients.browser import Browser
from tests.pair.foreign import PROCESSES, assert_worked
from tests.pair.test_sdks import LEGACY, MODERN, case, drive
from tests.support import servers
from tests.support.servers import Pair

NOTE = "milk"


def remember(name: str, pair: Pair, browser: Browser, folder: Path, era: str = "legacy") -> dict[str, Any]:
    """Sign in, keep a note and read it."""
    arguments = ("--store", str(folder / "store"), "--era", era, "--remember", NOTE)
    result = drive(name, pair.mcp, *arguments, **browser.environment()).result
    assert_worked(result, "alice")
    assert without_offline(result["whoami"]["scopes"]) == ["mcp:tools"]
    return result


def without_offline(scopes: Iterable[str]) -> list[str]:
    """Some clients add offline_access by themselves, so as to get a refresh token."""
    return sorted(set(scopes) - {"offline_access"})


def asked_for(browser: Browser) -> list[list[str]]:
    """The scopes of each page that the person saw, in order."""
    visits = browser.visits()
    assert not [visit for visit in visits if visit["problems"]]
    return [without_offline(parse_qs(urlsplit(visit["opened"]).query)["scope"][0].split()) for visit in visits]


@PROCESSES
@pytest.mark.parametrize(
    ("name", "era", "protocol"),
    [
        case("fastmcp", "auto", MODERN, browser=True),
        case("fastmcp", "legacy", LEGACY, browser=True),
        case("mcp", "auto", MODERN, browser=True),
        case("mcp", "legacy", LEGACY, browser=True),
        case("client-v2", "auto", MODERN, browser=True),
        case("client-v2", "legacy", LEGACY, browser=True),
    ],
)
def test_more_is_asked_for_when_it_is_needed(
    pair: Pair, browser: Browser, tmp_path: Path, name: str, era: str, protocol: str
) -> None:
    """First for writing, then for reading; what was granted before stays."""
    result = remember(name, pair, browser, tmp_path, era)
    assert result["protocol"] == protocol
    assert result["recall"][-1] == NOTE
    assert asked_for(browser) == [
        ["mcp:tools"],
        ["mcp:tools", "notes:write"],
        ["mcp:tools", "notes:read", "notes:write"],
    ]
    assert without_offline(result["later"]["scopes"]) == ["mcp:tools", "notes:read", "notes:write"]
    assert result["later"]["client_id"] == result["whoami"]["client_id"]


@PROCESSES
@pytest.mark.parametrize("name", [case("sdk-v1", browser=True)])
def test_typescript_v1_refreshes_instead(pair: Pair, browser: Browser, tmp_path: Path, name: str) -> None:
    """It has a refresh token, spends it without asking for more, and gives up (anthropics/claude-code#28258).

    Should this fail one day, the SDK has learnt it: then it belongs to the test above.
    """
    result = remember(name, pair, browser, tmp_path)
    gave_up = {"error": "StreamableHTTPError: Streamable HTTP error: Server returned 403 after trying upscoping"}
    assert result["remember"] == result["recall"] == gave_up
    assert asked_for(browser) == [["mcp:tools"]]
    assert without_offline(result["later"]["scopes"]) == ["mcp:tools"]


@pytest.fixture(scope="module")
def telling(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """A pair that says it in the result, for such clients."""
    with servers.processes(tmp_path_factory.mktemp("telling"), RESOURCE_SCOPE_CHALLENGE="result") as pair:
        yield pair


@pytest.mark.parametrize("name", [case("sdk-v1", browser=True)])
def test_typescript_v1_can_be_told(telling: Pair, browser: Browser, tmp_path: Path, name: str) -> None:
    """The person reads what is missing, the session goes on, and a sign-in for all of it is enough."""
    result = remember(name, telling, browser, tmp_path)
    needs = "insufficient_scope: this operation needs mcp:tools notes:{}; sign in again and allow it"
    assert result["remember"] == {"error": f"Error: {needs.format('write')}"}
    assert result["recall"] == {"error": f"Error: {needs.format('read')}"}
    assert result["later"] == result["whoami"]
    token = telling.token(sub="alice", scope="mcp:tools notes:write notes:read")
    allowed = drive(name, telling.mcp, "--token", token, "--remember", NOTE).result
    assert allowed["recall"] == [NOTE]
