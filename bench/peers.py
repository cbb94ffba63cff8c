"""The others as candidates, installed into the folder `peers` as its lock files say."""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
import sys
from pathlib import Path

from bench.machine import Unfit
from bench.ours import RESOURCE
from bench.servers import Candidate

FOLDER = Path(__file__).parent / "peers"
VENV = FOLDER / ".venv"


@functools.cache
def install_node() -> str:
    """Node.js, after its packages were installed where they are not yet; half a minute."""
    lock, done = FOLDER / "package-lock.json", FOLDER / "node_modules/.bench-installed"
    if not done.exists() or done.read_text() != lock.read_text():
        print("Installing the peers of the benchmark that run on Node.js.", file=sys.stderr)
        subprocess.run(
            ["npm", "ci", "--omit=peer", "--no-audit", "--no-fund", "--loglevel=error"], cwd=FOLDER, check=True
        )
        done.write_text(lock.read_text())
    node = next(map(str, FOLDER.glob("node_modules/node-*-*/bin/node")), None) or shutil.which("node")
    if node is None:
        raise Unfit("There is no Node.js.")
    return node


@functools.cache
def install_python() -> str:
    """The Python of the peers' own environment, made where it is not there yet."""
    lock, done, python = FOLDER / "requirements.lock", VENV / "installed", VENV / "bin/python"
    if not done.exists() or done.read_text() != lock.read_text():
        print("Installing the peers of the benchmark that run on Python.", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)], check=True)
        pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--require-hashes"]
        subprocess.run([*pip, "-r", str(lock)], check=True)
        done.write_text(lock.read_text())
    return str(python)


def version(package: str) -> str:
    """The locked version of a package of Node.js."""
    packages = json.loads((FOLDER / "package-lock.json").read_text())["packages"]
    found: str = packages[f"node_modules/{package}"]["version"]
    return found


def on_node(name: str, title: str, script: str, ready: str, **environment: str) -> Candidate:
    settings = {"NODE_ENV": "production", "RESOURCE": RESOURCE, **environment}
    return Candidate(name, title, lambda _: [install_node(), str(FOLDER / script)], lambda *_: settings, ready)


def authlib(name: str, title: str) -> Candidate:
    """One worker with threads: the kind that keeps connections."""

    def command(port: int) -> list[str]:
        options = ["--worker-class", "gthread", "--threads", "8", "--log-level", "error", "--chdir", str(FOLDER)]
        return [install_python(), "-m", "gunicorn", *options, "--bind", f"127.0.0.1:{port}", "authlib_flask:app"]

    return Candidate(name, title, command, lambda *_: {"RESOURCE": RESOURCE}, "/ready")


def on_fastmcp(name: str, title: str, **environment: str) -> Candidate:
    """A FastMCP server of the version that ours stands on."""
    settings = {"RESOURCE": RESOURCE, "FASTMCP_SHOW_SERVER_BANNER": "false", **environment}
    command = [sys.executable, str(FOLDER / "fastmcp_server.py")]
    return Candidate(name, title, lambda _: command, lambda *_: settings, "/ready")


def on_starlette(name: str, title: str) -> Candidate:
    """A document and nothing else, on the framework and the HTTP server that ours stands on."""
    command = [sys.executable, str(FOLDER / "bare_starlette.py")]
    return Candidate(name, title, lambda _: command, lambda *_: {}, "/jwks")
