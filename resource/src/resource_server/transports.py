"""Where a FastMCP server meets ASGI: its streamable HTTP and HTTP+SSE applications, without FastMCP's own auth."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Literal

from fastmcp import FastMCP
from fastmcp.server.http import StarletteWithLifespan, create_sse_app, create_streamable_http_app
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from resource_server import seams
from resource_server.at_once import AtOnce
from resource_server.sessions import Sessions

MCP_PATH = "/mcp"
SSE_PATH = "/mcp/sse"
MESSAGES_PATH = "/mcp/messages/"

Transport = Literal["http", "sse", "both"]


class Transports:
    """The ASGI applications of one FastMCP server, by the paths that lead to them, and the methods of each path.

    The server's own `auth` is left out on purpose: the gate in front is the only judge of tokens.
    """

    def __init__(self, server: FastMCP[Any], transport: Transport, sessions: Sessions) -> None:
        self._sessions = sessions
        self._with_sessions: list[StarletteWithLifespan] = []
        self._apps: list[StarletteWithLifespan] = []
        self.paths: dict[str, ASGIApp] = {}
        self.methods: dict[str, Sequence[str]] = {}
        if transport in ("http", "both"):
            streaming = create_streamable_http_app(server, MCP_PATH)
            at_once = create_streamable_http_app(server, MCP_PATH, json_response=True)
            self._apps += [streaming, at_once]
            self._with_sessions.append(streaming)
            self._add(MCP_PATH, AtOnce(at_once, streaming), "GET", "POST", "DELETE")
        if transport in ("sse", "both"):
            sse = create_sse_app(server, MESSAGES_PATH, SSE_PATH)
            self._apps.append(sse)
            self._add(SSE_PATH, sse, "GET")
            # A Mount would strip the prefix that the inner application looks for.
            self._add(MESSAGES_PATH + "{rest:path}", sse, "POST")

    def _add(self, path: str, app: ASGIApp, *methods: str) -> None:
        self.paths[path], self.methods[path] = app, methods

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The server's lifespan and its session managers."""
        seams.spare_spans()
        seams.spare_task_groups()
        async with AsyncExitStack() as stack:
            for app in self._apps:
                await stack.enter_async_context(app.lifespan(app))
            for app in self._with_sessions:
                self._sessions.watch(app)
            yield


def exact_routes(paths: Mapping[str, ASGIApp]) -> list[BaseRoute]:
    """One route for every path and any method: a mount would redirect `/mcp` and change the resource identifier."""
    return [_Exact(path, endpoint=app, include_in_schema=False) for path, app in paths.items()]


class _Exact(Route):
    """Says which route a request took, as FastAPI's own routes do; what the inner application says stays inside."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["route"] = self
        await super().handle({**scope}, receive, send)
