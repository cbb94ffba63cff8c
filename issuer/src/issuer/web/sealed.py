"""What a browser carries for us between two pages: sealed with the server's secret, so it costs no row to begin.

A seal is JSON in base64url with an HMAC-SHA256, without padding, which a bearer token cannot have in its middle
(RFC 6750 §2.1); it is not hidden from the browser, only unforgeable.
"""

from __future__ import annotations

import hmac
import json
from typing import Any

from issuer.protocol import base64url

_LONGEST = 32 * 1024


def seal(secret: bytes, content: dict[str, Any]) -> str:
    payload = base64url.encode(json.dumps(content, separators=(",", ":")).encode())
    return (payload + b"." + _mac(secret, payload)).decode()


def unseal(secret: bytes, sealed: str) -> dict[str, Any] | None:
    """The content, None for anything that this server did not seal."""
    payload, _, mac = sealed.encode().rpartition(b".")
    if len(sealed) > _LONGEST or not hmac.compare_digest(mac, _mac(secret, payload)):
        return None
    try:
        content: dict[str, Any] = json.loads(base64url.decode(payload))
        return content
    except ValueError:
        return None


def _mac(secret: bytes, payload: bytes) -> bytes:
    return base64url.encode(hmac.digest(secret, payload, "sha256"))
