"""Base64url without padding (RFC 7515 §2): the alphabet of tokens, seals and keys."""

from __future__ import annotations

import base64


def encode(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


def decode(text: bytes) -> bytes:
    """What `encode` made this of. Raises ValueError for any other spelling of the same bytes, too."""
    raw = base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))
    if encode(raw) != text:
        raise ValueError("not canonical base64url")
    return raw
