"""The machine fails: a migration is killed, the file is damaged, the process may open no more files."""

from __future__ import annotations

import contextlib
import random
import resource
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from tests.faults.database import Database
from tests.faults.replicas import Replicas, replicas
from tests.faults.scale import Record, fault, size
from tests.hostile.rows import row
from tests.support import oauth, servers

KILLS = size(2, 20)


def prepared(folder: Path, database: Database) -> Replicas:
    """One that is not started: for its commands and settings."""
    return Replicas(folder, database, "http://127.0.0.1:9000", [9000])


@row("FLT-15")
@fault("a migration is killed")
def test_a_migration_that_is_killed_is_made_up_for(database: Database, tmp_path: Path, record_property: Record) -> None:
    issuer, moments = prepared(tmp_path, database), random.Random()
    takes = upgrade(issuer, 60)
    assert takes
    whole = tables(database)
    halves = killed = sound = tries = 0
    while killed < KILLS:
        tries += 1
        assert tries < 20 * KILLS
        empty(database)
        # Anywhere in its second half: the first is Python's start. Should it be faster now, the next moment is earlier.
        done = upgrade(issuer, moments.uniform(takes / 2, takes))
        takes = min(takes, done or takes)
        if done:
            continue
        killed += 1
        halves += tables(database) not in (0, whole)
        issuer.run("db", "upgrade")
        sound += "sound" in issuer.run("db", "check")
    record_property("kills before it was done", killed)
    record_property("half a schema left", halves)
    record_property("sound after the next start", sound)
    assert (halves, sound) == (0, KILLS)


def upgrade(issuer: Replicas, seconds: float) -> float | None:
    """How long `db upgrade` took; None when it was killed after so many seconds."""
    command = [sys.executable, "-m", "issuer", "db", "upgrade"]
    began = time.monotonic()
    with subprocess.Popen(command, cwd=issuer.folder, env=environment(issuer), stdout=subprocess.DEVNULL) as process:
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
        return time.monotonic() - began if process.wait() == 0 else None


def environment(issuer: Replicas) -> dict[str, str]:
    return servers.clean_environment(**{name: v for name, v in issuer.environment().items() if name != "CLOCK"})


def empty(database: Database) -> None:
    if database.cluster:
        database.all("DROP SCHEMA public CASCADE")
        database.all("CREATE SCHEMA public")
    else:
        for path in Path(database.url).parent.glob("issuer.db*"):
            path.unlink()


def tables(database: Database) -> int:
    """How many there are, but for the one that says which migrations have run."""
    list_of = "pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
    if not database.cluster:
        list_of = "sqlite_master WHERE type = 'table' AND name <> 'alembic_version'"
        if not Path(database.url).exists():
            return 0
    return int(database.all(f"SELECT count(*) FROM {list_of}")[0][0])


@row("FLT-06")
def test_a_damaged_file_is_refused_and_a_backup_brings_all_back(tmp_path: Path) -> None:
    path = tmp_path / "issuer.db"
    with replicas(tmp_path, Database(str(path))) as issuer:
        client = oauth.Client.register(issuer.http())
        token = client.tokens()["refresh_token"]
        issuer.run("db", "backup", str(tmp_path / "backup.db"))
        issuer.end()
        for position in (0, 4096 * 3):
            whole = path.read_bytes()
            path.write_bytes(whole[:position] + b"\xa5" * 2000 + whole[position + 2000 :])
            before = path.read_bytes()
            for command in ("serve",), ("db", "check"):
                line = [sys.executable, "-m", "issuer", *command]
                told = subprocess.run(
                    line, env=environment(issuer), cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
                )
                said = told.stdout + told.stderr
                assert told.returncode != 0, told
                assert "malformed" in said or "not a database" in said
            assert "Traceback" not in said, "the check says it in a line"
            assert path.read_bytes() == before, "a look changed it"
            path.write_bytes(whole)
        path.unlink()
        issuer.run("db", "restore", str(tmp_path / "backup.db"))
        issuer.start()
        assert client.refresh(token).status_code == 200


@row("FLT-19")
@fault("no more files can be opened")
def test_out_of_files(tmp_path: Path, record_property: Record) -> None:
    with replicas(tmp_path, Database(str(tmp_path / "issuer.db"))) as issuer, contextlib.ExitStack() as stack:
        client = oauth.Client.register(issuer.http())
        token = client.tokens()["refresh_token"]
        keys = {path: path.read_bytes() for path in (tmp_path / "keys").iterdir()}
        process = issuer.running[0].process
        assert process
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (64, 64))
        address = ("127.0.0.1", issuer.ports[0])
        held = [stack.enter_context(socket.create_connection(address, 10)) for _ in range(100)]
        with pytest.raises(httpx.TransportError):
            httpx.get(f"{issuer.origins[0]}/healthz", timeout=3)
        for connection in held:
            connection.close()
        began = time.monotonic()
        while True:
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{issuer.origins[0]}/readyz", timeout=5).status_code == 200:
                    break
            assert time.monotonic() < began + 60
        well = time.monotonic() - began
        assert oauth.Client(issuer.http(), client.id).refresh(token).status_code == 200
        assert {path: path.read_bytes() for path in (tmp_path / "keys").iterdir()} == keys
    record_property("files, as limited", 64)
    record_property("connections held", len(held))
    record_property("well again after, s", round(well, 1))
