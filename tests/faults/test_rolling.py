"""Three replicas behind a balancer are restarted one after the other, under load: no request fails."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from tests.faults.balancer import Balancer
from tests.faults.database import Database
from tests.faults.ledger import TLS, Ledger, Program
from tests.faults.replicas import Replicas, replicas
from tests.faults.scale import Record, fault, size
from tests.hostile.rows import row
from tests.resource.running import ACCEPT, META, MODERN
from tests.support import oauth, servers

REPLICAS, PROGRAMS, DRAIN = 3, 6, 2
ROUNDS = size(1, 5)
RESOURCE_RESTARTS = size(1, 9)  # it takes several seconds to start


@pytest.fixture
def behind(database: Database, tmp_path: Path) -> Iterator[Replicas]:
    """Three issuers whose name is the balancer's address."""
    port = servers.free_port()
    settings = {"ISSUER_DRAIN_SECONDS": str(DRAIN)}
    with (
        replicas(tmp_path, database, REPLICAS, name=f"http://127.0.0.1:{port}", **settings) as three,
        Balancer(port, three.origins).running(),
    ):
        yield three


@contextmanager
def load(work: Callable[[int, threading.Event], None], programs: int = PROGRAMS) -> Iterator[None]:
    """So many programs at work until the end of the block; what one of them raises is raised."""
    over = threading.Event()
    with ThreadPoolExecutor(programs) as pool:
        working = [pool.submit(work, number, over) for number in range(programs)]
        try:
            yield
        finally:
            over.set()
    for each in working:
        each.result()


@row("FLT-14")
@fault("rolling restart of three replicas under load", minutes=10)
def test_rolling_restart(behind: Replicas, record_property: Record) -> None:
    ledger, failed = Ledger(), []

    def work(number: int, over: threading.Event) -> None:
        program = Program(behind.name, ledger, number)
        while not over.wait(0.01):
            try:
                program.step()
            except (httpx.TransportError, AssertionError) as error:
                failed.append(f"{program.pending}: {error!r}")
                program.grant = None
        program.look_back()

    person, client = oauth.Person(behind.name), oauth.Client.register(httpx.Client(base_url=behind.name, timeout=30))
    page = person.consent_page(client)
    began = time.monotonic()
    with load(work):
        for _ in range(ROUNDS):
            for number in range(REPLICAS):
                behind.end(number)
                behind.start(number)
                time.sleep(0.5)
    seconds = time.monotonic() - began
    # The page that a person was reading meanwhile is still good, and so is their sign-in.
    assert client.redeem(oauth.answer_of(person.approve(page))["code"]).status_code == 200
    assert 'name="person"' not in person.open(client).text
    requests = sum(ledger.acknowledged.values())
    record_property("restarts", ROUNDS * REPLICAS)
    record_property("requests", requests)
    record_property("a second", round(requests / seconds))
    record_property("failed", len(failed))
    record_property("acknowledged and lost", len(ledger.lost))
    assert not failed, failed[:5]
    assert not ledger.lost
    assert not ledger.twice


@fault("rolling restart of three replicas under load", minutes=10, service="resource")
def test_rolling_restart_of_the_resource(tmp_path: Path, record_property: Record) -> None:
    ports = [servers.free_port() for _ in range(REPLICAS)]
    port, issuer_port = servers.free_port(), servers.free_port()
    name = f"http://127.0.0.1:{port}"
    issuer = {"ISSUER": f"http://127.0.0.1:{issuer_port}", "ISSUER_RESOURCES": f"{name}/mcp"}
    settings = {**issuer, "BASE_URL": name, "RESOURCE_DRAIN_SECONDS": str(DRAIN)}
    settings["RESOURCE_ALLOWED_HOSTS"] = " ".join(f"127.0.0.1:{each}" for each in ports)
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}
    body["params"] = {"name": "add_numbers", "arguments": {"a": 1, "b": 2}, "_meta": META}
    answers: list[int] = []
    failed: list[str] = []

    def start(number: int) -> servers.Service:
        folder = tmp_path / str(number)
        return servers.spawn("resource", folder, **settings, RESOURCE_PORT=str(ports[number]))

    with servers.running("issuer", tmp_path, ISSUER_PORT=str(issuer_port), **issuer) as issuing:
        token = httpx.post(f"{issuing.origin}/dev/token", timeout=30).json()["access_token"]
        headers = {**ACCEPT, "Authorization": f"Bearer {token}", "MCP-Protocol-Version": MODERN}
        headers |= {"Mcp-Method": "tools/call", "Mcp-Name": "add_numbers"}

        def work(_: int, over: threading.Event) -> None:
            with httpx.Client(timeout=60, trust_env=False, verify=TLS) as http:
                while not over.wait(0.01):
                    try:
                        answer = http.post(f"{name}/mcp", json=body, headers=headers)
                        answers.append(answer.status_code)
                        if answer.status_code != 200:
                            failed.append(answer.text)
                    except httpx.TransportError as error:
                        failed.append(repr(error))

        three = [start(number) for number in range(REPLICAS)]
        try:
            for service in three:
                servers.wait_until_ready(service)
            began = time.monotonic()
            with Balancer(port, [service.origin for service in three]).running(), load(work):
                for restart in range(RESOURCE_RESTARTS):
                    number = restart % REPLICAS
                    three[number].stop()
                    three[number] = start(number)
                    servers.wait_until_ready(three[number])
                    time.sleep(0.5)
            seconds = time.monotonic() - began
        finally:
            for service in three:
                service.stop()
    record_property("restarts", RESOURCE_RESTARTS)
    record_property("requests", len(answers))
    record_property("a second", round(len(answers) / seconds))
    record_property("failed", len(failed))
    assert not failed, failed[:5]
    assert len(answers) > 100
