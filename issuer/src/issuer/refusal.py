"""The answer to a message that never became a request (RFC 9112 §2.2). Twin of the other service's file."""

from __future__ import annotations

import json

from loguru import logger
from starlette.types import Receive, Scope, Send

from . import log

_PHRASES = {
    400: b"Bad Request",
    408: b"Request Timeout",
    414: b"URI Too Long",
    431: b"Request Header Fields Too Large",
    501: b"Not Implemented",
}


class Refused(Exception):
    """A message that never reaches the application; raised inside parser callbacks."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(status, why)
        self.status, self.why = status, why
        self._body = json.dumps({"error": "invalid_request", "error_description": why}).encode()

    def note(self, client: tuple[str, int] | None, request_id: str) -> None:
        """The one line of the log about it."""
        line = {"status": self.status, "client": client[0] if client else "-", "request_id": request_id}
        logger.bind(**line).info("Refused: {}", self.why)

    def answer(self, request_id: str) -> bytes:
        """All that the client is told, as it goes over the wire."""
        lines = [b"%s: %s\r\n" % header for header in self._headers(request_id)]
        return b"HTTP/1.1 %d %s\r\n%s\r\n%s" % (self.status, _PHRASES[self.status], b"".join(lines), self._body)

    async def application(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The same as an ASGI application: for when the answers to earlier requests must go out first."""
        request_id = log.identify(scope["headers"])
        self.note(scope["client"], request_id)
        await send({"type": "http.response.start", "status": self.status, "headers": self._headers(request_id)})
        await send({"type": "http.response.body", "body": self._body})

    def _headers(self, request_id: str) -> list[tuple[bytes, bytes]]:
        return [
            (b"content-type", b"application/json"),
            (b"cache-control", b"no-store"),
            (b"content-length", b"%d" % len(self._body)),
            (b"x-request-id", request_id.encode()),
            (b"connection", b"close"),
        ]
