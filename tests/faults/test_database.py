"""The database is locked, refuses, is full, or gone: 503 with Retry-After in time, and all is well again by itself."""

from __future__ import annotations

import contextlib
import shutil
import signal
import statistics
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from tests.faults.conftest import ON_POSTGRES
from tests.faults.database import Database
from tests.faults.replicas import Replicas, replicas
from tests.faults.scale import Record, fault, size
from tests.hostile.rows import row
from tests.support import disk, oauth

DEADLINE = 5  # seconds that a request waits at the most, as the README's settings and the store's contract say
SLACK = 10  # of a slow machine
DOCUMENTS = ("/healthz", "/.well-known/oauth-authorization-server", "/.well-known/jwks.json")


@pytest.fixture
def issuer(database: Database, tmp_path: Path) -> Iterator[Replicas]:
    with replicas(tmp_path, database) as running:
        yield running


def is_unavailable(answer: httpx.Response) -> None:
    """What is refused for the database's sake says so as RFC 9110 §10.2.3 and RFC 6749 §5.2 have it."""
    assert answer.status_code == 503, (answer.status_code, answer.text)
    assert answer.json()["error"] == "temporarily_unavailable"
    assert int(answer.headers["retry-after"]) > 0


def seconds_until_well(client: oauth.Client, token: str) -> tuple[float, str]:
    """How long until the refresh token works again, and its successor."""
    began = time.monotonic()
    while (answer := client.refresh(token)).status_code != 200:
        is_unavailable(answer)
        assert time.monotonic() < began + 60, "it stays unwell"
        time.sleep(0.05)
    return time.monotonic() - began, answer.json()["refresh_token"]


@row("FLT-04")
@pytest.mark.parametrize("seconds", [2, size(7, 30)], ids=["short", "long"])
@fault("another process holds a lock")
def test_a_lock(issuer: Replicas, database: Database, seconds: int, record_property: Record) -> None:
    client = oauth.Client.register(issuer.http())
    tokens = [client.tokens()["refresh_token"] for _ in range(10)]
    calm: list[float] = []

    def watch(until: threading.Event) -> None:
        with issuer.http() as http:
            while not until.wait(0.05):
                began = time.perf_counter()
                assert all(http.get(path).status_code == 200 for path in DOCUMENTS)
                calm.append(time.perf_counter() - began)

    def refresh(token: str) -> tuple[httpx.Response, float]:
        began = time.monotonic()
        answer = client.refresh(token)
        return answer, time.monotonic() - began

    over = threading.Event()
    with ThreadPoolExecutor(len(tokens) + 1) as pool:
        watching = pool.submit(watch, over)
        with database.locked("refresh_tokens"):
            began = time.monotonic()
            waiting = [pool.submit(refresh, token) for token in tokens]
            time.sleep(seconds)
            held = time.monotonic() - began
        ended = [each.result() for each in waiting]
        over.set()
        watching.result()
    for answer, _ in ended:
        if answer.status_code != 200:
            is_unavailable(answer)
    waited = max(took for _, took in ended)
    assert waited < DEADLINE + SLACK
    unanswered = sum(answer.status_code != 200 for answer, _ in ended)
    # An honest client asks again with what it has, whatever the answer was: nobody is signed out.
    well = max(seconds_until_well(client, token)[0] for token in tokens)
    record_property("held, s", round(held, 1))
    record_property("requests meanwhile", len(tokens))
    record_property("answered 503", unanswered)
    record_property("longest wait, s", round(waited, 1))
    record_property("keys and metadata meanwhile, median ms", round(statistics.median(calm) / len(DOCUMENTS) * 1000))
    record_property("well again after, s", round(well, 1))
    assert (unanswered == len(tokens)) == (seconds > DEADLINE), "a short lock is waited for, a long one is given up on"
    assert statistics.median(calm) < 1, "the event loop was held"


@row("FLT-02")
def test_a_write_that_fails_leaves_the_code_as_it_was(issuer: Replicas, database: Database) -> None:
    client = oauth.Client.register(issuer.http())
    code = client.code()
    with refusing(database, "refresh_tokens"):
        refused = client.redeem(code)
        is_unavailable(refused)
        assert "token" not in refused.text
    tokens = client.redeem(code)
    assert tokens.status_code == 200, tokens.text
    with refusing(database, "refresh_tokens"):
        is_unavailable(client.refresh(tokens.json()["refresh_token"]))
    assert client.refresh(tokens.json()["refresh_token"]).status_code == 200
    assert client.redeem(code).status_code == 400
    assert not database.unsound()


@contextlib.contextmanager
def refusing(database: Database, table: str) -> Iterator[None]:
    """Each INSERT into this table fails inside its transaction, as a broken disk or a constraint would have it."""
    if database.cluster:
        body = "BEGIN RAISE EXCEPTION 'no'; END"
        database.all(f"CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $${body}$$")
        database.all(f"CREATE TRIGGER refuse BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION refuse()")
    else:
        database.all(f"CREATE TRIGGER refuse BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'no'); END")
    try:
        yield
    finally:
        database.all(f"DROP TRIGGER refuse ON {table}" if database.cluster else "DROP TRIGGER refuse")


