"""What this machine has and lacks: the reasons for skips, each in one place."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.support import disk, node, postgres

ROOT = Path(__file__).parents[2]
REQUIRE_ALL = os.environ.get("REQUIRE_ALL") == "1"


@functools.cache
def missing(what: str) -> str | None:
    """Why tests marked `what` (one of `LACKS`) cannot run here; None when they can."""
    return LACKS[what]()


@functools.cache
def chromium() -> str | None:
    """The path of a Chromium."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def _no_containers() -> str | None:
    if shutil.which("docker") is None:
        return "there is no docker command"
    if subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode:
        return "docker has no Compose v2"
    if subprocess.run(["docker", "info"], capture_output=True, check=False).returncode:
        return "no Docker Engine answers"
    return None


def _no_node() -> str | None:
    try:
        node.node()
    except node.Unavailable as reason:
        return str(reason)
    return None


def _no_browser() -> str | None:
    return None if chromium() else "there is no Chromium"


def _no_postgres() -> str | None:
    return None if postgres.binaries() else "there is no PostgreSQL server (Debian: apt-get install postgresql)"


def _no_mounts() -> str | None:
    if os.geteuid() != 0:
        return "only root may mount a small disk to fill"
    with tempfile.TemporaryDirectory() as folder:
        try:
            with disk.small(Path(folder)):
                return None
        except subprocess.CalledProcessError:
            return "this machine mounts no tmpfs"


def _no_tracing() -> str | None:
    if shutil.which("strace") is None:
        return "there is no strace"
    tried = subprocess.run(["strace", "-e", "trace=none", "true"], capture_output=True, check=False)
    return "strace may not watch processes here" if tried.returncode else None


LACKS = {
    "containers": _no_containers,
    "node": _no_node,
    "browser": _no_browser,
    "postgres": _no_postgres,
    "mounts": _no_mounts,
    "tracing": _no_tracing,
}
