"""The refresh token grant (OAuth 2.1 §4.3): rotated at every use, one living leaf a family.

A client whose answer was lost asks again with the token it still has. For a minute that is honest and gets the very
same successor, which only the presented token and a salt beside it can make; from the moment the successor is used,
or the minute is over, it is theft, and the family ends.
"""

from __future__ import annotations

import secrets

from issuer.errors import InvalidGrant
from issuer.grants.request import TokenRequest, check_person
from issuer.model import Authorization, Family, RefreshToken, Scope
from issuer.protocol import resource, scope, secret
from issuer.store import Transaction

GRANT_TYPE = "refresh_token"
WRITES = True
HONEST_SECONDS = 60


def first(family: str, granted: Scope, request: TokenRequest, tx: Transaction) -> str | None:
    """The first refresh token of a family, for clients that can use one."""
    if GRANT_TYPE not in request.client.grant_types and "offline_access" not in granted:
        return None
    token = secret.invent(secret.REFRESH)
    tx.refresh_tokens.add(RefreshToken(secret.digest(token), family, request.now + request.lives.refresh_idle))
    return token


def find(presented: str, client_id: str, now: int, tx: Transaction) -> tuple[RefreshToken, Family]:
    """The token of that client with its family, both alive; it may have been spent. Raises InvalidGrant."""
    token = tx.refresh_tokens.get(secret.digest(presented))
    family = tx.families.get(token.family) if token else None
    if token is None or family is None or family.client_id != client_id:
        raise InvalidGrant("the refresh token is unknown or was issued to another client")
    if family.revoked_at is not None:
        raise InvalidGrant("what this refresh token stands for was revoked")
    if min(token.expires_at, family.expires_at) <= now:
        raise InvalidGrant("the refresh token has expired: ask the person again")
    check_person(family.subject, tx)
    return token, family


def authorize(request: TokenRequest, tx: Transaction) -> Authorization:
    presented = request.parameters.require("refresh_token")
    token, family = find(presented, request.client.id, request.now, tx)
    granted = scope.narrowed(scope.parse(request.parameters.get("scope")), family.scope)
    resources = resource.narrowed(request.parameters.all("resource"), family.resources, request.resources)
    return Authorization(
        subject=family.subject,
        client_id=family.client_id,
        scope=granted,
        audience=resource.audience(resources, request.resources),
        family=family.id,
        refresh_token=_successor(presented, token, family, request, tx),
        auth_time=family.auth_time,
        sid=family.sid,
    )


def _successor(presented: str, token: RefreshToken, family: Family, request: TokenRequest, tx: Transaction) -> str:
    salt = secrets.token_bytes(16)
    if token.spent_at is None and tx.refresh_tokens.spend(token.digest, salt, request.now):
        following = secret.successor(presented, salt)
        # Never before the one it follows, which it would be where the clock was set back meanwhile.
        expires_at = min(max(request.now + request.lives.refresh_idle, token.expires_at), family.expires_at)
        tx.refresh_tokens.add(RefreshToken(secret.digest(following), family.id, expires_at, parent=token.digest))
        if token.parent:
            tx.refresh_tokens.forget_salt(token.parent)
        tx.families.used(family.id, request.now)
        return following
    spent = tx.refresh_tokens.get(token.digest)
    # abs: a clock that was set back must not lengthen the minute.
    honest = spent and spent.salt and spent.spent_at is not None and abs(request.now - spent.spent_at) <= HONEST_SECONDS
    if not (honest and spent and spent.salt):
        raise InvalidGrant(
            "the refresh token was used before: everything issued for it is revoked",
            detail="refresh token reuse",
            remember=lambda tx: tx.families.revoke(family.id, request.now),
        )
    return secret.successor(presented, spent.salt)
