"""What each flow costs: processor time of issuer and PostgreSQL, commits, flushes, bytes; writes bench/flows.json.

`python -m bench.flows`: three minutes, with PostgreSQL 14 to 17 (later ones count flushes elsewhere). `./dev docs`
makes docs/scale.md of what it writes.
"""

from __future__ import annotations

import contextlib
import json
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psutil
from tests.support import postgres, servers
from tests.support.oauth import Client, Person, answer_of

RESULTS = Path(__file__).with_name("flows.json")
SECRET = "a-secret-for-measuring"
THREADS = 4
WARM = 20
FLUSH = 11.5  # seconds: an idle connection of PostgreSQL hands over its statistics after ten
COUNTERS = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"
WAL = "SELECT wal_sync FROM pg_stat_wal"
POSITION = "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint"
KEPT = "SELECT sum(pg_total_relation_size(relid))::bigint FROM pg_stat_user_tables"


def flows(issuer: str) -> dict[str, tuple[int, Callable[[], object]]]:
    """How often each is measured, and one run of it."""
    http = httpx.Client(base_url=issuer, timeout=60, limits=httpx.Limits(max_connections=THREADS))
    client, machine = Client.register(http), ("mcp-client", SECRET)
    live = http.post("/token", auth=machine, data={"grant_type": "client_credentials"}).json()["access_token"]
    families: list[str] = []

    def ok(answer: httpx.Response, status: int = 200) -> dict[str, Any]:
        assert answer.status_code == status, answer.text
        found: dict[str, Any] = answer.json() if answer.content else {}
        return found

    def login() -> None:
        person = Person(issuer)
        redeemed = client.redeem(answer_of(person.approve(person.consent_page(client)))["code"])
        families.append(ok(redeemed)["refresh_token"])
        person.http.close()

    def refresh() -> None:
        families.append(ok(client.refresh(families.pop(0)))["refresh_token"])

    return {
        "registration": (400, lambda: Client.register(http)),
        "login": (300, login),
        "refresh": (600, refresh),
        "client_credentials": (
            600,
            lambda: ok(http.post("/token", auth=machine, data={"grant_type": "client_credentials"})),
        ),
        "introspection": (600, lambda: ok(http.post("/introspect", auth=machine, data={"token": live}))),
        "revocation": (200, lambda: ok(http.post("/revoke", data=client.form(token=families.pop(0))))),
    }


def processor(root: psutil.Process) -> float:
    """Seconds of processor time that a process and its children have used, those that ended too."""
    total = 0.0
    for process in [root, *root.children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            used = process.cpu_times()
            total += used.user + used.system + used.children_user + used.children_system
    return total


@contextlib.contextmanager
def database(folder: Path) -> Iterator[tuple[postgres.Cluster, psutil.Process]]:
    """PostgreSQL as it is installed, with fsync, which the tests do without."""
    with postgres.cluster(servers.free_port()) as cluster:
        cluster.stop()
        options = f"-p {cluster.port} -h 127.0.0.1 -k {cluster.folder} -c autovacuum=off"
        cluster._control("start", "-w", "-l", str(cluster.folder / "log"), "-o", options)
        yield cluster, psutil.Process(int((cluster.folder / "data" / "postmaster.pid").read_text().split()[0]))


def measure() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name, database(Path(name)) as (cluster, server):
        url, port = cluster.create(), servers.free_port()
        base = url.rpartition("/")[2]
        settings = {"ISSUER": f"http://127.0.0.1:{port}", "ISSUER_PORT": str(port), "ISSUER_DATABASE": url}
        settings |= {"CLIENT_SECRET": SECRET, "ISSUER_REGISTRATIONS_PER_MINUTE": "1000000"}
        settings |= {"ISSUER_LOG_LEVEL": "warning", "ISSUER_METRICS": "0"}
        with servers.running("issuer", Path(name) / "issuer", **settings) as issuer:
            assert issuer.process
            process = psutil.Process(issuer.process.pid)
            found = {}
            with ThreadPoolExecutor(THREADS) as pool:
                for flow, (times, run) in flows(issuer.origin).items():
                    found[flow] = _one(flow, times, run, pool, process, server, lambda sql: cluster.run(sql, base))
            told = str(cluster.run("SHOW server_version")[0][0]).split()[0]
    return {
        "made": datetime.now(UTC).date().isoformat(),
        "machine": f"{psutil.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}",
        "postgresql": told,
        "threads": THREADS,
        "flows": found,
    }


def _one(
    flow: str,
    times: int,
    run: Callable[[], object],
    pool: ThreadPoolExecutor,
    issuer: psutil.Process,
    server: psutil.Process,
    ask: Callable[[str], list[tuple[object, ...]]],
) -> dict[str, Any]:
    def look() -> list[int]:
        time.sleep(FLUSH)
        return [int(str(ask(sql)[0][0])) for sql in (COUNTERS, WAL, POSITION, KEPT)]

    for done in [pool.submit(run) for _ in range(WARM if flow != "revocation" else 0)]:
        done.result()
    before = look()
    clocks, started = (processor(issuer), processor(server)), time.perf_counter()
    for done in [pool.submit(run) for _ in range(times)]:
        done.result()
    seconds = time.perf_counter() - started
    used = processor(issuer) - clocks[0], processor(server) - clocks[1]
    after = look()
    own = 4  # the commits of `look` itself
    return {
        "times": times,
        "per_second": round(times / seconds, 1),
        "issuer_ms": round(used[0] / times * 1000, 2),
        "postgresql_ms": round(used[1] / times * 1000, 2),
        "commits": round((after[0] - before[0] - own) / times, 2),
        "flushes": round((after[1] - before[1]) / times, 2),
        "wal_bytes": round((after[2] - before[2]) / times),
        "kept_bytes": round((after[3] - before[3]) / times),
    }


if __name__ == "__main__":
    results = measure()
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    print(json.dumps(results, indent=2))
