"""Whether a token that was issued still stands: its family lives, its person and client are here, it was not denied."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from issuer.grants import client_credentials
from issuer.store import Transaction

DEVELOPMENT_FAMILY = "dev"
"""The family of development tokens, which no row stands behind either."""


def stands(claims: Mapping[str, Any], tx: Transaction, *, now: int, development: bool) -> bool:
    """For the claims of an access token that this issuer signed (RFC 7662 §4)."""
    if claims["exp"] <= now or tx.denied.has(claims["jti"]):
        return False
    root = claims["jti"].partition(".")[0]
    if root == DEVELOPMENT_FAMILY:
        return development
    if root == client_credentials.FAMILY:
        return tx.clients.get(claims["client_id"]) is not None
    family = tx.families.get(root)
    if family is None or family.revoked_at is not None:
        return False
    user = tx.users.get(family.subject)
    return user is not None and not user.disabled
