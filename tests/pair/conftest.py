"""Fixtures for programs we did not write: a browser that acts as a person, and a pair whose tokens soon expire."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.pair.clients.browser import Browser
from tests.pair.foreign import LIFETIME
from tests.support import servers


@pytest.fixture(scope="session")
def brief_pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Pair]:
    """The pair as processes, with access tokens of LIFETIME seconds and no leeway."""
    settings = {"ISSUER_ACCESS_TOKEN_SECONDS": str(LIFETIME), "RESOURCE_LEEWAY_SECONDS": "0"}
    with servers.processes(tmp_path_factory.mktemp("brief"), **settings) as pair:
        yield pair


@pytest.fixture
def browser(tmp_path: Path) -> Browser:
    """A new browser, which signs in as alice and approves."""
    folder = tmp_path / "browser"
    folder.mkdir()
    return Browser(folder)
