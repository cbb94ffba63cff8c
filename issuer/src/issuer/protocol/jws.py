"""Compact JWS taken apart (RFC 7515 §7.1), strictly: one spelling for each token, and nothing verified yet."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from jwt.algorithms import Algorithm, get_default_algorithms

from issuer.protocol import base64url, strict_json

ALGORITHMS: dict[str, Algorithm] = {name: get_default_algorithms()[name] for name in ("RS256", "ES256", "EdDSA")}
"""What tokens are signed with here, and assertions there."""
_LONGEST = 16 * 1024
_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Unverified:
    """A token's parts. `signed` are the bytes that `signature` is over."""

    header: dict[str, Any]
    claims: dict[str, Any]
    signed: bytes
    signature: bytes


def take_apart(token: str) -> Unverified:
    """The parts of a compact JWS. Raises ValueError."""
    if len(token) > _LONGEST or not _COMPACT.fullmatch(token):
        raise ValueError("not a compact JWS")
    signed, _, signature = token.encode().rpartition(b".")
    header, _, claims = signed.partition(b".")
    return Unverified(
        strict_json.read_object(base64url.decode(header)),
        strict_json.read_object(base64url.decode(claims)),
        signed,
        base64url.decode(signature),
    )
