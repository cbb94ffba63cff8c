"""One issuer as several processes on one database, each of which can be killed, told to end, and started again."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from tests.faults.database import Database
from tests.support import servers
from tests.support.machine import ROOT

WITH_CLOCK = [sys.executable, str(ROOT / "tests" / "support" / "clocked.py")]


@dataclass
class Replicas:
    """`origins`: where each listens. The issuer's name is `name`, which need not be one of them."""

    folder: Path
    database: Database
    name: str
    ports: Sequence[int]
    settings: dict[str, str] = field(default_factory=dict)
    command: Sequence[str] = ()
    running: dict[int, servers.Service] = field(default_factory=dict)

    @property
    def origins(self) -> list[str]:
        return [f"http://127.0.0.1:{port}" for port in self.ports]

    def environment(self, number: int = 0) -> dict[str, str]:
        return {
            "ISSUER": self.name,
            "ISSUER_ALLOWED_HOSTS": " ".join(f"127.0.0.1:{port}" for port in self.ports),
            "ISSUER_DATABASE": self.database.url,
            "ISSUER_KEYS_DIR": str(self.folder / "keys"),
            "ISSUER_AUTO_APPROVE": "alice",
            "ISSUER_REGISTRATIONS_PER_MINUTE": "1000000",
            "ISSUER_MOST_CLIENTS": "1000000",
            "ISSUER_LOG_FORMAT": "json",
            "ISSUER_PORT": str(self.ports[number]),
            "CLOCK": str(self.folder / str(number) / "clock"),
            **self.settings,
        }

    def start(self, number: int = 0) -> float:
        """Start it; how many seconds it took to be ready."""
        began = time.monotonic()
        folder = self.folder / str(number)
        self.running[number] = servers.spawn("issuer", folder, command=self.command, **self.environment(number))
        servers.wait_until_ready(self.running[number])
        return time.monotonic() - began

    def kill(self, number: int = 0) -> None:
        """As by SIGKILL: it does nothing more."""
        process = self.running[number].process
        assert process
        process.kill()
        process.wait()

    def end(self, number: int = 0) -> None:
        """As an operator would: SIGTERM, and wait until it has ended by itself."""
        process = self.running[number].process
        assert process
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0

    def set_clock(self, number: int, ahead: int) -> None:
        """So many seconds ahead of the true time; for replicas that run WITH_CLOCK."""
        clock = self.folder / str(number) / "clock"
        clock.parent.mkdir(exist_ok=True)
        following = clock.with_suffix(".next")
        following.write_text(str(ahead))
        following.replace(clock)

    def http(self, number: int = 0) -> httpx.Client:
        return httpx.Client(base_url=self.origins[number], timeout=30, trust_env=False)

    def run(self, *arguments: str) -> str:
        """What `mcp-issuer ...` prints; it must succeed."""
        environment = servers.clean_environment(**{k: v for k, v in self.environment().items() if k != "CLOCK"})
        command = [sys.executable, "-m", "issuer", *arguments]
        done = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def stop(self) -> None:
        for service in self.running.values():
            service.stop()


@contextmanager
def replicas(
    folder: Path, database: Database, count: int = 1, *, name: str = "", command: Sequence[str] = (), **settings: str
) -> Iterator[Replicas]:
    """`count` of them, ready. They start at the same moment, in an empty folder. `name`: the first one's address."""
    ports = [servers.free_port() for _ in range(count)]
    made = Replicas(folder, database, name or f"http://127.0.0.1:{ports[0]}", ports, settings, command)
    try:
        for number in range(count):
            made.set_clock(number, 0)
            started = servers.spawn("issuer", folder / str(number), command=command, **made.environment(number))
            made.running[number] = started
        for service in made.running.values():
            servers.wait_until_ready(service)
        yield made
    finally:
        made.stop()
