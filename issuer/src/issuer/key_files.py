"""Key files: named after the moment a key starts to sign, written whole, never replaced; or all of them as one text."""

from __future__ import annotations

import json
import os
import re
import secrets
import stat
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from issuer.protocol.jws import ALGORITHMS
from issuer.protocol.strict_json import read_object
from issuer.signing_key import Key, PrivateKey, thumbprint

_NAME = re.compile(r"([0-9]{8}T[0-9]{6}Z)\.(rs256|es256|eddsa)\.pem")
_STAMP = "%Y%m%dT%H%M%SZ"


class BadKey(Exception):
    """A key file cannot be used; the message names the file and the way out."""


def stamp(moment: int) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime(_STAMP)


def read_key(path: Path) -> Key:
    """The key in a file, or why the file cannot be used. Never replaced by a new one."""
    try:
        return parse_key(path.name, path.read_bytes())
    except OSError as error:
        raise BadKey(f"{path.name}: {error.strerror}; the issuer must be able to read it") from error


def parse_key(name: str, pem: bytes) -> Key:
    """The key in the content of a file of that name."""
    match = _NAME.fullmatch(name)
    if not match:
        raise BadKey(f"{name}: a key is named like 20261123T100000Z.rs256.pem, after the moment it starts signing")
    try:
        starts_at = int(datetime.strptime(match[1], _STAMP).replace(tzinfo=UTC).timestamp())
    except ValueError as error:
        raise BadKey(f"{name}: its name is no moment that there is") from error
    alg = {"rs256": "RS256", "es256": "ES256", "eddsa": "EdDSA"}[match[2]]
    try:
        private = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise BadKey(
            f"{name}: not an unencrypted PEM private key; restore it, or remove it to sign without it"
        ) from error
    fits = {
        "RS256": isinstance(private, RSAPrivateKey) and private.key_size >= 2048,
        "ES256": isinstance(private, EllipticCurvePrivateKey) and isinstance(private.curve, SECP256R1),
        "EdDSA": isinstance(private, Ed25519PrivateKey),
    }
    if not fits[alg]:
        raise BadKey(f"{name}: not a key for {alg} (RSA of 2048 bits or more, EC P-256 or Ed25519, as named)")
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


def read_document(document: str) -> tuple[Key, ...]:
    """The keys in ISSUER_KEYS, the oldest first: a JSON object of what the folder would hold, content by file name.

    Raises BadKey, which repeats nothing but good names.
    """
    try:
        files = read_object(document.encode("utf-8", "replace"))
    except ValueError:
        raise BadKey("ISSUER_KEYS: not one JSON object, as `mcp-issuer key export` prints it") from None
    if not files:
        raise BadKey("ISSUER_KEYS: it holds no key")
    found = []
    for name, pem in sorted(files.items()):
        if not _NAME.fullmatch(name):
            raise BadKey("ISSUER_KEYS: a member is not named like 20261123T100000Z.rs256.pem")
        if not isinstance(pem, str):
            raise BadKey(f"ISSUER_KEYS: {name}: not a text")
        try:
            found.append(parse_key(name, pem.encode()))
        except BadKey as error:
            raise BadKey(f"ISSUER_KEYS: {error}") from error
    return tuple(sorted(found, key=lambda key: key.starts_at))


def write_document(folder: Path) -> str:
    """The keys of a folder as ISSUER_KEYS takes them, on one line. It is as secret as they are."""
    read_keys(folder)
    return json.dumps(
        {path.name: path.read_bytes().decode("ascii", "replace") for path in sorted(folder.glob("*.pem"))}
    )


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
        # A folder that hands its group down (`key init --group`) is shared with that group.
        shared = path.parent.stat().st_mode & stat.S_ISGID
        descriptor = os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o640 if shared else 0o600)
        try:
            with open(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(descriptor)
            if os.geteuid() == 0:  # made by root, it still belongs to whoever owns the folder
                os.chown(part, path.parent.stat().st_uid, -1)
            with suppress(FileExistsError):
                os.link(part, path)
        finally:
            part.unlink()
        _sync(path.parent)
    except OSError as error:
        raise BadKey(
            f"{path.name} cannot be written: {error.strerror}; the issuer must be able to write to the key folder"
        ) from error
    return path


def _sync(folder: Path) -> None:
    """Without this, a power cut could take the names in a folder back."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def revoke_key(folder: Path, kid: str) -> Path:
    """Take a key out of the ring at once, and keep its file under another name: nothing it signed verifies any more."""
    for path in sorted(folder.glob("*.pem")):
        if read_key(path).kid == kid:
            return path.rename(path.with_name(path.name + ".revoked"))
    raise BadKey("there is no key of this kid: `mcp-issuer key list` shows them")
