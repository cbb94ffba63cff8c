"""How a request is refused at the MCP endpoint: RFC 6750 §3 and RFC 9728 §5.1 in the header, JSON-RPC in the body.

MCP clients show the message of a JSON-RPC error to people; of any other body they show nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from starlette.types import Send

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
# JSON-RPC 2.0 §5.1 leaves codes outside -32768..-32000 to applications: these are the HTTP status.
UNAUTHORIZED, FORBIDDEN_ORIGIN, INSUFFICIENT_SCOPE, TOO_LARGE, UNAVAILABLE = 401, 403, 403, 413, 503
TOO_MANY = 429

Header = tuple[bytes, bytes]


class Challenge:
    """The `WWW-Authenticate` values of one protected resource.

    metadata_url: where RFC 9728 metadata lies. scopes: what every request needs.
    """

    def __init__(self, metadata_url: str, scopes: Iterable[str]) -> None:
        self._metadata = f'resource_metadata="{metadata_url}"'
        self.scopes = tuple(scopes)
        self.bare = self._header((), self.scopes)

    def including(self, needed: Iterable[str]) -> list[str]:
        """All that an operation needs, what every request needs first."""
        return [*self.scopes, *sorted(set(needed) - set(self.scopes))]

    def invalid_token(self, description: str) -> Header:
        return self._header(('error="invalid_token"', f'error_description="{description}"'), self.scopes)

    def insufficient_scope(self, needed: Iterable[str]) -> Header:
        """`needed`: all that the operation needs, in one challenge (MCP, Scope Challenge Handling)."""
        text = "The access token does not grant all that this operation needs."
        return self._header(('error="insufficient_scope"', f'error_description="{text}"'), needed)

    def _header(self, error: tuple[str, ...], scopes: Iterable[str]) -> Header:
        asked = " ".join(scopes)
        parts = [*error[:1], self._metadata, *([f'scope="{asked}"'] if asked else []), *error[1:]]
        return b"www-authenticate", f"Bearer {', '.join(parts)}".encode()


async def refuse(send: Send, status: int, code: int, message: str, *headers: Header) -> None:
    """Answer with a JSON-RPC error that belongs to no request id."""
    error = {"jsonrpc": "2.0", "id": None, "error": {"code": code, "message": message}}
    body = json.dumps(error, separators=(",", ":")).encode()
    fixed = [
        (b"content-type", b"application/json"),
        (b"cache-control", b"no-store"),
        (b"content-length", b"%d" % len(body)),
    ]
    await send({"type": "http.response.start", "status": status, "headers": [*fixed, *headers]})
    await send({"type": "http.response.body", "body": body})
