"""A PostgreSQL of the tests' own: a cluster in a temporary folder, on a free port, without fsync."""

from __future__ import annotations

import contextlib
import functools
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg


@functools.cache
def binaries() -> Path | None:
    """The folder of initdb and postgres: Debian keeps them off PATH, one folder for each version."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
    found = shutil.which("initdb")
    return next(
        (path for path in [*debian, *([Path(found).parent] if found else [])] if (path / "initdb").exists()), None
    )


def version() -> str | None:
    """The version of the server that tests run, None where there is none."""
    folder = binaries()
    if folder is None:
        return None
    said = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
    return said.split()[2]


@dataclass(frozen=True)
class Cluster:
    """A running server. `folder` holds its data and its log."""

    folder: Path
    port: int

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://postgres:unused@127.0.0.1:{self.port}/{database}"

    def run(self, sql: str, database: str = "postgres") -> list[tuple[object, ...]]:
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(sql.encode())
            return cursor.fetchall() if cursor.description else []

    def create(self, template: str = "template1") -> str:
        """The URL of a new database like `template`."""
        name = f"test_{secrets.token_hex(6)}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)

    def drop(self, url: str) -> None:
        self.run(f"DROP DATABASE IF EXISTS {url.rpartition('/')[2]} WITH (FORCE)")

    def start(self) -> None:
        # 200 connections: racing tests have several stores. Nothing here has to survive a power cut.
        options = f"-p {self.port} -h 127.0.0.1 -k {self.folder} -c fsync=off -c max_connections=200"
        self._control("start", "-w", "-l", str(self.folder / "log"), "-o", options)

    def stop(self, how: str = "fast") -> None:
        """End it: `fast` as an operator would, `immediate` as a crash."""
        self._control("stop", "-w", "-m", how)

    def own(self, path: Path) -> None:
        """Let the server use a folder."""
        if os.geteuid() == 0:
            shutil.chown(path, "postgres")

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the server and each of its processes."""
        first = int((self.folder / "data" / "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
        for pid in [first, *map(int, children)]:
            os.kill(pid, number)

    def _control(self, *arguments: str) -> None:
        _run("pg_ctl", "-D", str(self.folder / "data"), *arguments, cwd=self.folder)


@contextlib.contextmanager
def cluster(port: int) -> Iterator[Cluster]:
    """A fresh cluster, started; stopped and removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="postgres-") as name:
        started = Cluster(Path(name), port)
        if os.geteuid() == 0:
            shutil.chown(name, "postgres")
        _run("initdb", "-D", f"{name}/data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync", cwd=name)
        started.start()
        try:
            yield started
        finally:
            started.stop("immediate")


def _run(program: str, *arguments: str, cwd: str | Path) -> None:
    """PostgreSQL refuses to run as root: there it runs as its own user."""
    folder, user = binaries(), None
    assert folder is not None
    if os.geteuid() == 0:
        user = pwd.getpwnam("postgres").pw_uid
    done = subprocess.run(
        [folder / program, *arguments],
        user=user,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{program}: {done.stdout[-2000:]}")
