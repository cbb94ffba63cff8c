"""Starts the pair for real: as two processes, as the two containers of docker-compose.yml, or as many replicas."""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import random
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import httpx
from tests.support.machine import ROOT

Name = Literal["issuer", "resource"]
NAMES: tuple[Name, ...] = ("issuer", "resource")
READY_SECONDS = 120
OURS = ("ISSUER", "RESOURCE", "AUDIENCE", "BASE_URL", "CLIENT_ID", "CLIENT_SECRET", "JWKS_URL", "FASTMCP", "COMPOSE")


@dataclass(frozen=True)
class Service:
    """One running service.

    log: all it wrote to stdout and stderr so far. stop: end it as an operator would. folder: where it works.
    process: None in a container.
    """

    name: Name
    origin: str
    log: Callable[[], str]
    stop: Callable[[], object]
    folder: Path
    process: subprocess.Popen[bytes] | None = None


@dataclass(frozen=True)
class Pair:
    """Both origins, ready. `services` says more of each; `keys` is the folder of signing keys."""

    kind: Literal["processes", "containers", "scaled"]
    issuer: str
    resource: str
    keys: Path
    services: Mapping[Name, Service] = field(repr=False)

    @property
    def mcp(self) -> str:
        """The MCP URL, which is also the resource identifier."""
        return f"{self.resource}/mcp"

    def token(self, **form: str) -> str:
        """A development access token; `form` as POST /dev/token takes it."""
        answer = httpx.post(f"{self.issuer}/dev/token", data=form, timeout=10)
        answer.raise_for_status()
        token: str = answer.json()["access_token"]
        return token

    def logs(self) -> str:
        """Everything both services have logged."""
        return "".join(service.log() for service in self.services.values())


@dataclass(frozen=True)
class Scaled(Pair):
    """The pair as replicas behind Caddy. `compose` runs a command of Docker Compose and returns what it printed."""

    compose: Compose = field(repr=False, kw_only=True)

    def token(self, **form: str) -> str:
        """As for any pair, but minted inside: what comes through a proxy gets no development token."""
        options = [word for name, value in form.items() for word in (f"--{name.replace('_', '-')}", value)]
        return self.compose("exec", "-T", "issuer", "mcp-issuer", "token", *options).strip()


_ports = itertools.cycle(random.sample(range(10_000, 32_000), 22_000))


def free_port() -> int:
    """A port that nobody listens on. Never one that the system gives to outgoing connections (32768 and above, where
    a client may take it before the server does), and none twice in one run."""
    for port in _ports:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("a cycle has no end")


