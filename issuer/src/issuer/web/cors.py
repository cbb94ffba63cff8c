"""CORS for what any web page may read: `*` without credentials on metadata, keys, registration and tokens.

Every other route answers no cross-origin page at all.
"""

from __future__ import annotations

from collections.abc import Iterable

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_VARY = (b"vary", b"Origin")


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
        if scope["type"] != "http" or scope["path"] not in self._paths:
            await self._app(scope, receive, send)
        elif any(name == b"origin" for name, _ in scope["headers"]):
            await self._open(scope, receive, send)
        else:

            async def varying(message: Message) -> None:
                if message["type"] == "http.response.start":
                    message["headers"] = [*message["headers"], _VARY]
                await send(message)

            await self._app(scope, receive, varying)
