"""A compact JWS (RFC 7515 §7.1) taken apart, strictly and within bounds; nothing here is trusted yet."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import Any

from resource_server import strict_json

MAX_TOKEN = 8192
MAX_HEADER = 2048  # encoded
MAX_SIGNATURE = 1366  # encoded: RSA-8192

_SEGMENT = re.compile(r"[A-Za-z0-9_-]+")


class Malformed(ValueError):
    """The text is no compact JWS of JSON objects. The message never quotes it."""


@dataclass(frozen=True, slots=True)
class Unverified:
    """What the token says of itself, before its signature was checked."""

    header: dict[str, Any]
    claims: dict[str, Any]
    signed: bytes
    signature: bytes


def parse(token: str) -> Unverified:
    """Take a compact JWS apart. Raises Malformed."""
    if len(token) > MAX_TOKEN:
        raise Malformed("it is larger than 8192 characters")
    segments = token.split(".")
    if len(segments) != 3:
        raise Malformed("it does not have three parts")
    if len(segments[0]) > MAX_HEADER or len(segments[2]) > MAX_SIGNATURE:
        raise Malformed("its header or its signature is too large")
    header, payload, signature = (_decode(segment) for segment in segments)
    signed = token[: len(segments[0]) + 1 + len(segments[1])].encode()
    return Unverified(_object(header, "header"), _object(payload, "payload"), signed, signature)


def _decode(segment: str) -> bytes:
    """base64url without padding (RFC 7515 §2), in its one canonical spelling."""
    if not _SEGMENT.fullmatch(segment) or len(segment) % 4 == 1:
        raise Malformed("it is not base64url")
    decoded = base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    if base64.urlsafe_b64encode(decoded).rstrip(b"=") != segment.encode():
        raise Malformed("it is not canonical base64url")
    return decoded


def _object(data: bytes, name: str) -> dict[str, Any]:
    try:
        value = strict_json.loads(data)
    except strict_json.NotStrict as error:
        raise Malformed(f"its {name} is no plain JSON: {error}") from None
    if not isinstance(value, dict):
        raise Malformed(f"its {name} is no JSON object")
    return value
