"""A server under measurement: how it is started, pinned to its core, and ended."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.servers import free_port

from bench import machine

READY_SECONDS = 60
ROOT = Path(__file__).parents[1]
OURS = ("ISSUER", "RESOURCE", "AUDIENCE", "BASE_URL", "CLIENT_", "JWKS_URL", "FASTMCP", "COMPOSE")


@dataclass(frozen=True)
class Candidate:
    """What can be started. command: for the port that it is to listen on. environment: for that and the folder that it
    works in. ready: a path that answers 200 once it serves. workers: how many processes serve."""

    name: str
    title: str
    command: Callable[[int], list[str]]
    environment: Callable[[int, Path], Mapping[str, str]]
    ready: str
    workers: int = 1


@dataclass
class Running:
    """A candidate that serves at 127.0.0.1:port. start_seconds: from its start to the first 200."""

    candidate: Candidate
    port: int
    folder: Path
    process: subprocess.Popen[bytes]
    start_seconds: float
    idle_memory: float = 0.0
    notes: dict[str, str] = field(default_factory=dict)

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")


class DidNotStart(Exception):
    """A server ended, or never became ready; the message has the end of its log."""


@contextlib.contextmanager
def running(candidate: Candidate, folder: Path, core: int | str, port: int = 0) -> Iterator[Running]:
    """Start it, wait until it serves, and end it afterwards, with all that it started."""
    port = port or free_port()
    folder.mkdir(parents=True, exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    with (folder / "log").open("wb") as log:
        started = time.monotonic()
        process = subprocess.Popen(
            machine.pinned(core, candidate.command(port)),
            cwd=folder,
            env={**kept, "PORT": str(port), **candidate.environment(port, folder)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    found = Running(candidate, port, folder, process, 0.0)
    try:
        _wait(found, started)
        found.start_seconds = time.monotonic() - started
        found.idle_memory = machine.memory(process.pid, "VmRSS")
        yield found
    finally:
        _end(process)


def _wait(server: Running, started: float) -> None:
    while not _answers(server.port, server.candidate.ready):
        if server.process.poll() is not None or time.monotonic() - started > READY_SECONDS:
            raise DidNotStart(f"{server.candidate.title} does not serve:\n{server.log[-2000:]}")
        time.sleep(0.005)


def _answers(port: int, path: str) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode())
            return connection.recv(64).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def _end(process: subprocess.Popen[bytes]) -> None:
    """The session of its own that it was started in holds nothing else."""
    for number, patience in (signal.SIGTERM, 10), (signal.SIGKILL, 10):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience)
            return
