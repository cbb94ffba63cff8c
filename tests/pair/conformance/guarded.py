"""A FastMCP server behind `guard`, and a wrapper that gives every request a token: the suite cannot send one."""

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

from resource_server.protect import guard


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
    """The MCP URL of `everything()` behind `guard`, with tokens of an issuer that runs as a process in `folder`."""
    issuer_port, port = servers.free_port(), servers.free_port()
    issuer, origin = f"http://127.0.0.1:{issuer_port}", f"http://127.0.0.1:{port}"
    settings = {"ISSUER": issuer, "ISSUER_PORT": str(issuer_port), "ISSUER_RESOURCES": f"{origin}/mcp"}
    with servers.running("issuer", folder, **settings):
        answer = httpx.post(f"{issuer}/dev/token", data={"sub": "alice"}, timeout=10)
        app = FastAPI()
        guard(app, everything(), issuer=issuer, base_url=origin)
        with listening(Bearing(app, answer.json()["access_token"]), port):
            yield f"{origin}/mcp"
