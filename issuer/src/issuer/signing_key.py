"""One signing key: its public half as a JWK (RFC 7517), and signatures in compact form (RFC 7515)."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from issuer.protocol import base64url
from issuer.protocol.jws import ALGORITHMS

PrivateKey = RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey


@dataclass(frozen=True, slots=True)
class Key:
    """One signing key. `starts_at` is the moment it starts to sign, `header` the encoded JOSE header by `typ`."""

    starts_at: int
    alg: str
    kid: str
    private: PrivateKey
    jwk: dict[str, Any]
    headers: dict[str, bytes]

    def sign(self, typ: str, claims: dict[str, Any]) -> str:
        """A compact JWS (RFC 7515 §3.1) of `claims`."""
        header = self.headers.get(typ)
        if header is None:
            header = self.headers[typ] = base64url.encode(json_bytes({"alg": self.alg, "kid": self.kid, "typ": typ}))
        signed = header + b"." + base64url.encode(json_bytes(claims))
        return (signed + b"." + base64url.encode(ALGORITHMS[self.alg].sign(signed, self.private))).decode()


def json_bytes(value: Any) -> bytes:
    """JSON without blanks."""
    return json.dumps(value, separators=(",", ":")).encode()


def thumbprint(jwk: dict[str, Any]) -> str:
    """RFC 7638 §3: the SHA-256 of the members that make the key, in order."""
    needed = {"RSA": ("e", "kty", "n"), "EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x")}[jwk["kty"]]
    return base64url.encode(hashlib.sha256(json_bytes({name: jwk[name] for name in needed})).digest()).decode()
