"""Request bodies: read up to a limit while they arrive, and JSON read strictly (RFC 8259, RFC 7493)."""

from __future__ import annotations

import re
from typing import Any

from fastapi import Request
from starlette.requests import ClientDisconnect

from issuer import guard
from issuer.errors import InvalidClientMetadata, InvalidRequest, PayloadTooLarge
from issuer.protocol import strict_json

LONGEST_JSON = 64 * 1024
"""Bytes of a client's metadata."""
_JSON = re.compile(rb"application/(?:[a-z0-9.-]+\+)?json(?:\s*;\s*charset=\"?utf-8\"?)?\s*", re.IGNORECASE)


async def read_body(request: Request, limit: int) -> bytes:
    """The body, refused with 413 as soon as more than `limit` bytes are announced or have come."""
    try:
        return await guard.read_body(request.scope, request.receive, limit)
    except guard.BodyTooLarge:
        raise PayloadTooLarge(f"the body is larger than {limit // 1024} KB", headers={"Connection": "close"}) from None
    except ClientDisconnect:
        raise InvalidRequest("the body ended early") from None


async def read_json_object(request: Request, limit: int) -> dict[str, Any]:
    """The JSON object of a registration request. Everything else is `invalid_client_metadata`."""
    kind = request.headers.get("content-type", "").encode("latin-1")
    if not _JSON.fullmatch(kind):
        raise InvalidClientMetadata("send the client metadata as application/json, in UTF-8")
    return strict_object(await read_body(request, limit))


def strict_object(raw: bytes) -> dict[str, Any]:
    """One JSON object, read strictly."""
    try:
        return strict_json.read_object(raw)
    except strict_json.NotStrict as error:
        raise InvalidClientMetadata(f"the body must be one JSON object in UTF-8: {error}") from None
