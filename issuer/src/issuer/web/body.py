"""Request bodies: read up to a limit while they arrive, and JSON read strictly (RFC 8259, RFC 7493)."""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

from fastapi import Request
from starlette.requests import ClientDisconnect

from issuer import guard
from issuer.errors import InvalidClientMetadata, InvalidRequest, PayloadTooLarge

_JSON = re.compile(rb"application/(?:[a-z0-9.-]+\+)?json(?:\s*;\s*charset=\"?utf-8\"?)?\s*", re.IGNORECASE)
_MOST_DIGITS = 40


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
    """One JSON object in UTF-8: no byte order mark, no NaN, no lone surrogate, no member twice, no endless number."""
    try:
        text = raw.decode("utf-8")
        value = json.loads(
            text,
            parse_constant=_refuse,
            parse_float=_float,
            parse_int=_int,
            object_pairs_hook=_members,
        )
        if isinstance(value, dict):
            json.dumps(value, ensure_ascii=False).encode("utf-8")
            return value
    except (ValueError, RecursionError):
        pass
    raise InvalidClientMetadata("the body must be one JSON object in UTF-8")


def _refuse(constant: str) -> NoReturn:
    raise ValueError("not JSON")


def _float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("not a number")
    return number


def _int(text: str) -> int:
    if len(text) > _MOST_DIGITS:
        raise ValueError("too many digits")
    return int(text)


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member stands twice")
    return members
