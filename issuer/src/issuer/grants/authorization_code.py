"""The authorization code grant (OAuth 2.1 §4.1.3): a code becomes tokens, once."""

from __future__ import annotations

import dataclasses

from issuer.errors import InvalidGrant, OAuthError
from issuer.grants import refresh_token
from issuer.grants.request import TokenRequest, check_person
from issuer.model import Authorization, Code, Family
from issuer.protocol import pkce, redirect_uri, resource, secret
from issuer.store import Transaction

GRANT_TYPE = "authorization_code"
WRITES = True
_MOST_FAILURES = 5


def issue(code: Code, tx: Transaction) -> str:
    """Store a code for what a person agreed to, and return it; `code.digest` is filled in here."""
    plain = secret.invent(secret.CODE)
    tx.codes.add(dataclasses.replace(code, digest=secret.digest(plain)))
    return plain


def authorize(request: TokenRequest, tx: Transaction) -> Authorization:
    """Everything is checked before the code is spent, so an honest mistake can be made good with the same code."""
    digest = secret.digest(request.parameters.require("code"))
    code = tx.codes.get(digest)
    expired = code is not None and code.family is None and code.expires_at <= request.now
    if code is None or code.client_id != request.client.id or expired:
        raise InvalidGrant("the code is unknown, expired, or was issued to another client")
    try:
        resources = _check(request, code)
    except OAuthError as error:
        error.remember = lambda tx: tx.codes.failed(digest, _MOST_FAILURES)
        raise
    check_person(code.subject, tx)
    family = secret.invent_id("")
    if not tx.codes.spend(digest, family):
        raise _replayed(digest, request.now)
    _start(family, code, request, tx)
    return Authorization(
        subject=code.subject,
        client_id=code.client_id,
        scope=code.scope,
        audience=resource.audience(resources, request.resources),
        family=family,
        refresh_token=refresh_token.first(family, code.scope, request, tx),
        auth_time=code.auth_time,
        nonce=code.nonce,
        sid=code.sid,
    )


def _check(request: TokenRequest, code: Code) -> tuple[str, ...]:
    # Where a client has one address, both requests may leave it out (OAuth 2.1 §4.1.1, RFC 6749 §4.1.3).
    only = redirect_uri.only(request.client.redirect_uris)
    asked = request.parameters.get("redirect_uri") or only or request.parameters.require("redirect_uri")
    if asked != code.redirect_uri:
        raise InvalidGrant("redirect_uri is not the one of the authorization request")
    pkce.check_verifier(request.parameters.get("code_verifier"), code.code_challenge)
    return resource.narrowed(request.parameters.all("resource"), code.resources, request.resources)


def _start(id: str, code: Code, request: TokenRequest, tx: Transaction) -> None:
    tx.families.add(
        Family(
            id=id,
            client_id=code.client_id,
            subject=code.subject,
            scope=code.scope,
            resources=code.resources,
            auth_time=code.auth_time,
            created_at=request.now,
            last_used_at=request.now,
            expires_at=request.now + request.lives.refresh_total,
            sid=code.sid,
        )
    )
    tx.clients.used(code.client_id, request.now)


def _replayed(digest: str, now: int) -> InvalidGrant:
    """A code that comes a second time, with everything else right, was stolen: all that came of it ends."""

    def revoke(tx: Transaction) -> None:
        spent = tx.codes.get(digest)
        if spent and spent.family:
            tx.families.revoke(spent.family, now)

    return InvalidGrant(
        "the code was used before: everything issued for it is revoked", detail="code replay", remember=revoke
    )
