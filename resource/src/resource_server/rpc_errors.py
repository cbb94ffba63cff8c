"""What the paths of MCP refuse as HTTP (RFC 9110 §15.5), in one shape: a JSON-RPC error that nobody stores.

The MCP SDK says some of it as plain text, and some with nothing but a status: no MCP client shows that to anybody.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from resource_server.answers import INVALID_REQUEST, Header, refuse

_NO_STORE = (b"cache-control", b"no-store")
_LONGEST = 200  # characters of the SDK's text
_FRAMING = (b"content-type", b"content-length", b"cache-control")


class RpcErrors:
    """ASGI application around a transport's, behind the bearer gate. methods: those that it answers to."""

    def __init__(self, app: ASGIApp, methods: Sequence[str]) -> None:
        self._app, self._methods = app, frozenset(methods)
        allowed = ", ".join(methods)
        self._allow = b"allow", allowed.encode()
        self._not_allowed = f"This address answers to {allowed} alone."

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] not in self._methods:
            await refuse(send, 405, INVALID_REQUEST, self._not_allowed, self._allow)
        elif scope["method"] == "POST" and not _is_json(scope["headers"]):
            await refuse(send, 415, INVALID_REQUEST, "The Content-Type of a message must be application/json.")
        else:
            await self._app(scope, receive, _Answer(send).pass_on)


def _is_json(headers: Sequence[Header]) -> bool:
    """Whether the body is said to be JSON; of two Content-Type headers the guard has rid us."""
    return any(
        name == b"content-type" and value.partition(b";")[0].strip().lower() == b"application/json"
        for name, value in headers
    )


class _Answer:
    """One answer on its way out; an error is held back until it is whole."""

    __slots__ = ("_error", "_parts", "_send")

    def __init__(self, send: Send) -> None:
        self._send = send
        self._error: Message | None = None
        self._parts: list[bytes] = []

    async def pass_on(self, message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] >= 400:
            self._error = message
        elif self._error is None:
            await self._send(message)
        elif message["type"] == "http.response.body":
            self._parts.append(message.get("body", b""))
            if not message.get("more_body", False):
                error, self._error = self._error, None
                await self._tell(error, b"".join(self._parts))

    async def _tell(self, error: Message, body: bytes) -> None:
        status = error["status"]
        headers = [(name.lower(), value) for name, value in error.get("headers", ())]
        kept = [header for header in headers if header[0] not in _FRAMING]
        if _is_json(headers):
            body = _one_line(body)
            fixed = [(b"content-type", b"application/json"), _NO_STORE, (b"content-length", b"%d" % len(body))]
            await self._send({**error, "headers": [*fixed, *kept]})
            await self._send({"type": "http.response.body", "body": body})
            return
        text = body.decode("utf-8", "replace").strip()[:_LONGEST] or HTTPStatus(status).phrase
        await refuse(self._send, status, INVALID_REQUEST if status < 429 else status, text, *kept)


def _one_line(body: bytes) -> bytes:
    """A JSON-RPC error; of a message with more lines the first alone, as pydantic's others quote what was sent."""
    try:
        answer = json.loads(body)
        message = answer["error"]["message"]
        first = message.partition("\n")[0]
    except (ValueError, TypeError, KeyError, AttributeError):
        return body
    if first == message:
        return body
    answer["error"]["message"] = first
    return json.dumps(answer, separators=(",", ":")).encode()
