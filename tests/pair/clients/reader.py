"""Reads a chapter of README.md and does what it says, word for word, in a network namespace of its own.

Python blocks are written to the file that their first line names. Lines of sh blocks are run, in one environment; one
that starts a server is left running until the next one of its kind, and an MCP client looks what it offers.
Prints, as one JSON line, what came of each line: `python -m tests.pair.clients.reader CHAPTER FOLDER`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from fastapi import FastAPI
from fastmcp import Client, FastMCP
from tests.issuer.fetch.hosts import Authority
from tests.resource.running import Running, listening
from tests.resource.stand_in import StandIn, stand_in
from tests.support.machine import ROOT
from tests.support.node import MODULES
from tests.support.servers import clean_environment
from tests.support.tls import tls_in_front_of

RESOURCE = "http://127.0.0.1:8000"
READY = {"mcp-issuer serve": "http://127.0.0.1:9000/readyz", "mcp-resource serve": f"{RESOURCE}/readyz"}
READY["uvicorn"] = f"{RESOURCE}/mcp/health"
FOREIGN = "tenant.example"
PATIENCE = 120


def blocks(chapter: str) -> list[tuple[str, str]]:
    """The code blocks of a chapter: language and text."""
    text = (ROOT / "README.md").read_text()
    found = re.search(rf"^## {re.escape(chapter)}\n(.*?)(?=^## )", text, re.DOTALL | re.MULTILINE)
    assert found, f"README.md has no chapter {chapter}"
    return re.findall(r"^```(\w+)\n(.*?)^```", found[1], re.DOTALL | re.MULTILINE)


class Reader:
    """One person at one machine, who works in `folder`."""

    def __init__(self, folder: Path, foreign: StandIn) -> None:
        self.folder, self.foreign = folder, foreign
        programs = [str(Path(sys.executable).parent), *map(str, MODULES.glob("node-*-*/bin"))]
        path = os.pathsep.join([*programs, os.environ["PATH"]])
        more = {"PATH": path, "FASTMCP_CHECK_FOR_UPDATES": "off", "npm_config_cache": str(folder / "npm")}
        self.environment = clean_environment(**more)
        self.servers: dict[str, subprocess.Popen[bytes]] = {}

    def follow(self, chapter: str) -> list[dict[str, Any]]:
        """What came of each command of a chapter."""
        done: list[dict[str, Any]] = []
        for language, text in blocks(chapter):
            if language == "python":
                self.write(text)
            else:
                done += [{"command": line, **self.enter(line)} for line in text.splitlines()]
        return done

    def write(self, text: str) -> None:
        name = re.match(r"# (\w+\.py)\b", text)
        assert name, "the first line of a Python block names its file"
        (self.folder / name[1]).write_text(text)

    def enter(self, line: str) -> dict[str, Any]:
        """Type one line: what it printed, or what the server that it started offers."""
        kind = next((kind for kind in READY if kind in line), None)
        if kind is not None:
            self.serve(kind, line)
            return {} if "issuer" in kind else asyncio.run(self.look())
        after = self.folder / ".environment"
        script = f"set -ea\n{line}\nenv -0 >{after}"
        ran = subprocess.run(["bash", "-c", script], **self.place(), capture_output=True, text=True, timeout=PATIENCE)
        assert ran.returncode == 0, f"{line}\n{ran.stdout}\n{ran.stderr}"
        self.environment = dict(entry.split("=", 1) for entry in after.read_text().split("\0") if entry)
        return {"printed": ran.stdout}

    def place(self) -> dict[str, Any]:
        return {"cwd": self.folder, "env": self.environment, "stdin": subprocess.DEVNULL}

    def serve(self, kind: str, line: str) -> None:
        url = READY[kind]
        self.end(*[other for other, ready in READY.items() if urlsplit(ready).port == urlsplit(url).port])
        with self.log(kind).open("wb") as output:
            self.servers[kind] = process = subprocess.Popen(
                ["bash", "-c", f"exec env {line}"], **self.place(), stdout=output, stderr=subprocess.STDOUT
            )
        deadline = time.monotonic() + PATIENCE
        while True:
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(url, timeout=5).status_code == 200:
                    return
            assert process.poll() is None, f"{line}\n{self.said(kind)}"
            assert time.monotonic() < deadline, f"{line}\n{self.said(kind)}"
            time.sleep(0.1)

    def end(self, *kinds: str) -> None:
        for kind in self.servers.keys() & set(kinds):
            process = self.servers.pop(kind)
            process.terminate()
            process.wait(30)

    def log(self, kind: str) -> Path:
        return self.folder / f"{kind}.log"

    def said(self, kind: str) -> str:
        """The log of a server since it was last started."""
        return self.log(kind).read_text()

    async def look(self) -> dict[str, Any]:
        """What this server offers, and what calling `write` comes to without, with little, with all scope."""
        async with Client(f"{RESOURCE}/mcp", auth=self.token("mcp:tools notes:write")) as client:
            tools = sorted(tool.name for tool in await client.list_tools())
        server = Running(RESOURCE, self.foreign, FastAPI())
        tokens = None, self.token("mcp:tools"), self.token("mcp:tools notes:write")
        writing = [
            server.modern("tools/call", token, name="write", arguments={"text": "x"}).status_code for token in tokens
        ]
        return {"tools": tools, "writing": writing, "introspected": self.said("mcp-issuer serve").count("/introspect")}

    def token(self, scope: str) -> str:
        if urlsplit(self.environment.get("ISSUER", "")).hostname == FOREIGN:
            self.foreign.audience = self.environment["AUDIENCE"]
            return self.foreign.token(header={"typ": "JWT"}, scope=scope, azp="client-1", client_id=...)
        answer = httpx.post("http://127.0.0.1:9000/dev/token", data={"scope": scope}, timeout=30)
        token: str = answer.raise_for_status().json()["access_token"]
        return token


@contextlib.contextmanager
def neighbourhood(folder: Path) -> Iterator[StandIn]:
    """Another MCP server on port 3000, and somebody else's issuer on the internet; yields the issuer."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    hosts = folder / "hosts"
    hosts.write_text(f"127.0.0.1 localhost {FOREIGN}\n")
    subprocess.run(["mount", "--bind", hosts, "/etc/hosts"], check=True)
    authority = Authority(folder)
    os.environ["SSL_CERT_FILE"] = str(authority.path)
    upstream: FastMCP[Any] = FastMCP("upstream")
    upstream.tool(lambda: "pong", name="ping")
    with (
        stand_in() as issuer,
        tls_in_front_of(issuer.port, authority.server(FOREIGN), 443),
        listening(upstream.http_app(), 3000),
    ):
        issuer.origin = f"https://{FOREIGN}"
        issuer.call("/", "/.well-known/openid-configuration")
        yield issuer


def main(chapter: str, folder: Path) -> list[dict[str, Any]]:
    work = folder / "work"
    work.mkdir()
    if MODULES.exists():
        (work / "node_modules").symlink_to(MODULES)
        (work / "package.json").symlink_to(MODULES.parent / "package.json")
    with neighbourhood(folder) as foreign:
        reader = Reader(work, foreign)
        try:
            reader.enter("mcp-issuer serve")
            return reader.follow(chapter)
        finally:
            reader.end(*READY)


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], Path(sys.argv[2]))))
