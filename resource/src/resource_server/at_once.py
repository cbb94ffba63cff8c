"""A 2026-07-28 request is answered at once, as JSON, when its caller wants no messages on the way.

The MCP SDK has two ways to answer. Its event streams run each request beside two more tasks, which takes as long as a
small tool itself; its JSON answers do without, but a caller that goes away stops nothing, no message reaches the caller
before the result, and proxies that lose patience see no sign of life. Here each request takes the second way if its
caller opted in to no message, and what the first way does about the other two is done for those that take long.
"""

from __future__ import annotations

import asyncio
from typing import Any

import anyio
from mcp_types import LOG_LEVEL_META_KEY
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SOON = 0.5
"""Seconds after which it is looked whether the caller is still there."""
PING_EVERY = 15.0
"""Seconds without a word to the caller; the MCP SDK's own."""
_MARK = "resource_server.at_once"
_VERSIONS = frozenset(version.encode() for version in MODERN_PROTOCOL_VERSIONS)
_STREAM = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),
]


def mark(scope: Scope, message: Any) -> None:
    """Note what the request's body, a JSON value, says of messages on the way: progress or log lines."""
    params = message.get("params") if isinstance(message, dict) else None
    meta = params.get("_meta") if isinstance(params, dict) else None
    scope[_MARK] = isinstance(meta, dict) and "progressToken" not in meta and LOG_LEVEL_META_KEY not in meta


class AtOnce:
    """ASGI application: `at_once`, which answers with JSON, for the requests that it suits; else `streaming`."""

    def __init__(self, at_once: ASGIApp, streaming: ASGIApp) -> None:
        self._at_once, self._streaming = at_once, streaming

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get(_MARK) and _is_modern(scope):
            await _Exchange(receive, send).run(self._at_once, scope)
        else:
            await self._streaming(scope, receive, send)


def _is_modern(scope: Scope) -> bool:
    """By the header, as the SDK tells the eras apart; sessions of the older era are known to `streaming` alone."""
    found = [value for name, value in scope["headers"] if name == b"mcp-protocol-version"]
    return len(found) == 1 and found[0] in _VERSIONS


class _Exchange:
    """One request and its answer, watched when it takes long."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        self._left = anyio.CancelScope()
        self._read = self._answering = self._streaming = False
        self._parts: list[bytes] = []

    async def run(self, app: ASGIApp, scope: Scope) -> None:
        loop, watch = asyncio.get_running_loop(), None

        def start() -> None:
            nonlocal watch
            watch = loop.create_task(self._watch())

        later = loop.call_later(SOON, start)
        try:
            with self._left:
                await app(scope, self._once, self._answer)
        finally:
            later.cancel()
            if watch is not None:
                watch.cancel()

    async def _once(self) -> Message:
        """`receive` of the application, which reads the body before it works; the rest is the watch's."""
        message = await self._receive()
        self._read = self._read or not message.get("more_body", False)
        return message

    async def _watch(self) -> None:
        while not self._answering:
            try:
                async with asyncio.timeout(PING_EVERY):
                    if self._read and (await self._receive())["type"] == "http.disconnect":
                        self._left.cancel()
                        return
                    await asyncio.sleep(SOON)
            except TimeoutError:
                await self._ping()

    async def _ping(self) -> None:
        if self._answering:
            return
        if not self._streaming:
            self._streaming = True
            await self._send({"type": "http.response.start", "status": 200, "headers": _STREAM})
        await self._send({"type": "http.response.body", "body": b": ping\r\n\r\n", "more_body": True})

    async def _answer(self, message: Message) -> None:
        """`send` of the application; its JSON becomes the event of a stream that has begun."""
        self._answering = True
        if not self._streaming:
            await self._send(message)
        elif message["type"] == "http.response.body":
            self._parts.append(message.get("body", b""))
            if not message.get("more_body", False):
                event = b"event: message\r\ndata: %s\r\n\r\n" % b"".join(self._parts)
                await self._send({"type": "http.response.body", "body": event, "more_body": False})
