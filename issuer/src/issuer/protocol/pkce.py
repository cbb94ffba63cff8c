"""Proof Key for Code Exchange (RFC 7636 §4), S256 alone as OAuth 2.1 §7.5.2 wants it."""

from __future__ import annotations

import hashlib
import hmac
import re

from issuer.errors import InvalidGrant, InvalidRequest
from issuer.protocol import base64url

METHOD = "S256"
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]")  # 32 bytes: the last character has 2 spare bits
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")


def check_challenge(challenge: str | None, method: str | None) -> str:
    """The challenge of an authorization request, or why it cannot be one (RFC 7636 §4.3)."""
    if challenge is None:
        raise InvalidRequest("code_challenge is missing: PKCE with S256 is required for every client")
    if method != METHOD:
        raise InvalidRequest("code_challenge_method must be S256")
    if not _CHALLENGE.fullmatch(challenge):
        raise InvalidRequest("code_challenge is not the base64url of a SHA-256 digest: 43 characters, no padding")
    return challenge


def check_verifier(verifier: str | None, challenge: str) -> None:
    """Refuse a verifier that does not hash to the challenge (RFC 7636 §4.6)."""
    if verifier is None:
        raise InvalidRequest("code_verifier is missing")
    if not _VERIFIER.fullmatch(verifier):
        raise InvalidGrant("code_verifier is malformed: 43 to 128 characters of A-Z a-z 0-9 - . _ ~")
    computed = base64url.encode(hashlib.sha256(verifier.encode()).digest()).decode()
    if not hmac.compare_digest(computed, challenge):
        raise InvalidGrant("code_verifier does not match the code_challenge of the authorization request")
