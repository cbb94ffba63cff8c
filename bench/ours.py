"""Our two services as candidates: one process each, everything on that is on by default, the access log off."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.support.servers import free_port

from bench.servers import ROOT, Candidate

RESOURCE = "http://127.0.0.1:8000/mcp"
"""The resource identifier that every token names, wherever the resource listens."""
MACHINE = ("mcp-client", "bench-secret-bench-secret-bench-secret")
SERVER = ROOT / "bench/peers/fastmcp_server.py"


def issuer(name: str, title: str, **settings: str) -> Candidate:
    """An issuer in development, whose consent is automatic where no web page asks."""

    def environment(port: int, folder: Path) -> dict[str, str]:
        return {
            "ISSUER": f"http://127.0.0.1:{port}",
            "ISSUER_PORT": str(port),
            "ISSUER_RESOURCES": RESOURCE,
            "CLIENT_ID": MACHINE[0],
            "CLIENT_SECRET": MACHINE[1],
            "ISSUER_AUTO_APPROVE": "alice",
            "ISSUER_LOG_LEVEL": "warning",
            "ISSUER_ACCESS_TOKEN_SECONDS": "86400",
            "ISSUER_REGISTRATIONS_PER_MINUTE": "100000000",
            "ISSUER_MOST_CLIENTS": "100000000",
            **settings,
        }

    return Candidate(name, title, lambda _: [sys.executable, "-m", "issuer", "serve"], environment, "/readyz")


def resource(name: str, title: str, token_issuer: str, server: str = "", tools: int = 1) -> Candidate:
    """A resource that takes the tokens of an issuer that runs. server: instead of the example tools."""

    def environment(port: int, folder: Path) -> dict[str, str]:
        return {
            "ISSUER": token_issuer,
            "BASE_URL": f"http://127.0.0.1:{port}",
            "AUDIENCE": RESOURCE,
            "RESOURCE_PORT": str(port),
            "RESOURCE_LOG_LEVEL": "warning",
            "TOOLS": str(tools),
        }

    command = [sys.executable, "-m", "resource_server", "serve", *([server] if server else [])]
    return Candidate(name, title, lambda _: command, environment, "/readyz")


def up() -> Candidate:
    """Both, as `./dev up` starts them; ready when the resource is, which needs the issuer."""

    def environment(port: int, folder: Path) -> dict[str, str]:
        return {
            "ISSUER_PORT": str(free_port()),
            "ISSUER_DATABASE": str(folder / "issuer.db"),
            "ISSUER_KEYS_DIR": str(folder / "keys"),
            "RESOURCE_PORT": str(port),
        }

    return Candidate("up", "`./dev up`", lambda _: [str(ROOT / "dev"), "up"], environment, "/readyz", workers=2)
