"""What web pages may do (Fetch standard, CORS): any page reads the metadata, only allowed origins reach /mcp.

A foreign `Origin` at the MCP endpoint is 403 (MCP, Streamable HTTP, Security), with or without a token.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from resource_server import log
from resource_server.answers import FORBIDDEN_ORIGIN, refuse

# `*` is every name but Authorization (Fetch standard): `Mcp-Param-{name}` has as many as tools have parameters.
ALLOWED_HEADERS = (
    "Authorization, Content-Type, Accept, MCP-Protocol-Version, Mcp-Session-Id, Mcp-Method, Mcp-Name, Last-Event-ID, "
    "X-Request-Id, *"
)
EXPOSED_HEADERS = b"WWW-Authenticate, Mcp-Session-Id, X-Request-Id, Retry-After"
_LOOPBACK = re.compile(rb"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?")
_REFUSAL = "Web pages of this origin may not use this server; RESOURCE_ALLOWED_ORIGINS names those that may."

Headers = list[tuple[bytes, bytes]]


class Browser:
    """ASGI middleware.

    origins: who may reach `mcp_path` and all below it; empty: every loopback origin; `*`: everyone.
    open_paths: metadata and health, readable by every page.
    """

    def __init__(
        self, app: ASGIApp, *, mcp_path: str, own_origin: str, origins: Collection[str], open_paths: Collection[str]
    ) -> None:
        self.app = app
        self.mcp_path, self.below = mcp_path, mcp_path + "/"
        self.loopback = not origins
        self.origins = frozenset(origin.encode() for origin in (*origins, own_origin))
        self.everyone = b"*" in self.origins
        self.open_paths = frozenset(open_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        origin: bytes | None = None
        preflight, path = False, scope["path"]
        for name, value in scope["headers"]:
            if name == b"origin":
                origin = value
            elif name == b"access-control-request-method":
                preflight = scope["method"] == "OPTIONS"
        if path in self.open_paths:
            allowed: Headers = [(b"access-control-allow-origin", b"*")]
        elif path == self.mcp_path or path.startswith(self.below):
            if origin is None:
                await self.app(scope, receive, send)
                return
            if not self._allows(origin):
                log.note(error="foreign origin")
                await refuse(send, 403, FORBIDDEN_ORIGIN, _REFUSAL, (b"vary", b"Origin"))
                return
            allowed = [(b"access-control-allow-origin", origin), (b"vary", b"Origin")]
        else:
            await self.app(scope, receive, send)
            return
        if origin is not None and preflight:
            await _answer_preflight(send, allowed)
            return

        async def send_allowed(message: Message) -> None:
            if message["type"] == "http.response.start":
                more = [*allowed, (b"access-control-expose-headers", EXPOSED_HEADERS)]
                # The application may have a CORS middleware of its own; of two such headers browsers believe neither.
                own = (h for h in message.get("headers", ()) if not h[0].lower().startswith(b"access-control-"))
                message["headers"] = [*own, *more]
            await send(message)

        await self.app(scope, receive, send_allowed)

    def _allows(self, origin: bytes) -> bool:
        if origin in self.origins or self.everyone:
            return True
        return self.loopback and _LOOPBACK.fullmatch(origin) is not None


async def _answer_preflight(send: Send, allowed: Headers) -> None:
    headers = [
        *allowed,
        (b"access-control-allow-methods", b"GET, POST, DELETE"),
        (b"access-control-allow-headers", ALLOWED_HEADERS.encode()),
        (b"access-control-max-age", b"600"),
        (b"content-length", b"0"),
    ]
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
