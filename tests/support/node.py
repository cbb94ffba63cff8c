"""Node.js and the packages of tests/pair/node: the clients in TypeScript, the official suite, axe-core."""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "pair" / "node"
MODULES = FOLDER / "node_modules"
OLDEST = 22


class Unavailable(Exception):
    """Neither is here, and why."""


def _packages(lock: Path) -> dict[str, Any]:
    packages: dict[str, Any] = json.loads(lock.read_text())["packages"] if lock.exists() else {}
    packages.pop("", None)
    return packages


def _installed() -> bool:
    wanted, found = _packages(FOLDER / "package-lock.json"), _packages(MODULES / ".package-lock.json")
    return all(name in found or package.get("optional") for name, package in wanted.items()) and all(
        wanted.get(name, {}).get("integrity") == package.get("integrity") for name, package in found.items()
    )


@functools.cache
def modules() -> Path:
    """`node_modules` as package-lock.json says; installed when it is not, which takes half a minute."""
    if not _installed():
        npm = shutil.which("npm")
        if npm is None:
            raise Unavailable("there is no npm")
        done = subprocess.run([npm, "ci", "--loglevel=error"], cwd=FOLDER, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Unavailable(f"npm ci in tests/pair/node: {done.stderr[:200].strip()}")
    return MODULES


@functools.cache
def node() -> str:
    """The Node.js that the packages bring, or the machine's own where they bring none."""
    path = next(map(str, modules().glob("node-*-*/bin/node")), None) or shutil.which("node")
    version = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout if path else "v0"
    if path is None or int(version.strip("v").split(".")[0]) < OLDEST:
        raise Unavailable(f"there is no Node.js of version {OLDEST} or newer")
    return path


def script(name: str) -> list[str]:
    """The start of a command line that runs `name`: a file of tests/pair/node, or a command of a package."""
    own = FOLDER / name
    return [node(), str(own if own.exists() else MODULES / ".bin" / name)]
