"""Whether a JWT is an access token for us (RFC 9068 §4, RFC 8725): pure rules, the time is a parameter.

The caller finds the keys: `read` says which are asked for, `accept` decides with them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from resource_server import jws
from resource_server.jwk import Key

Profile = Literal["rfc9068", "jwt"]

MAX_KID = 256
MAX_SCOPES = 256
_MAX_TIME = 1 << 48  # beyond any clock, within every integer and float
# Headers that name a key or its place (RFC 7515 §4.1.2-§4.1.8), demand an extension (§4.1.11, RFC 7797) or
# compress. The issuer's tokens have none; ignoring them would be safe, refusing them is plain.
_FORBIDDEN = ("crit", "b64", "zip", "jku", "jwk", "x5u", "x5c", "enc", "cty")
_SCOPE_TOKEN = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")  # RFC 6749 §3.3
_TYPES: dict[Profile, frozenset[str]] = {
    "rfc9068": frozenset({"at+jwt"}),
    "jwt": frozenset({"at+jwt", "jwt"}),
}
# Claims of ID tokens and logout tokens (OpenID Connect Core §2, Back-Channel Logout §2.4)
_NOT_ACCESS = ("nonce", "at_hash", "c_hash", "s_hash", "events")


Reason = Literal[
    "malformed",
    "algorithm",
    "header",
    "not_access_token",
    "issuer",
    "audience",
    "expired",
    "not_yet_valid",
    "claims",
    "no_scope",
    "signature",
]


class Rejected(Exception):
    """The token is not accepted. The text is for its bearer: what was wrong, never what was sent."""

    def __init__(self, reason: Reason, text: str) -> None:
        super().__init__(text)
        self.reason: Reason = reason


@dataclass(frozen=True, slots=True)
class Rules:
    """What an acceptable token looks like. leeway: seconds that the issuer's clock may differ."""

    issuer: str
    audience: str
    algorithms: tuple[str, ...] = ("RS256", "ES256", "EdDSA")
    profile: Profile = "rfc9068"
    leeway: int = 30


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom an accepted token speaks for. expires_at: seconds since the epoch."""

    subject: str
    client_id: str
    scopes: tuple[str, ...]
    expires_at: int
    issuer: str
    jti: str | None
    claims: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A token all of whose claims are acceptable; only its signature is still to be checked."""

    identity: Identity
    alg: str
    kid: str | None
    signed: bytes = field(repr=False)
    signature: bytes = field(repr=False)


def read(token: str, rules: Rules, now: float) -> Candidate:
    """Check all that needs no key. now: seconds since the epoch. Raises Rejected."""
    try:
        found = jws.parse(token)
    except jws.Malformed as error:
        raise Rejected("malformed", f"The access token is malformed: {error}.") from None
    alg, kid = _header(found.header, rules)
    return Candidate(_claims(found.claims, rules, now), alg, kid, found.signed, found.signature)


def accept(candidate: Candidate, keys: Iterable[Key]) -> Identity:
    """The identity, when one of `keys` made the signature. Raises Rejected."""
    for key in keys:
        if key.alg == candidate.alg and key.verifies(candidate.signed, candidate.signature):
            return candidate.identity
    raise Rejected("signature", "The access token's signature does not verify with the issuer's keys.")


def _header(header: dict[str, Any], rules: Rules) -> tuple[str, str | None]:
    alg, typ, kid = header.get("alg"), header.get("typ"), header.get("kid")
    if not isinstance(alg, str) or alg not in rules.algorithms:
        raise Rejected("algorithm", "The access token's signature algorithm is not one this server accepts.")
    if not isinstance(typ, str) or typ.lower().removeprefix("application/") not in _TYPES[rules.profile]:
        raise Rejected(
            "not_access_token", "The token is not an access token: its typ header must be at+jwt (RFC 9068)."
        )
    if any(name in header for name in _FORBIDDEN):
        raise Rejected("header", "The access token has a header parameter that this server does not accept.")
    if "kid" in header and not (isinstance(kid, str) and 0 < len(kid) <= MAX_KID):
        raise Rejected("header", "The access token's kid is not a short string.")
    return alg, kid


def _claims(claims: dict[str, Any], rules: Rules, now: float) -> Identity:
    if claims.get("iss") != rules.issuer:
        raise Rejected("issuer", "The access token is not from the issuer this server trusts.")
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    if not all(isinstance(name, str) for name in audiences) or rules.audience not in audiences:
        raise Rejected(
            "audience", "The access token is for another audience: request it with this server's resource identifier."
        )
    expires = _time(claims, "exp")
    if now >= expires + rules.leeway:
        raise Rejected("expired", "The access token has expired.")
    strict = rules.profile == "rfc9068"
    not_before = _time(claims, "nbf") if "nbf" in claims else 0
    issued = _time(claims, "iat") if strict or "iat" in claims else 0
    if max(not_before, issued) > now + rules.leeway:
        raise Rejected(
            "not_yet_valid", "The access token is not valid yet; the clocks of issuer and resource may differ."
        )
    if any(name in claims for name in _NOT_ACCESS):
        raise Rejected(
            "not_access_token", "The token is not an access token: it has claims of an ID token or a logout token."
        )
    if "cnf" in claims:
        # Whoever presents it would have to prove that the key is theirs (RFC 9449 §7, RFC 8705 §3).
        raise Rejected("claims", "The access token is bound to a key (cnf): this server takes bearer tokens alone.")
    subject = _text(claims, "sub")
    client = _text(claims, "client_id" if strict or "client_id" in claims else "azp")
    jti = _text(claims, "jti") if strict or "jti" in claims else None
    if not strict and "scope" not in claims and "scp" not in claims:
        raise Rejected("no_scope", "The access token grants no scope: it needs a scope claim.")
    return Identity(subject, client, _scopes(claims, strict), int(expires), rules.issuer, jti, claims)


def _time(claims: dict[str, Any], name: str) -> float:
    """A NumericDate (RFC 7519 §2)."""
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _MAX_TIME:
        raise Rejected("claims", f"The access token's {name} claim is missing or is no time.")
    return value


def _text(claims: dict[str, Any], name: str) -> str:
    value = claims.get(name)
    if not isinstance(value, str) or not value or len(value) > 1024 or not value.isprintable():
        raise Rejected("claims", f"The access token's {name} claim is missing or is no printable text.")
    return value


def _scopes(claims: dict[str, Any], strict: bool) -> tuple[str, ...]:
    """`scope` as RFC 9068 §2.2.3 writes it; other issuers also use a list, or the name `scp`.

    Whatever else is there grants nothing.
    """
    value = claims.get("scope", "" if strict else claims.get("scp", ""))
    if isinstance(value, str):
        words: Any = value.split(" ") if strict else value.split()
    else:
        words = None if strict else value
    if not isinstance(words, list) or len(words) > MAX_SCOPES:
        return ()
    if not all(isinstance(word, str) and _SCOPE_TOKEN.fullmatch(word) for word in words):
        return ()
    return tuple(dict.fromkeys(words))
