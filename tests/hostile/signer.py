"""A machine that proves itself by assertions (private_key_jwt), and signs whatever a test wants."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc.jwk import ECKey, OKPKey, RSAKey
from tests.hostile.forge import GONE, b64
from tests.hostile.target import Target

TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ALGORITHMS = ("RS256", "ES256", "EdDSA")


@dataclass(frozen=True)
class Signer:
    """A machine with three keys, and the issuer it proves itself to."""

    issuer: Target
    id: str
    rsa: rsa.RSAPrivateKey
    ec: ec.EllipticCurvePrivateKey
    okp: ed25519.Ed25519PrivateKey

    def claims(self, **changes: Any) -> dict[str, Any]:
        now = int(self.issuer.now())
        good = {"iss": self.id, "sub": self.id, "aud": self.issuer.pair.issuer, "iat": now, "exp": now + 60}
        good["jti"] = secrets.token_hex(8)
        return {name: value for name, value in {**good, **changes}.items() if value is not GONE}

    def sign(self, header: bytes, payload: bytes, alg: str = "ES256") -> str:
        """A right signature over any bytes."""
        signing = f"{b64(header)}.{b64(payload)}"
        return f"{signing}.{b64(self.signature(signing.encode(), alg))}"

    def signature(self, signing: bytes, alg: str) -> bytes:
        if alg == "RS256":
            return self.rsa.sign(signing, padding.PKCS1v15(), SHA256())
        if alg == "EdDSA":
            return self.okp.sign(signing)
        pair = decode_dss_signature(self.ec.sign(signing, ec.ECDSA(SHA256())))
        return b"".join(number.to_bytes(32) for number in pair)

    def token(self, alg: str = "ES256", /, *, header: dict[str, Any] | None = None, **claims: Any) -> str:
        """An assertion that is right but for what is said."""
        head = {name: value for name, value in {"alg": alg, **(header or {})}.items() if value is not GONE}
        return self.sign(json.dumps(head).encode(), json.dumps(self.claims(**claims)).encode(), alg)

    def form(self, assertion: str, **changes: Any) -> dict[str, Any]:
        good = {"grant_type": "client_credentials", "client_assertion_type": TYPE, "client_assertion": assertion}
        return {name: value for name, value in {**good, **changes}.items() if value is not GONE}

    def post(self, assertion: str, http: httpx.Client | None = None) -> httpx.Response:
        return (http or self.issuer.client).post("/token", data=self.form(assertion))

    def accepted(self, assertion: str) -> None:
        answer = self.post(assertion)
        assert answer.status_code == 200, answer.text

    def refused(self, assertion: str, *, expect: Any = 401, error: Any = "invalid_client", **changes: Any) -> None:
        answer = self.issuer.send("POST", "/token", expect=expect, error=error, data=self.form(assertion, **changes))
        assert answer.headers["cache-control"] == "no-store"

    @classmethod
    def register(cls, issuer: Target, folder: Path) -> Signer:
        """Registered by the operator, with a file of public keys."""
        keys = RSAKey.generate_key(2048), ECKey.generate_key("P-256"), OKPKey.generate_key("Ed25519")
        path = folder / "jwks.json"
        path.write_text(json.dumps({"keys": [key.as_dict(private=False) for key in keys]}))
        made = json.loads(issuer.command("client", "add", "Signer", "--jwks", str(path)))
        first, second, third = (key.private_key for key in keys)
        assert isinstance(first, rsa.RSAPrivateKey)
        assert isinstance(second, ec.EllipticCurvePrivateKey)
        assert isinstance(third, ed25519.Ed25519PrivateKey)
        return cls(issuer, made["client_id"], first, second, third)
