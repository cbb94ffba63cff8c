"""Public keys that others give us (RFC 7517): refuse private members, weak keys and keys that cannot sign."""

from __future__ import annotations

import json
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWK
from jwt.exceptions import PyJWTError

from issuer.errors import InvalidClientMetadata

PublicKey = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_PUBLIC = ("kty", "kid", "use", "key_ops", "alg", "n", "e", "crv", "x", "y")
_MOST_KEYS = 20
_SMALLEST_RSA, _LARGEST_RSA = 2048, 8192
_PRIME = 2**255 - 19
_ORDER_8 = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
_SMALL_ORDER = {0, 1, _PRIME - 1, _ORDER_8, _PRIME - _ORDER_8}
"""The y of Ed25519's points of order 8 and less (RFC 8032 §5.1): signatures by them need no private key."""


def check_public_jwks(jwks: object) -> dict[str, Any]:
    """The key set with nothing but public members, or why it is refused."""
    keys = jwks.get("keys") if isinstance(jwks, dict) else None
    if not isinstance(keys, list) or not 1 <= len(keys) <= _MOST_KEYS:
        raise InvalidClientMetadata(f"jwks must be an object whose keys are a list of 1 to {_MOST_KEYS} keys")
    kids = [key.get("kid") for key in keys if isinstance(key, dict) and key.get("kid") is not None]
    if len(set(map(str, kids))) < len(kids):
        raise InvalidClientMetadata("two keys of jwks have the same kid")
    return {"keys": [_check_member(key) for key in keys]}


def read_public_keys(jwks: object) -> list[dict[str, Any]]:
    """The keys of a published set that can verify signatures; others may be in it, for other servers."""
    keys = jwks.get("keys") if isinstance(jwks, dict) else None
    if not isinstance(keys, list) or len(keys) > _MOST_KEYS or not all(isinstance(key, dict) for key in keys):
        raise InvalidClientMetadata(f"a key set must be an object whose keys are a list of at most {_MOST_KEYS} keys")
    if any(_PRIVATE & key.keys() for key in keys):
        raise InvalidClientMetadata("a private or symmetric key was published: the set cannot be trusted")
    usable = [{name: key[name] for name in _PUBLIC if name in key} for key in keys if _can_verify(key)]
    if not usable:
        raise InvalidClientMetadata("the key set has no key that can verify a signature")
    return usable


def _can_verify(key: dict[str, Any]) -> bool:
    try:
        load(key)
    except InvalidClientMetadata:
        return False
    return True


def _check_member(key: object) -> dict[str, Any]:
    if not isinstance(key, dict):
        raise InvalidClientMetadata("each key of jwks must be an object")
    if _PRIVATE & key.keys():
        raise InvalidClientMetadata("jwks must hold public keys alone: a private or symmetric key was sent")
    load(key)
    return {name: key[name] for name in _PUBLIC if name in key}


def algorithm(key: PublicKey) -> str:
    """The one signature algorithm a key of this kind is used with."""
    if isinstance(key, RSAPublicKey):
        return "RS256"
    return "ES256" if isinstance(key, EllipticCurvePublicKey) else "EdDSA"


def load(key: dict[str, Any]) -> PublicKey:
    """A key fit to verify RS256, ES256 or EdDSA signatures, by its own word (`use`, `key_ops`, `alg`) and its size."""
    if key.get("kid") is not None and not (isinstance(key["kid"], str) and len(key["kid"]) <= 256):
        raise InvalidClientMetadata("the kid of a key must be a string of at most 256 characters")
    operations = key.get("key_ops", ["verify"])
    if key.get("use", "sig") != "sig" or not isinstance(operations, list) or "verify" not in operations:
        raise InvalidClientMetadata("a key of jwks is not meant for signatures")
    expected = {"RSA": "RS256", "EC": "ES256", "OKP": "EdDSA"}.get(str(key.get("kty")))
    if expected is None or key.get("alg", expected) != expected:
        raise InvalidClientMetadata("keys must be RSA for RS256, EC P-256 for ES256 or Ed25519 for EdDSA")
    try:
        public = PyJWK.from_json(json.dumps({name: key[name] for name in _PUBLIC if name in key}), expected).key
    except (PyJWTError, ValueError, TypeError, AttributeError, KeyError, OverflowError):
        raise InvalidClientMetadata("a key of jwks is malformed") from None
    if isinstance(public, RSAPublicKey):
        exponent = public.public_numbers().e
        if not _SMALLEST_RSA <= public.key_size <= _LARGEST_RSA or exponent < 3 or exponent % 2 == 0:
            raise InvalidClientMetadata(
                f"an RSA key must have {_SMALLEST_RSA} to {_LARGEST_RSA} bits and an odd exponent of 3 or more"
            )
        return public
    if isinstance(public, EllipticCurvePublicKey) and isinstance(public.curve, SECP256R1):
        return public
    if isinstance(public, Ed25519PublicKey):
        y = int.from_bytes(public.public_bytes_raw(), "little") % 2**255 % _PRIME
        if y in _SMALL_ORDER:
            raise InvalidClientMetadata("an Ed25519 key must not be a point of small order: it proves nothing")
        return public
    raise InvalidClientMetadata("keys must be RSA for RS256, EC P-256 for ES256 or Ed25519 for EdDSA")
