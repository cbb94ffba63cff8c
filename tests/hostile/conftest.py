"""The pair under attack. What tests here find goes to evidence.json: see tests/evidence.py."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Generator, Iterator

import httpx
import pytest
from tests.hostile.internet import Site, World
from tests.hostile.signer import Signer
from tests.hostile.target import Target, targets
from tests.issuer.fetch.hosts import Authority
from tests.support import oauth, servers
from tests.support.machine import ROOT


@pytest.fixture(scope="session")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Pair]:
    """A pair of its own, whose state nobody else changes and whose issuer's clock tests can move."""
    folder = tmp_path_factory.mktemp("attacked")
    clock = folder / "clock"
    clock.write_text("0")
    command = [sys.executable, str(ROOT / "tests" / "support" / "clocked.py")]
    settings = {"CLOCK": str(clock), "ISSUER_AUTO_APPROVE": "alice", "ISSUER_REGISTRATIONS_PER_MINUTE": "10000"}
    with servers.processes(folder, issuer_command=command, **settings) as pair:
        yield pair


@pytest.fixture(scope="session")
def issuer(attacked: servers.Pair) -> Target:
    def works(client: httpx.Client, headers: dict[str, str]) -> None:
        answer = client.post("/dev/token", data={"sub": "honest"}, headers=headers)
        assert answer.status_code == 200, answer.text
        assert answer.json()["access_token"]

    targets.append(Target(attacked, attacked.services["issuer"], works))
    return targets[-1]


@pytest.fixture(scope="session")
def resource(attacked: servers.Pair) -> Target:

    def works(client: httpx.Client, headers: dict[str, str]) -> None:
        answer = client.get("/mcp/health", headers=headers)
        assert answer.status_code == 200, answer.text

    targets.append(Target(attacked, attacked.services["resource"], works))
    return targets[-1]


@pytest.fixture
def later(attacked: servers.Pair) -> Iterator[Callable[[int], None]]:
    """Move the issuer's clock on by so many seconds; it goes back after the test."""
    clock = attacked.services["issuer"].folder / "clock"

    def move(seconds: int) -> None:
        clock.write_text(str(int(clock.read_text()) + seconds))

    yield move
    clock.write_text("0")


@pytest.fixture
def client(issuer: Target) -> oauth.Client:
    """A public client, newly registered."""
    return oauth.Client.register(issuer.client)


@pytest.fixture
def person(issuer: Target) -> oauth.Person:
    """alice, with a browser that nobody signed in with yet."""
    return oauth.Person(issuer.origin)


@pytest.fixture(scope="session")
def trusted(issuer: Target) -> oauth.Client:
    """A client that the operator registered, whose consent may be remembered: confidential, on the web."""
    made = issuer.command("client", "add", "Trusted", "--confidential", "--redirect-uri", "https://app.example/cb")
    found = json.loads(made)
    return oauth.Client(issuer.client, found["client_id"], "https://app.example/cb", found["client_secret"])


@pytest.fixture(scope="session")
def server(issuer: Target) -> oauth.Client:
    """The client that is the resource's server: it may ask about every token for the resource."""
    resource = issuer.pair.mcp
    made = json.loads(issuer.command("client", "add", "Server", "--confidential", "--resource-server", resource))
    return oauth.Client(issuer.client, made["client_id"], secret=made["client_secret"])


@pytest.fixture(scope="session")
def signer(issuer: Target, tmp_path_factory: pytest.TempPathFactory) -> Signer:
    """A machine that proves itself by signed assertions."""
    return Signer.register(issuer, tmp_path_factory.mktemp("signer"))


@pytest.fixture(scope="session", params=["issuer", "resource"])
def either(request: pytest.FixtureRequest) -> Target:
    """Each service in turn: for what both must withstand."""
    target: Target = request.getfixturevalue(request.param)
    return target


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def worlds(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """An issuer of its own whose internet tests make; proxy variables lead to a host that must never be asked."""
    folder = tmp_path_factory.mktemp("internet")
    clock = folder / "clock"
    clock.write_text("0")
    site, proxy = Site(authority.server("client.test", "*.client.test")), Site(None)
    origin = f"http://127.0.0.1:{servers.free_port()}"
    settings = {
        "ISSUER": origin,
        "ISSUER_PORT": origin.rpartition(":")[2],
        "ISSUER_LOG_FORMAT": "json",
        "PYTHONPATH": str(ROOT),
        "CLOCK": str(clock),
        "INTERNET": str(folder),
        "AUTHORITY": str(authority.path),
        **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "https_proxy"), f"http://127.0.0.1:{proxy.port}"),
    }
    command = [sys.executable, "-m", "tests.support.routed"]
    with servers.running("issuer", folder, command=command, **settings) as service:
        pair = servers.Pair("processes", origin, "", folder / "keys", {"issuer": service})

        def works(client: httpx.Client, headers: dict[str, str]) -> None:
            assert client.post("/dev/token", data={"sub": "honest"}, headers=headers).status_code == 200

        targets.append(Target(pair, service, works))
        yield World(targets[-1], folder, clock, site, proxy)
    assert not proxy.connections, "a proxy from the environment was used"
    site.shutdown()
    proxy.shutdown()


@pytest.fixture
def world(worlds: World, request: pytest.FixtureRequest) -> World:
    """The same with nothing in it but client.test."""
    worlds.reset()
    worlds.target.rows = [mark.args[0] for mark in request.node.iter_markers("row")]
    return worlds


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    rows = [mark.args[0] for mark in item.iter_markers("row")]
    for target in targets:
        target.rows = rows
        target.forget("DELETE FROM limits")  # what others guessed wrong from this address is not this test's affair
    yield
    for target in targets:
        if target.service.process is not None and target.service.process.poll() is None:
            target.keeps_secrets()
