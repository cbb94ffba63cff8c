"""An internet of its own for each test: names, routes, one ordinary host, and a fetcher that sees nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpcore
import pytest
from tests.issuer.fetch.hosts import PUBLIC, Authority, Host, Internet, response

from issuer.fetch import Fetcher


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def internet(monkeypatch: pytest.MonkeyPatch) -> Internet:
    made = Internet()

    async def connect_tcp(backend, host, port, *rest, **named):
        return await made.connect(backend, host, port, *rest, **named)

    monkeypatch.setattr(httpcore.AnyIOBackend, "connect_tcp", connect_tcp)
    return made


@pytest.fixture
async def host(authority: Authority, internet: Internet) -> AsyncIterator[Host]:
    """client.test at PUBLIC, which answers {"a": 1}."""
    async with Host(response({"a": 1})).running(authority.server("client.test")) as running:
        internet.names["client.test"] = [[PUBLIC]]
        internet.routes[PUBLIC] = running
        yield running


@pytest.fixture
def fetcher(authority: Authority, internet: Internet) -> Fetcher:
    return Fetcher(resolve=internet.resolve, context=authority.trusting())