def clean_environment(**more: str) -> dict[str, str]:
    """This environment without any setting of the pair, and `more`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    return {**kept, "PYTHONUNBUFFERED": "1", **more}


def spawn(name: Name, folder: Path, *, command: Sequence[str] = (), **environment: str) -> Service:
    """Start one service as a process working in `folder`, without waiting for it (see `wait_until_ready`).

    environment: all its settings, ISSUER_PORT or RESOURCE_PORT among them. command: instead of `... serve`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.log"
    package = {"issuer": "issuer", "resource": "resource_server"}[name]
    with path.open("ab") as output:
        process = subprocess.Popen(
            command or [sys.executable, "-m", package, "serve"],
            cwd=folder,
            env=clean_environment(**environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )

    def stop() -> None:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    origin = f"http://127.0.0.1:{environment[f'{name.upper()}_PORT']}"
    return Service(name, origin, lambda: path.read_text(errors="replace"), stop, folder, process)


def wait_until_ready(service: Service) -> None:
    """Return as soon as /readyz answers 200; raise with the log when the service ends or two minutes have passed."""
    deadline = time.monotonic() + READY_SECONDS
    while True:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{service.origin}/readyz", timeout=2).status_code == 200:
                return
        gone = service.process is not None and service.process.poll() is not None
        if gone or time.monotonic() > deadline:
            raise RuntimeError(f"the {service.name} did not become ready:\n{service.log()[-4000:]}")
        time.sleep(0.05)


@contextlib.contextmanager
def running(name: Name, folder: Path, *, command: Sequence[str] = (), **environment: str) -> Iterator[Service]:
    """One service as a process, ready; ended afterwards. Arguments as for `spawn`."""
    service = spawn(name, folder, command=command, **environment)
    try:
        wait_until_ready(service)
        yield service
    finally:
        service.stop()


@contextlib.contextmanager
def processes(
    folder: Path, *, issuer_command: Sequence[str] = (), resource_command: Sequence[str] = (), **environment: str
) -> Iterator[Pair]:
    """The pair as two processes on free ports, with keys and database in `folder`; logs are JSON lines."""
    issuer, resource = f"http://127.0.0.1:{free_port()}", f"http://127.0.0.1:{free_port()}"
    settings = {
        "ISSUER": issuer,
        "ISSUER_PORT": issuer.rpartition(":")[2],
        "ISSUER_RESOURCES": f"{resource}/mcp",
        "ISSUER_LOG_FORMAT": "json",
        "BASE_URL": resource,
        "RESOURCE_PORT": resource.rpartition(":")[2],
        "RESOURCE_LOG_FORMAT": "json",
        **environment,
    }
    with contextlib.ExitStack() as stack:
        commands: dict[Name, Sequence[str]] = {"issuer": issuer_command, "resource": resource_command}
        services = {name: spawn(name, folder, command=commands[name], **settings) for name in NAMES}
        for service in services.values():
            stack.callback(service.stop)
        for service in services.values():
            wait_until_ready(service)
        yield Pair("processes", settings["ISSUER"], settings["BASE_URL"], folder / "keys", services)


@dataclass(frozen=True)
class Compose:
    """Docker Compose with a project and ports of its own. Called with a command: what it printed, or RuntimeError.

    stdin: what the command reads. check: whether a failure raises.
    """

    files: str
    environment: Mapping[str, str]
    project: str = field(default_factory=lambda: f"pair-test-{secrets.token_hex(4)}")
    ports: Mapping[Name, int] = field(default_factory=lambda: {name: free_port() for name in NAMES})

    def __call__(self, *arguments: str, check: bool = True, stdin: str = "") -> str:
        ports = {f"{name.upper()}_PORT": str(port) for name, port in self.ports.items()}
        done = subprocess.run(
            ["docker", "compose", "--project-name", self.project, *arguments],
            cwd=ROOT,
            env=clean_environment(COMPOSE_FILE=self.files, **ports, **self.environment),
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        if check and done.returncode:
            raise RuntimeError(f"docker compose {' '.join(arguments)}:\n{done.stdout}\n{done.stderr[-4000:]}")
        return done.stdout

    def service(self, name: Name) -> Service:
        """All its replicas together; their log lines one after another."""
        read = functools.partial(self, "logs", "--no-color", "--no-log-prefix", name)
        return Service(name, f"http://127.0.0.1:{self.ports[name]}", read, functools.partial(self, "stop", name), ROOT)

    @contextlib.contextmanager
    def up(self, *arguments: str) -> Iterator[Mapping[Name, Service]]:
        try:
            self("up", "--build", "--wait", *arguments)
            yield {name: self.service(name) for name in NAMES}
        finally:
            self("down", "--volumes", "--timeout", "10", check=False)


@contextlib.contextmanager
def containers(**environment: str) -> Iterator[Pair]:
    """The pair as docker-compose.yml runs it."""
    with Compose("docker-compose.yml", environment).up() as services:
        issuer, resource = (services[name].origin for name in NAMES)
        yield Pair("containers", issuer, resource, ROOT / "keys", services)


@contextlib.contextmanager
def scaled(**environment: str) -> Iterator[Scaled]:
    """Three replicas of each on PostgreSQL, as docker-compose.scale.yml runs them; logs are JSON lines."""
    network = f"10.{random.randrange(64, 250)}.{random.randrange(256)}"
    settings = {
        "SCALE_NETWORK": network,
        "POSTGRES_PASSWORD": "p@ss/w#rd:%",  # as people have them
        "ISSUER_LOG_FORMAT": "json",
        "RESOURCE_LOG_FORMAT": "json",
        **environment,
    }
    compose = Compose("docker-compose.yml:docker-compose.scale.yml", settings)
    with compose.up("--scale", "issuer=3", "--scale", "resource=3") as services:
        issuer, resource = (services[name].origin for name in NAMES)
        yield Scaled("scaled", issuer, resource, ROOT / "keys", services, compose=compose)
