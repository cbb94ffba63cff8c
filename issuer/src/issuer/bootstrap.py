"""The rows that a start makes sure of: the client of CLIENT_ID and CLIENT_SECRET, and in development alice and bob."""

from __future__ import annotations

import dataclasses

from loguru import logger

from issuer import key_files, setting_values
from issuer.model import Client, Secret, User
from issuer.protocol import secret
from issuer.server import Server
from issuer.settings import Settings
from issuer.signing_key import Key
from issuer.store import Transaction

SECRET_FILE = "mcp-client.secret"
_REDIRECTS = ("http://127.0.0.1/callback", "http://localhost/callback")


def client_secret(settings: Settings) -> str:
    """CLIENT_SECRET, or the one in the secret file, which is written when there is neither."""
    if settings.CLIENT_SECRET:
        return settings.CLIENT_SECRET
    path = settings.ISSUER_KEYS_DIR / SECRET_FILE
    try:
        if not path.exists():
            key_files.write_once(path, secret.invent(secret.CLIENT_SECRET).encode() + b"\n")
            logger.info("wrote a new client secret for {} to {}", settings.CLIENT_ID, SECRET_FILE)
        found = path.read_bytes().decode("ascii", "replace").strip()
    except OSError as error:
        raise key_files.BadKey(
            f"{SECRET_FILE} cannot be read ({error.strerror}): set CLIENT_SECRET, or run `mcp-issuer key init`"
        ) from error
    # An emptied file must not become an empty secret, which everybody knows.
    try:
        return setting_values.client_secret(found)
    except ValueError as error:
        raise key_files.BadKey(f"{SECRET_FILE} {error}: remove it to get a new one") from None


def _the_client(settings: Settings, digest: str, now: int) -> Client:
    """A confidential client for every grant a program on this machine may want."""
    return Client(
        id=settings.CLIENT_ID,
        origin="operator",
        created_at=now,
        redirect_uris=_REDIRECTS,
        grant_types=("authorization_code", "refresh_token", "client_credentials"),
        auth_method="client_secret_basic",
        name=settings.CLIENT_ID,
        scope=tuple(settings.ISSUER_SCOPES),
        resources=tuple(settings.resources),
        secrets=(Secret(digest),),
        introspects=tuple(settings.resources) if settings.development else (),
    )


async def first_rows(server: Server) -> None:
    """Make them, or bring them to the settings of this start; of the secret only its hash is stored."""
    settings, now = server.settings, server.now()
    digest = secret.digest(client_secret(settings))

    def work(tx: Transaction) -> None:
        known = tx.clients.get(settings.CLIENT_ID)
        due = _the_client(settings, digest, now)
        if known is not None:
            changes = {name: getattr(due, name) for name in ("secrets", "scope", "resources", "introspects")}
            due = dataclasses.replace(known, **changes)
        if known is None:
            tx.clients.add(due)
        elif due != known:
            tx.clients.put(due)
        # Without a password nobody signs in as them where development is over.
        for name in settings.quick_people:
            tx.users.add(User(subject=name, username=name, created_at=now, name=name.capitalize()))

    await server.store.write(work)


def signing_keys(settings: Settings) -> tuple[Key, ...]:
    """The keys of ISSUER_KEYS, else of the folder."""
    if settings.ISSUER_KEYS:
        return key_files.read_document(settings.ISSUER_KEYS)
    return key_files.read_keys(settings.ISSUER_KEYS_DIR)


def prepare(settings: Settings, now: int) -> None:
    """The files that a start needs: a first key and the client secret, neither ever replaced."""
    if settings.ISSUER_KEYS:
        return  # and then CLIENT_SECRET is set too
    folder = settings.ISSUER_KEYS_DIR
    if not folder.exists() or not key_files.read_keys(folder):
        path = key_files.make_key(folder, settings.ISSUER_SIGNING_ALG, now)
        logger.info("made the first signing key, {}", path.name)
    client_secret(settings)
