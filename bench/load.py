"""One run of wrk: a load script, its plan, and what it measured."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import machine

FOLDER = Path(__file__).parent / "load"


class LoadFailed(Exception):
    """wrk did not do what it was told to."""


@dataclass(frozen=True)
class Load:
    """script: of the folder `load`. plan: what it reads. steps: requests that make one unit of work. connections: each
    has a thread of its own where `threads` says so, for scripts that go on with what an answer held."""

    script: str
    plan: Mapping[str, Any]
    steps: int = 1
    connections: int = 16
    threads: bool = False


@dataclass(frozen=True)
class Sample:
    """What one run measured: units of work a second, milliseconds, errors, and how much of a core each side used."""

    rate: float
    p50: float
    p99: float
    slowest: float
    errors: int
    server_cpu: float
    load_cpu: float


def run(load: Load, port: int, seconds: int, core: int, server: int) -> Sample:
    """Load 127.0.0.1:port from a core. server: the process whose CPU time counts."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as plan:
        plan.write(f"return {lua(load.plan)}\n")
        plan.flush()
        threads = load.connections if load.threads else 1
        options = [f"-t{threads}", f"-c{load.connections}", f"-d{seconds}s", "--timeout", "10s"]
        command = ["wrk", *options, "-s", str(FOLDER / load.script), f"http://127.0.0.1:{port}"]
        environment = {**os.environ, "BENCH_PLAN": plan.name, "BENCH_LOAD": str(FOLDER)}
        before, started = machine.cpu_seconds(server), time.monotonic()
        children = os.times().children_user + os.times().children_system
        done = subprocess.run(
            machine.pinned(core, command), env=environment, capture_output=True, text=True, check=False
        )
        elapsed = time.monotonic() - started
        spent = machine.cpu_seconds(server) - before
        loading = os.times().children_user + os.times().children_system - children
    return read(done.stdout, done.stderr, load.steps, spent / elapsed, loading / elapsed)


def read(output: str, errors: str, steps: int, server_cpu: float, load_cpu: float) -> Sample:
    """The sample in what wrk printed, whose last line the script wrote. Raises LoadFailed."""
    last = output.strip().rpartition("\n")[2]
    if not last.startswith("{"):
        raise LoadFailed(f"wrk measured nothing: {errors.strip()[-300:] or output.strip()[-300:]}")
    found = json.loads(last)
    if not found["requests"]:
        raise LoadFailed("wrk got no answer at all")
    return Sample(
        rate=found["requests"] / steps / (found["microseconds"] / 1e6),
        p50=found["p50"] / 1000,
        p99=found["p99"] / 1000,
        slowest=found["max"] / 1000,
        errors=found["socket_errors"] + found["status_errors"] + found["failed"],
        server_cpu=server_cpu,
        load_cpu=load_cpu,
    )


def lua(value: Any) -> str:
    """A value of JSON's kinds as a Lua literal."""
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case str():
            return '"' + "".join(_escaped(byte) for byte in value.encode()) + '"'
        case Mapping():
            return "{" + ",".join(f"[{lua(name)}]={lua(item)}" for name, item in value.items()) + "}"
        case Sequence():
            return "{" + ",".join(map(lua, value)) + "}"
    raise TypeError(f"no Lua literal for {type(value).__name__}")


def _escaped(byte: int) -> str:
    return chr(byte) if 32 <= byte < 127 and byte not in b'"\\' else f"\\{byte:03d}"