@pytest.mark.mounts
@fault("the disk is full")
def test_a_full_disk(database: Database, tmp_path: Path, record_property: Record) -> None:
    with small_disk(database, tmp_path) as (full, there), replicas(tmp_path, there) as issuer:
        client = oauth.Client.register(issuer.http())
        token, codes = client.tokens()["refresh_token"], [client.code() for _ in range(3)]
        full.fill(leave=2**20)
        acknowledged = 0
        document = {"redirect_uris": [f"http://127.0.0.1/{'x' * 1500}"], "token_endpoint_auth_method": "none"}
        made = []
        while (answer := client.http.post("/register", json=document)).status_code == 201:
            made.append(answer.json())
            acknowledged += 1
            assert acknowledged < 20_000, "the disk never was full"
        is_unavailable(answer)
        assert all(client.http.get(path).status_code == 200 for path in DOCUMENTS)
        full.empty()
        well, token = seconds_until_well(client, token)
        lost = sum(client.redeem(code).status_code != 200 for code in codes)
        for each in made:
            headers = {"Authorization": f"Bearer {each['registration_access_token']}"}
            lost += client.http.get(f"/register/{each['client_id']}", headers=headers).status_code != 200
        issuer.stop()
        assert "sound" in issuer.run("db", "check")
    record_property("registrations acknowledged until then", acknowledged)
    record_property("acknowledged and lost", lost)
    record_property("well again after, s", round(well, 1))
    assert lost == 0


@contextlib.contextmanager
def small_disk(database: Database, tmp_path: Path) -> Iterator[tuple[disk.Disk, Database]]:
    """The database on a disk of 16 MB. PostgreSQL's tables alone: it ends when its log is on a full one."""
    cluster = database.cluster
    folder = (cluster.folder if cluster else tmp_path) / "disk"
    folder.mkdir()
    if cluster is None:
        with disk.small(folder) as full:
            yield full, Database(str(folder / "issuer.db"))
    else:
        cluster.own(folder)
        name = database.url.rpartition("/")[2]
        with disk.small(folder) as full:
            cluster.run(f"CREATE TABLESPACE small LOCATION '{folder}'")
            cluster.run(f"ALTER DATABASE {name} SET TABLESPACE small")
            try:
                yield full, database
            finally:
                cluster.run(f"ALTER DATABASE {name} SET TABLESPACE pg_default")
                cluster.run("DROP TABLESPACE small")
        shutil.rmtree(folder)


@row("FLT-11")
@pytest.mark.parametrize("database", [ON_POSTGRES], indirect=True)
@pytest.mark.parametrize("how", ["fast", "immediate"])
@fault("PostgreSQL is stopped, or crashes, and comes back")
def test_postgres_goes_and_comes_back(database: Database, tmp_path: Path, how: str, record_property: Record) -> None:
    assert database.cluster
    with replicas(tmp_path, database, 2) as two:
        client = oauth.Client.register(two.http())
        tokens = [client.tokens()["refresh_token"] for _ in range(2)]
        database.cluster.stop(how)
        try:
            answered = []
            for number, token in enumerate(tokens):
                http = two.http(number)
                began = time.monotonic()
                is_unavailable(oauth.Client(http, client.id).refresh(token))
                answered.append(time.monotonic() - began)
                assert http.get("/readyz").status_code == 503
                assert all(http.get(path).status_code == 200 for path in DOCUMENTS)
        finally:
            database.cluster.start()
        began = time.monotonic()
        well = [
            seconds_until_well(oauth.Client(two.http(number), client.id), token)[0]
            for number, token in enumerate(tokens)
        ]
        while {two.http(number).get("/readyz").status_code for number in (0, 1)} != {200}:
            assert time.monotonic() < began + 60
    record_property("how", {"fast": "stopped", "immediate": "crashed"}[how])
    record_property("503 with Retry-After after, s", round(max(answered), 1))
    record_property("well again after, s", round(max(well), 1))
    assert max(answered) < DEADLINE + SLACK


@row("FLT-10")
@pytest.mark.parametrize("database", [ON_POSTGRES], indirect=True)
@fault("PostgreSQL no longer answers, and its connections stay")
def test_postgres_is_silent(issuer: Replicas, database: Database, record_property: Record) -> None:
    assert database.cluster
    client = oauth.Client.register(issuer.http())
    token = client.tokens()["refresh_token"]
    database.cluster.signal(signal.SIGSTOP)
    try:
        began = time.monotonic()
        is_unavailable(client.refresh(token))
        answered = time.monotonic() - began
        assert client.http.get("/readyz").status_code == 503
        assert all(client.http.get(path).status_code == 200 for path in DOCUMENTS)
    finally:
        database.cluster.signal(signal.SIGCONT)
    well, _ = seconds_until_well(client, token)
    record_property("503 with Retry-After after, s", round(answered, 1))
    record_property("well again after, s", round(well, 1))
    assert answered < DEADLINE + SLACK
