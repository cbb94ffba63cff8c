"""Secrets that we invent: 256 bits, a prefix that tells what it is, stored as SHA-256 and printed once."""

from __future__ import annotations

import hashlib
import hmac
import secrets

from issuer.protocol import base64url

CODE = "mcp_ac_"
REFRESH = "mcp_rt_"
CLIENT_SECRET = "mcp_cs_"
CLIENT_ID = "mcp_client_"
SESSION = "mcp_se_"
REGISTRATION = "mcp_ra_"
INITIAL_ACCESS = "mcp_ia_"


def invent(prefix: str) -> str:
    """A new secret in the alphabet [A-Za-z0-9_-], so that no client's percent-encoding can spoil it."""
    return prefix + secrets.token_urlsafe(32)


def invent_id(prefix: str) -> str:
    """A new public name of 128 bits."""
    return prefix + secrets.token_urlsafe(16)


def digest(secret: str) -> str:
    """What is stored: SHA-256, hexadecimal. Enough for 256 random bits; a person's password needs argon2id."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def matches(secret: str, stored: str) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(digest(secret), stored)


def successor(token: str, salt: bytes) -> str:
    """The refresh token that follows `token`: whoever holds the old one and the salt can compute it again,
    and nobody else, so an honest retry gets the same answer from any replica while only hashes are at rest.
    """
    mac = hmac.digest(token.encode(), salt, "sha256")
    return REFRESH + base64url.encode(mac).decode()
