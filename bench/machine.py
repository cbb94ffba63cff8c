"""The machine: which core serves and which one loads, what a process tree has used, and the limit that a core sets."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Cores:
    """The core of the servers and that of the load generator; `both` is for servers of two processes, which on a
    machine of two cores share one with the load."""

    server: int
    load: int
    both: str


class Unfit(Exception):
    """This machine cannot run the benchmark; the message says what it lacks."""


def cores() -> Cores:
    found = sorted(os.sched_getaffinity(0))
    if len(found) < 2:
        raise Unfit("The benchmark needs two cores: one for the server and one for the load.")
    return Cores(found[0], found[-1], f"{found[0]},{found[1]}")


def check_tools() -> None:
    """Raises Unfit with the names of missing programs."""
    packages = {"wrk": "wrk", "taskset": "util-linux", "openssl": "openssl", "npm": "npm"}
    missing = sorted(package for program, package in packages.items() if shutil.which(program) is None)
    if missing:
        raise Unfit(f"The benchmark needs these Debian packages: {' '.join(missing)}")


def pinned(core: int | str, command: list[str]) -> list[str]:
    return ["taskset", "--cpu-list", str(core), *command]


def description() -> dict[str, str]:
    """What the figures depend on."""
    info = Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*:\s*(.+)", info)
    return {
        "processor": model[1] if model else platform.machine(),
        "cores": str(os.cpu_count()),
        "kernel": platform.release(),
        "python": platform.python_version()
        + ("" if optimized() else " (compiled without optimizations: a third slower)"),
    }


def optimized() -> bool:
    """Whether this Python was compiled with profile-guided optimization, as those of distributions are: see ./dev."""
    return "--enable-optimizations" in (sysconfig.get_config_var("CONFIG_ARGS") or "") or sys.base_prefix == "/usr"


def tree(pid: int) -> list[int]:
    """A process and all that came of it."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            for child in task.read_text().split():
                found += tree(int(child))
        except OSError:
            continue
    return found


def cpu_seconds(pid: int) -> float:
    """User and system time of a process tree so far."""
    total = 0
    for process in tree(pid):
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICK


def memory(pid: int, field: str = "VmHWM") -> float:
    """Megabytes of a process tree: `VmHWM` at its peak, `VmRSS` now."""
    total = 0
    for process in tree(pid):
        found = re.search(rf"{field}:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
        total += int(found[1]) if found else 0
    return total / 1024


def rsa_signatures(core: int, seconds: int) -> float:
    """RSA-2048 signatures a second on one core: nothing that signs RS256 is faster."""
    done = subprocess.run(
        pinned(core, ["openssl", "speed", "-seconds", str(seconds), "rsa2048"]),
        capture_output=True,
        text=True,
        check=True,
    )
    found = re.search(r"^rsa\s+2048 bits\s+\S+\s+\S+\s+([\d.]+)", done.stdout, re.MULTILINE)
    if found is None:
        raise Unfit("`openssl speed rsa2048` prints something else than expected.")
    return float(found[1])
