"""Strict OAuth and OpenID Connect libraries as clients: oauth4webapi and openid-client check every answer they get."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.pair.clients.browser import Browser
from tests.pair.foreign import PROCESSES, run
from tests.support import node
from tests.support.servers import Pair

pytestmark = [
    pytest.mark.node,
    pytest.mark.browser,
    PROCESSES,
]


def start_twice(program: str, pair: Pair, browser: Browser, store: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Sign in, then start again with what the first start stored, which must ask nobody."""
    command = [*node.script(program), "--url", pair.mcp, "--store", str(store)]
    first = run(command, **browser.environment()).result
    second = run(command, **browser.environment()).result
    assert len(browser.visits()) == 1
    for result in first, second:
        assert result["whoami"]["subject"] == "alice"
    assert first["whoami"]["client_id"] == second["whoami"]["client_id"]
    return first, second


def test_oauth4webapi(pair: Pair, browser: Browser, tmp_path: Path) -> None:
    first, second = start_twice("oauth4webapi.mjs", pair, browser, tmp_path / "store")
    assert first["claims"]["aud"] == pair.mcp
    assert first["claims"]["jti"] != second["claims"]["jti"]


def test_openid_client(pair: Pair, browser: Browser, tmp_path: Path) -> None:
    first, second = start_twice("openid_client.mjs", pair, browser, tmp_path / "store")
    assert first["userinfo"]["sub"] == first["idToken"]["sub"] == "alice"
    if "idToken" in second:  # OpenID Connect Core §12.2: a refresh need not bring one
        assert second["idToken"]["auth_time"] == first["idToken"]["auth_time"]
