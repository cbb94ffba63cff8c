"""`everything()` behind the guard, and a wrapper that gives every request a token: the suite cannot send one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send
from tests.pair.conformance.everything import everything
from tests.resource.running import listening
from tests.support import servers

from resource_server.app import create_app
from resource_server.protect import guard
from resource_server.settings import load


class Bearing:
    """ASGI application around another one: requests without `Authorization` get the token; nothing else changes."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self.app, self.header = app, (b"authorization", b"Bearer " + token.encode())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and b"authorization" not in dict(scope["headers"]):
            scope = {**scope, "headers": [*scope["headers"], self.header]}
        await self.app(scope, receive, send)


@contextmanager
def guarded(folder: Path) -> Iterator[str]:
    """The MCP URL of a server given to `guard`."""
    with _issuer(folder) as (issuer, origin, token):
        app = FastAPI()
        guard(app, everything(), issuer=issuer, base_url=origin)
        with _bearing(app, origin, token) as url:
            yield url


@contextmanager
def proxied(folder: Path) -> Iterator[str]:
    """The MCP URL of a resource whose upstream is a server of its own, reached over HTTP."""
    port = servers.free_port()
    with _issuer(folder) as (issuer, origin, token), listening(everything().http_app(), port):
        upstream = f"http://127.0.0.1:{port}/mcp"
        app = create_app(load({}, ISSUER=issuer, BASE_URL=origin, RESOURCE_UPSTREAM=upstream))
        with _bearing(app, origin, token) as url:
            yield url


@contextmanager
def _issuer(folder: Path) -> Iterator[tuple[str, str, str]]:
    """A running issuer's identifier, the origin of a resource that it knows, and a token for that."""
    port = servers.free_port()
    issuer, origin = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{servers.free_port()}"
    settings = {"ISSUER": issuer, "ISSUER_PORT": str(port), "ISSUER_RESOURCES": f"{origin}/mcp"}
    with servers.running("issuer", folder, **settings):
        answer = httpx.post(f"{issuer}/dev/token", data={"sub": "alice"}, timeout=10)
        yield issuer, origin, answer.json()["access_token"]


@contextmanager
def _bearing(app: ASGIApp, origin: str, token: str) -> Iterator[str]:
    with listening(Bearing(app, token), int(origin.rpartition(":")[2])):
        yield f"{origin}/mcp"
