"""A JWK Set (RFC 7517) as public keys that may verify signatures; everything else in it is passed over.

Libraries import a key whatever its `use`, `key_ops`, `alg` or size: those are judged here (RFC 8725 §3.1, §3.5).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import InvalidKeyError
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from resource_server import strict_json

MIN_RSA_BITS = 2048
MAX_RSA_BITS = 8192  # a larger modulus makes each check slow
MAX_KEYS = 100
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})

PublicKey = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey

_SHA256 = RSAAlgorithm.SHA256
# RFC 7518 §3.3, §3.4 and RFC 8037 §3.1: the algorithm and the one key type that goes with it.
_KTY = {"RS256": "RSA", "ES256": "EC", "EdDSA": "OKP"}
_ALGORITHMS: dict[str, Any] = {
    "RS256": RSAAlgorithm(_SHA256),
    "ES256": ECAlgorithm(ECAlgorithm.SHA256),
    "EdDSA": OKPAlgorithm(),
}


class NoUsableKey(ValueError):
    """The document holds no key that may verify an access token. The message never quotes it."""


@dataclass(frozen=True, slots=True)
class Key:
    """One public key and the one algorithm it may be used with."""

    kid: str
    alg: str
    public: PublicKey

    def verifies(self, signed: bytes, signature: bytes) -> bool:
        """Whether `signature` is this key's over `signed` (JWS signing input)."""
        try:
            return bool(_ALGORITHMS[self.alg].verify(signed, self.public, signature))
        except (ValueError, TypeError):
            return False


def parse_set(document: bytes, algorithms: tuple[str, ...]) -> tuple[Key, ...]:
    """The usable keys of a JWK Set, for these algorithms. Raises NoUsableKey."""
    try:
        found = strict_json.loads(document)
    except strict_json.NotStrict as error:
        raise NoUsableKey(f"the key set is no plain JSON: {error}") from None
    entries = found.get("keys") if isinstance(found, dict) else None
    if not isinstance(entries, list) or not entries:
        raise NoUsableKey("the key set has no keys")
    if len(entries) > MAX_KEYS:
        raise NoUsableKey(f"the key set has more than {MAX_KEYS} keys")
    keys = []
    for entry in entries:
        key = _usable(entry, algorithms)
        if key is not None:
            keys.append(key)
    if not keys:
        raise NoUsableKey(f"the key set has no {' or '.join(algorithms)} signature key with a kid and a safe size")
    return tuple(keys)


def _usable(jwk: Any, algorithms: tuple[str, ...]) -> Key | None:
    """The key, unless something in it says that it is not for checking signatures."""
    if not isinstance(jwk, dict) or not _PRIVATE.isdisjoint(jwk):
        return None
    kid, kty, ops = jwk.get("kid"), jwk.get("kty"), jwk.get("key_ops", ["verify"])
    alg = jwk.get("alg") or next((alg for alg in algorithms if _KTY[alg] == kty), None)
    if not isinstance(kid, str) or not kid or not isinstance(alg, str):
        return None
    if alg not in algorithms or _KTY[alg] != kty:
        return None
    if jwk.get("use", "sig") != "sig" or not isinstance(ops, list) or "verify" not in ops:
        return None
    try:
        public = _ALGORITHMS[alg].from_jwk(jwk)
    except (InvalidKeyError, ValueError, TypeError, KeyError, ArithmeticError):
        return None
    return Key(kid, alg, public) if _strong(public) else None


def _strong(public: Any) -> bool:
    if isinstance(public, RSAPublicKey):
        return MIN_RSA_BITS <= public.key_size <= MAX_RSA_BITS and public.public_numbers().e >= 3
    if isinstance(public, EllipticCurvePublicKey):
        return public.curve.name == "secp256r1"
    return isinstance(public, Ed25519PublicKey)
