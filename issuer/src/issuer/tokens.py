"""The mint: the one place that turns an authorization into tokens (RFC 6749 §5.1, RFC 9068, OpenID Connect Core §2)."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import Any

from issuer.keys import KeyRing
from issuer.model import Authorization
from issuer.protocol import base64url, jws, scope

ACCESS = "at+jwt"
ID = "JWT"


@dataclass(frozen=True, slots=True)
class Mint:
    """`issuer` is the `iss` of every token, `lifetime` that of an access token in seconds."""

    issuer: str
    ring: KeyRing
    lifetime: int

    def issue(self, authorization: Authorization, now: int) -> dict[str, Any]:
        """The token response of RFC 6749 §5.1, with an ID token when `openid` was granted to a person."""
        lifetime = authorization.lifetime or self.lifetime
        audience = authorization.audience
        access_token = self.ring.signing(now).sign(
            ACCESS,
            {
                "iss": self.issuer,
                "sub": authorization.subject,
                "aud": audience[0] if len(audience) == 1 else list(audience),
                "client_id": authorization.client_id,
                "scope": scope.join(authorization.scope),
                "iat": now,
                "exp": now + lifetime,
                "jti": f"{authorization.family}.{secrets.token_urlsafe(16)}",
                **authorization.claims,
            },
        )
        response: dict[str, Any] = {
            "access_token": access_token,
            "token_type": "Bearer",
            "expires_in": lifetime,
            "scope": scope.join(authorization.scope),
        }
        if authorization.refresh_token:
            response["refresh_token"] = authorization.refresh_token
        if "openid" in authorization.scope and authorization.auth_time is not None:
            response["id_token"] = self._id_token(authorization, access_token, now)
        return response

    def _id_token(self, authorization: Authorization, access_token: str, now: int) -> str:
        key = self.ring.signing(now)
        claims = {
            "iss": self.issuer,
            "sub": authorization.subject,
            "aud": authorization.client_id,
            "iat": now,
            "exp": now + self.lifetime,
            "auth_time": authorization.auth_time,
            "nonce": authorization.nonce,
            "sid": authorization.sid,
            "at_hash": _half_hash(access_token, key.alg),
        }
        return key.sign(ID, {name: value for name, value in claims.items() if value is not None})

    def hinted(self, hint: str | None, client_id: str | None, now: int) -> dict[str, Any] | None:
        """The claims of an `id_token_hint`, if it is an ID token for this client (for any when None). It may be old."""
        claims = self.read(hint, ID, now) if hint else None
        return claims if claims is not None and client_id in (None, claims.get("aud")) else None

    def read(self, token: str, typ: str, now: int) -> dict[str, Any] | None:
        """The claims of a token that this issuer signed, None for anything else; expiry is the caller's to judge."""
        try:
            parts = jws.take_apart(token)
        except ValueError:
            return None
        key = next((key for key in self.ring.published(now) if key.kid == parts.header.get("kid")), None)
        if key is None or parts.header != {"alg": key.alg, "kid": key.kid, "typ": typ}:
            return None
        if not jws.ALGORITHMS[key.alg].verify(parts.signed, key.private.public_key(), parts.signature):
            return None
        return parts.claims if parts.claims.get("iss") == self.issuer else None


def _half_hash(token: str, alg: str) -> str:
    """OpenID Connect Core §3.1.3.6: the left half of the hash that goes with the algorithm."""
    digest = hashlib.sha512(token.encode()) if alg == "EdDSA" else hashlib.sha256(token.encode())
    raw = digest.digest()
    return base64url.encode(raw[: len(raw) // 2]).decode()
