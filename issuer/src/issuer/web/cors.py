"""CORS for what any web page may read: `*` without credentials on metadata, keys, registration and tokens.

Every other route answers no cross-origin page at all.
"""

from __future__ import annotations

from collections.abc import Iterable

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send


class OpenCors:
    def __init__(self, app: ASGIApp, paths: Iterable[str]) -> None:
        self._app = app
        self._paths = frozenset(paths)
        self._open = CORSMiddleware(
            app,
            allow_origins=["*"],
            allow_methods=["GET", "HEAD", "POST"],
            # Clients send MCP-Protocol-Version with discovery too; a wildcard would not cover Authorization.
            allow_headers=["Authorization", "Content-Type", "MCP-Protocol-Version"],
            expose_headers=["WWW-Authenticate", "Retry-After", "X-Request-Id"],
            max_age=86400,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        chosen = self._open if scope["type"] == "http" and scope["path"] in self._paths else self._app
        await chosen(scope, receive, send)
