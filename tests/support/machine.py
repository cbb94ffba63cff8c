"""What this machine has and lacks: the reasons for skips, each in one place."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
NODE_MODULES = ROOT / "tests" / "pair" / "node" / "node_modules"
REQUIRE_ALL = os.environ.get("REQUIRE_ALL") == "1"


@functools.cache
def missing(what: str) -> str | None:
    """Why tests marked `what` (containers, node or browser) cannot run here; None when they can."""
    return {"containers": _no_containers, "node": _no_node, "browser": _no_browser}[what]()


@functools.cache
def node() -> str | None:
    """A Node.js of at least version 22: the one that the clients' packages bring, or the machine's own."""
    own = shutil.which("node")
    for path in (NODE_MODULES / "node" / "bin" / "node", Path(own) if own else None):
        if path is not None and path.exists():
            found = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout
            if found.startswith("v") and int(found[1:].split(".")[0]) >= 22:
                return str(path)
    return None


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
    if not NODE_MODULES.is_dir():
        return "the clients are not installed: npm ci --prefix tests/pair/node"
    return None if node() else "there is no Node.js of version 22 or newer"


def _no_browser() -> str | None:
    return None if chromium() else "there is no Chromium"
