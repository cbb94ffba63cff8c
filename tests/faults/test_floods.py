"""Floods of registrations, authorization requests, token requests and passwords: memory and rows are bounded."""

from __future__ import annotations

import base64
import json
import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import psutil
from tests.faults.database import Database
from tests.faults.flood import flood, request
from tests.faults.replicas import Replicas, replicas
from tests.faults.scale import Record, fault, size
from tests.hostile.rows import row
from tests.support import oauth

MOST_CLIENTS = size(500, 10_000)
LOOK_EVERY = 100  # registrations between two looks at how many there are
STARTED = size(3_000, 100_000)
TOKENS = size(3_000, 50_000)
MOST_GROWTH = 48 * 2**20
FORM = "application/x-www-form-urlencoded"
OPEN: dict[str, Any] = {"ISSUER_AUTO_APPROVE": "", "ISSUER_LOG_LEVEL": "warning"}
SECRET = "a-secret-for-floods-of-tokens"


def memory(issuer: Replicas) -> int:
    process = issuer.running[0].process
    assert process
    rss: int = psutil.Process(process.pid).memory_info().rss
    return rss


def stored(database: Database, *tables: str) -> dict[str, int]:
    return {table: database.all(f"SELECT count(*) FROM {table}")[0][0] for table in tables}


def bytes_stored(database: Database) -> int:
    if database.cluster:
        return int(database.all("SELECT pg_database_size(current_database())")[0][0])
    return sum(path.stat().st_size for path in Path(database.url).parent.glob("issuer.db*"))


def measured(issuer: Replicas, requests: list[bytes], times: int, record_property: Record) -> dict[int, int]:
    """The statuses of a flood, whose memory is recorded and bounded. What the first tenth takes is warming up."""
    origin = issuer.origins[0]
    statuses = flood(origin, requests, times // 10)
    before = memory(issuer)
    began = time.monotonic()
    statuses += flood(origin, requests, times - times // 10)
    seconds = time.monotonic() - began
    after = memory(issuer)
    record_property("requests", statuses.total())
    record_property("a second", round((times - times // 10) / seconds))
    record_property("memory before, MiB", round(before / 2**20))
    record_property("memory after, MiB", round(after / 2**20))
    assert after - before < MOST_GROWTH
    assert httpx.get(f"{origin}/readyz", timeout=30).status_code == 200
    return statuses


@row("RES-02")
@fault("a flood of authorization requests that nobody finishes", minutes=10)
def test_authorization_requests(database: Database, tmp_path: Path, record_property: Record) -> None:
    with replicas(tmp_path, database, **OPEN) as issuer:
        client = oauth.Client.register(issuer.http())
        tables = ("codes", "sessions", "once", "families", "clients", "limits")
        before = stored(database, *tables)
        asked = request("GET", issuer.origins[0], f"/authorize?{urlencode(client.parameters())}")
        statuses = measured(issuer, [asked], STARTED, record_property)
        written = sum(stored(database, *tables).values()) - sum(before.values())
    record_property("rows written", written)
    assert statuses == {200: STARTED}, "each got the page to sign in"
    assert written == 0


@row("RES-03")
@fault("a flood of registrations", minutes=10)
def test_registrations(database: Database, tmp_path: Path, record_property: Record) -> None:
    settings: dict[str, Any] = {**OPEN, "ISSUER_MOST_CLIENTS": str(MOST_CLIENTS)}
    with replicas(tmp_path, database, **settings) as issuer:
        before = bytes_stored(database)
        document = json.dumps({"redirect_uris": ["http://127.0.0.1/cb"], "client_name": "Flood"}).encode()
        asked = request("POST", issuer.origins[0], "/register", document, "application/json")
        statuses = measured(issuer, [asked], MOST_CLIENTS * 6 // 5, record_property)
        clients = stored(database, "clients")["clients"]
        grown = bytes_stored(database) - before
        assert len(issuer.run("client", "list").splitlines()) == clients
    record_property("most clients, as set", MOST_CLIENTS)
    record_property("clients stored", clients)
    record_property("refused", statuses[503])
    record_property("database grown by, MiB", round(grown / 2**20, 1))
    assert set(statuses) == {201, 503}
    assert clients <= MOST_CLIENTS + LOOK_EVERY + 1, "and the operator's one"


@fault("a flood of token requests, good and bad", minutes=10)
def test_token_requests(database: Database, tmp_path: Path, record_property: Record) -> None:
    with replicas(tmp_path, database, CLIENT_SECRET=SECRET, **OPEN) as issuer:
        known = base64.b64encode(f"mcp-client:{SECRET}".encode()).decode()
        origin = issuer.origins[0]
        good = request("POST", origin, "/token", b"grant_type=client_credentials", FORM, Authorization=f"Basic {known}")
        bad = [
            request("POST", origin, "/token", urlencode(form).encode(), FORM)
            for form in (
                {
                    "grant_type": "authorization_code",
                    "client_id": "nobody",
                    "code": "guessed",
                    "code_verifier": "x" * 43,
                },
                {"grant_type": "refresh_token", "client_id": "mcp-client", "refresh_token": "guessed"},
                {"grant_type": "x" * 1000},
            )
        ]
        statuses = measured(issuer, [good, *bad], TOKENS, record_property)
    record_property("tokens", statuses[200])
    record_property("refused", sum(count for status, count in statuses.items() if 400 <= status < 500))
    assert statuses[200] == TOKENS // 4
    assert all(status < 500 for status in statuses), statuses


@row("FLT-21")
@fault("passwords are guessed as fast as they are answered")
def test_passwords(database: Database, tmp_path: Path, record_property: Record) -> None:
    """Hashing takes most of the machine; what takes no password goes on."""
    with replicas(tmp_path, database, **OPEN) as issuer:
        client = oauth.Client.register(issuer.http())
        over = threading.Event()
        guesses: list[int] = []

        def guess(number: int) -> None:
            person = oauth.Person(issuer.origins[0])
            page = person.open(client)
            while not over.is_set():
                # Another name each time: one address waits for one name after five.
                page = person.post(oauth.form_of(page), username=f"user{number}-{len(guesses)}", password="wrong horse")
                guesses.append(page.status_code)

        with issuer.http() as http, ThreadPoolExecutor(12) as pool:
            calm = seconds_for_keys(http, 100)
            working = [pool.submit(guess, number) for number in range(12)]
            began = time.monotonic()
            busy = seconds_for_keys(http, size(200, 1000), pause=0.01)
            seconds = time.monotonic() - began
            grown = memory(issuer)
            over.set()
            for each in working:
                each.result()
    record_property("guesses a second", round(len(guesses) / seconds, 1))
    record_property("keys before, median ms", round(statistics.median(calm) * 1000, 1))
    record_property("keys meanwhile, median ms", round(statistics.median(busy) * 1000, 1))
    record_property("keys meanwhile, 99th percentile ms", round(statistics.quantiles(busy, n=100)[98] * 1000, 1))
    record_property("memory, MiB", round(grown / 2**20))
    assert guesses
    assert all(status < 500 for status in guesses)
    assert statistics.median(busy) < 0.5
    assert grown < 768 * 2**20, "each hash takes 64 MiB, and few are made at once"


def seconds_for_keys(http: httpx.Client, times: int, pause: float = 0) -> list[float]:
    seconds = []
    for _ in range(times):
        began = time.perf_counter()
        assert http.get("/.well-known/jwks.json").status_code == 200
        seconds.append(time.perf_counter() - began)
        time.sleep(pause)
    return seconds
