"""Client assertions (RFC 7523 §3, OpenID Connect Core §9 `private_key_jwt`): a client proves itself by a signature."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from issuer.errors import InvalidClient, InvalidClientMetadata
from issuer.protocol import jws
from issuer.protocol.jwks import PublicKey, algorithm, load
from issuer.protocol.jws import ALGORITHMS

TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
SKEW = 30
LONGEST_LIFE = 3600
_TYPES = (None, "jwt", "client-authentication+jwt", "application/client-authentication+jwt")


@dataclass(frozen=True, slots=True)
class Assertion:
    """An assertion that names `client_id`, its signature not checked yet."""

    client_id: str
    jti: str
    expires_at: int
    kid: str | None
    alg: str
    token: jws.Unverified


def read(token: str, audiences: Collection[str], now: int) -> Assertion:
    """The assertion, if all but its signature is in order. `audiences` is the issuer, and what is tolerated beside."""
    try:
        parts = jws.take_apart(token)
    except ValueError:
        raise InvalidClient("client_assertion is not a well-formed signed JWT") from None
    header, claims = parts.header, parts.claims
    typ = header.get("typ")
    if not (typ is None or (isinstance(typ, str) and typ.lower() in _TYPES)):
        raise InvalidClient("the typ of client_assertion is not one of a client assertion")
    alg = header.get("alg")
    if not isinstance(alg, str) or alg not in ALGORITHMS:
        raise InvalidClient(f"client_assertion must be signed with {' or '.join(ALGORITHMS)}")
    kid = header.get("kid")
    if "crit" in header or "b64" in header or not (kid is None or (isinstance(kid, str) and len(kid) <= 256)):
        raise InvalidClient("the header of client_assertion cannot be used: no crit, no b64, and kid a short string")
    client_id, jti = claims.get("sub"), claims.get("jti")
    if not isinstance(client_id, str) or claims.get("iss") != client_id or not _usable(client_id, 2048):
        raise InvalidClient("iss and sub of client_assertion must both be the client_id")
    if not isinstance(jti, str) or not _usable(jti, 256):
        raise InvalidClient("client_assertion needs a jti, a string of at most 256 characters")
    _check_audience(claims.get("aud"), audiences)
    return Assertion(client_id, jti, _check_times(claims, now), kid, alg, parts)


def verify(assertion: Assertion, keys: Sequence[Mapping[str, Any]]) -> bool:
    """Whether one of the client's own keys made the signature."""
    for member in keys:
        if assertion.kid is not None and member.get("kid", assertion.kid) != assertion.kid:
            continue
        try:
            key: PublicKey = load(dict(member))
        except InvalidClientMetadata:
            continue  # a set may hold keys for other uses
        if algorithm(key) == assertion.alg and ALGORITHMS[assertion.alg].verify(
            assertion.token.signed, key, assertion.token.signature
        ):
            return True
    return False


def _usable(text: str, longest: int) -> bool:
    return 0 < len(text) <= longest and "\0" not in text


def _check_audience(aud: object, audiences: Collection[str]) -> None:
    """The sole audience: an assertion that names another server too could be played back here by that one."""
    sole = aud[0] if isinstance(aud, list) and len(aud) == 1 else aud
    if not isinstance(sole, str) or sole not in audiences:
        raise InvalidClient("the aud of client_assertion must be this issuer's identifier alone")


def _check_times(claims: Mapping[str, Any], now: int) -> int:
    exp, nbf, iat = claims.get("exp"), claims.get("nbf", now), claims.get("iat", now)
    # bool is an int in Python, and True is no time.
    if not all(isinstance(moment, int) and not isinstance(moment, bool) for moment in (exp, nbf, iat)):
        raise InvalidClient("exp, nbf and iat of client_assertion must be whole seconds, and exp must be there")
    assert isinstance(exp, int)
    if exp <= now - SKEW:
        raise InvalidClient("client_assertion has expired")
    if exp > now + LONGEST_LIFE + SKEW:
        raise InvalidClient(f"client_assertion is valid for too long: {LONGEST_LIFE} s are the most")
    if nbf > now + SKEW or iat > now + SKEW:
        raise InvalidClient("client_assertion is from the future: check the clock of the client")
    return exp
