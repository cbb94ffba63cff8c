"""What a start reads from files, and makes where there is none: the first signing key and the client's secret.

Neither is ever replaced. A variable of the environment stands for each where there are no files.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from loguru import logger

from issuer import setting_values
from issuer.key_files import BadKey, make_key, read_document, read_keys, write_once
from issuer.protocol import secret
from issuer.settings import Settings
from issuer.signing_key import Key

SECRET_FILE = "mcp-client.secret"


@dataclass(frozen=True, slots=True)
class Prepared:
    keys: tuple[Key, ...]
    secret_digest: str
    """All that is needed of the client's secret."""
    made: Path | None
    """The first key's file, where there was none before."""


def prepare(settings: Settings, now: int) -> Prepared:
    """All of it, made where there was none at all. Replicas that start together may each make a key: all count."""
    there = settings.ISSUER_KEYS or settings.ISSUER_KEYS_DIR.exists()
    keys, made = signing_keys(settings) if there else (), None
    if not keys:
        made = make_key(settings.ISSUER_KEYS_DIR, settings.ISSUER_SIGNING_ALG, now).absolute()
        logger.info("made the first signing key, {}", made.name)
        keys = signing_keys(settings)
    return Prepared(keys, secret.digest(_client_secret(settings)), made)


def signing_keys(settings: Settings) -> tuple[Key, ...]:
    """The keys of ISSUER_KEYS, which has one at least, else of the folder."""
    return read_document(settings.ISSUER_KEYS) if settings.ISSUER_KEYS else read_keys(settings.ISSUER_KEYS_DIR)


def _client_secret(settings: Settings) -> str:
    """CLIENT_SECRET, or the one in the secret file, which is written when there is neither."""
    if settings.CLIENT_SECRET:
        return settings.CLIENT_SECRET
    path = settings.ISSUER_KEYS_DIR / SECRET_FILE
    try:
        if not path.exists():
            write_once(path, secret.invent(secret.CLIENT_SECRET).encode() + b"\n")
            logger.info("wrote a new client secret for {} to {}", settings.CLIENT_ID, SECRET_FILE)
        found = path.read_bytes().decode("ascii", "replace").strip()
    except OSError as error:
        raise BadKey(
            f"{SECRET_FILE} cannot be read ({error.strerror}): set CLIENT_SECRET, or run `mcp-issuer key init`"
        ) from error
    # An emptied file must not become an empty secret, which everybody knows.
    try:
        return setting_values.client_secret(found)
    except ValueError as error:
        raise BadKey(f"{SECRET_FILE} {error}: remove it to get a new one") from None
