"""Tokens as the issuer itself would sign them, and wrong in one thing each: its key is at hand in a test."""

from __future__ import annotations

import base64
import json
import secrets
import time
from typing import Any

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from joserfc.jwk import RSAKey
from tests.support.servers import Pair

GONE: Any = object()  # as a value: the member is left out


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Forger:
    """Signs what the issuer of a running pair would never sign."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        path = min(path for path in pair.keys.iterdir() if path.name.endswith(".pem"))
        key = load_pem_private_key(path.read_bytes(), None)
        assert isinstance(key, RSAPrivateKey)
        self.key = key
        self.jwk = RSAKey.import_key(path.read_bytes())
        self.kid = self.jwk.thumbprint()

    def claims(self, **changes: Any) -> dict[str, Any]:
        now = int(time.time())
        standard = {
            "iss": self.pair.issuer,
            "sub": "forger",
            "aud": self.pair.mcp,
            "client_id": "forger",
            "scope": "mcp:tools",
            "iat": now,
            "exp": now + 900,
            "jti": f"forged.{secrets.token_hex(8)}",
        }
        return {name: value for name, value in {**standard, **changes}.items() if value is not GONE}

    def header(self, **changes: Any) -> dict[str, Any]:
        standard = {"alg": "RS256", "typ": "at+jwt", "kid": self.kid}
        return {name: value for name, value in {**standard, **changes}.items() if value is not GONE}

    def token(self, **changes: Any) -> str:
        """Rightly signed, with these claims changed."""
        return self.signed(self.header(), json.dumps(self.claims(**changes)).encode())

    def headed(self, **changes: Any) -> str:
        """Rightly signed, with these header parameters changed."""
        return self.signed(self.header(**changes), json.dumps(self.claims()).encode())

    def signed(self, header: dict[str, Any], payload: bytes) -> str:
        return self.over(json.dumps(header).encode(), payload)

    def over(self, header: bytes, payload: bytes) -> str:
        """Any bytes for header and payload, with an RS256 signature that is right."""
        signing = f"{b64(header)}.{b64(payload)}"
        signature = self.key.sign(signing.encode(), PKCS1v15(), SHA256())
        return f"{signing}.{b64(signature)}"
