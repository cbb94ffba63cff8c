"""The key ring: which key signs and which are published, a pure function of file names and the clock.

`keys/20261123T100000Z.rs256.pem` is named after the moment it starts to sign. A later name is published already,
so that verifiers know it in time; an older one is published until every token that it signed has expired. Nothing
is remembered anywhere else, so replicas that see the same files agree.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import secrets
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from jwt.algorithms import Algorithm, get_default_algorithms

PrivateKey = RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey
ALGORITHMS: dict[str, Algorithm] = {name: get_default_algorithms()[name] for name in ("RS256", "ES256", "EdDSA")}
PUBLISHED_AHEAD = 70 * 60
"""Seconds: verifiers that keep a key set for an hour know a key before it signs."""
URGENT_AHEAD = 15
"""Seconds, for `key new --now`: three looks of every replica, outside the promise that nothing is refused."""
SKEW = 60
_LOOK = 5.0
_NAME = re.compile(r"([0-9]{8}T[0-9]{6}Z)\.(rs256|es256|eddsa)\.pem")
_STAMP = "%Y%m%dT%H%M%SZ"


class BadKey(Exception):
    """A key file cannot be used; the message names the file and the way out."""


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
            header = self.headers[typ] = _b64(_json({"alg": self.alg, "kid": self.kid, "typ": typ}))
        signed = header + b"." + _b64(_json(claims))
        return (signed + b"." + _b64(ALGORITHMS[self.alg].sign(signed, self.private))).decode()


def _b64(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def thumbprint(jwk: dict[str, Any]) -> str:
    """RFC 7638 §3: the SHA-256 of the members that make the key, in order."""
    needed = {"RSA": ("e", "kty", "n"), "EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x")}[jwk["kty"]]
    return _b64(hashlib.sha256(_json({name: jwk[name] for name in needed})).digest()).decode()


def stamp(moment: int) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime(_STAMP)


def read_key(path: Path) -> Key:
    """The key in a file, or why the file cannot be used. Never replaced by a new one."""
    match = _NAME.fullmatch(path.name)
    if not match:
        raise BadKey(f"{path.name}: a key is named like 20261123T100000Z.rs256.pem, after the moment it starts signing")
    try:
        starts_at = int(datetime.strptime(match[1], _STAMP).replace(tzinfo=UTC).timestamp())
    except ValueError as error:
        raise BadKey(f"{path.name}: its name is no moment that there is") from error
    alg = {"rs256": "RS256", "es256": "ES256", "eddsa": "EdDSA"}[match[2]]
    try:
        private = load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise BadKey(
            f"{path.name}: not an unencrypted PEM private key; restore it, or remove it to sign without it"
        ) from error
    except OSError as error:
        raise BadKey(f"{path.name}: {error.strerror}; the issuer must be able to read it") from error
    fits = {
        "RS256": isinstance(private, RSAPrivateKey) and private.key_size >= 2048,
        "ES256": isinstance(private, EllipticCurvePrivateKey) and isinstance(private.curve, SECP256R1),
        "EdDSA": isinstance(private, Ed25519PrivateKey),
    }
    if not fits[alg]:
        raise BadKey(f"{path.name}: not a key for {alg} (RSA of 2048 bits or more, EC P-256 or Ed25519, as named)")
    public = ALGORITHMS[alg].to_jwk(private.public_key(), as_dict=True)
    public.pop("key_ops", None)
    kid = thumbprint(public)
    return Key(starts_at, alg, kid, private, {**public, "kid": kid, "use": "sig", "alg": alg}, {})  # type: ignore[arg-type]


def read_keys(folder: Path) -> tuple[Key, ...]:
    """All keys of a folder, the oldest first."""
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == ".pem")
    except OSError as error:
        raise BadKey(f"the key folder cannot be read: {error.strerror}") from error
    return tuple(sorted((read_key(path) for path in paths), key=lambda key: key.starts_at))


def make_key(folder: Path, alg: str, starts_at: int) -> Path:
    """Write a new key that starts signing at `starts_at`. Readers see the whole file or none."""
    private: PrivateKey
    if alg == "RS256":
        private = generate_rsa(65537, 2048)
    elif alg == "ES256":
        private = generate_private_key(SECP256R1())
    else:
        private = Ed25519PrivateKey.generate()
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return write_once(folder / f"{stamp(starts_at)}.{alg.lower()}.pem", pem)


def write_once(path: Path, content: bytes) -> Path:
    """Write a private file whole, durably, and never over another; of two writers the first wins. Makes the folder."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        try:
            with open(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(descriptor)
            with suppress(FileExistsError):
                os.link(part, path)
        finally:
            part.unlink()
    except OSError as error:
        raise BadKey(
            f"{path.name} cannot be written: {error.strerror}; the issuer must be able to write to the key folder"
        ) from error
    return path


def signing(keys: Sequence[Key], now: int) -> Key:
    """The key that signs: the latest that has started, or the first when none has yet."""
    started = [key for key in keys if key.starts_at <= now]
    return started[-1] if started else keys[0]


def published(keys: Sequence[Key], now: int, longest_token: int) -> tuple[Key, ...]:
    """The keys that verifiers may need: those to come, the one that signs, and those whose tokens may still live."""
    successors = [key.starts_at for key in keys[1:]]
    return tuple(
        key
        for key, ends in zip(keys, [*successors, None], strict=True)
        if ends is None or now <= ends + longest_token + SKEW
    )


def _some(keys: Sequence[Key]) -> tuple[Key, ...]:
    if not keys:
        raise BadKey("there is no signing key: `mcp-issuer key init` makes the first one")
    return tuple(keys)


class KeyRing:
    """The keys of a folder, looked at again every five seconds. A bad file found later is reported, not fatal."""

    def __init__(self, folder: Path, longest_token: int, keys: Sequence[Key], report: Any = None) -> None:
        self._folder = folder
        self._longest = longest_token
        self._keys = _some(keys)
        self._report = report
        # Nothing is seen yet: a file may have come while the keys were read, so the first look reads them again.
        self._seen: tuple[tuple[str, int], ...] | None = None
        self._complaint = ""
        self._look_at = time.monotonic() + _LOOK
        self._document: tuple[tuple[str, ...], bytes, str] = ((), b"", "")

    def _listing(self) -> tuple[tuple[str, int], ...]:
        with os.scandir(self._folder) as entries:
            return tuple(sorted((e.name, e.stat().st_mtime_ns) for e in entries if e.name.endswith(".pem")))

    def _look(self) -> tuple[Key, ...]:
        moment = time.monotonic()
        if moment >= self._look_at:
            self._look_at = moment + _LOOK
            try:
                listing = self._listing()
                if listing != self._seen:
                    self._keys = _some(read_keys(self._folder))
                    self._seen = listing
                self._complaint = ""
            except (BadKey, OSError) as error:
                if self._report and str(error) != self._complaint:
                    self._complaint = str(error)
                    self._report(f"the keys stay as they were: {error}")
        return self._keys

    def signing(self, now: int) -> Key:
        return signing(self._look(), now)

    def published(self, now: int) -> tuple[Key, ...]:
        return published(self._look(), now, self._longest)

    def jwks(self, now: int) -> tuple[bytes, str]:
        """The JWK set (RFC 7517 §5) as bytes with its entity tag, built again only when it changes."""
        keys = self.published(now)
        kids = tuple(key.kid for key in keys)
        if kids != self._document[0]:
            body = _json({"keys": [key.jwk for key in keys]})
            self._document = (kids, body, f'"{hashlib.sha256(body).hexdigest()[:32]}"')
        return self._document[1:]
