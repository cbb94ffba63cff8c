"""Whether a token that was issued still stands: its family lives, its person and client are here, it was not denied."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from issuer.grants import client_credentials
from issuer.model import User
from issuer.store import Transaction

DEVELOPMENT_FAMILY = "dev"
"""The family of development tokens, which no row stands behind either."""


def stands(claims: Mapping[str, Any], tx: Transaction, *, now: int, development: bool) -> bool:
    """For the claims of an access token that this issuer signed (RFC 7662 §4)."""
    if _ended(claims, tx, now):
        return False
    root = _root(claims)
    if root == DEVELOPMENT_FAMILY:
        return development
    if root == client_credentials.FAMILY:
        return tx.clients.get(claims["client_id"]) is not None
    return _granter(root, tx) is not None


def person(claims: Mapping[str, Any], tx: Transaction, *, now: int) -> User | None:
    """Who granted such a token, while it stands; None too for one of a machine or of development, which nobody did."""
    return None if _ended(claims, tx, now) else _granter(_root(claims), tx)


def _root(claims: Mapping[str, Any]) -> str:
    return str(claims["jti"]).partition(".")[0]


def _ended(claims: Mapping[str, Any], tx: Transaction, now: int) -> bool:
    return claims["exp"] <= now or tx.denied.has(claims["jti"])


def _granter(family_id: str, tx: Transaction) -> User | None:
    family = tx.families.get(family_id)
    user = tx.users.get(family.subject) if family is not None and family.revoked_at is None else None
    return user if user is not None and not user.disabled else None
