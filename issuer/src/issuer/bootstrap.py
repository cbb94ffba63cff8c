"""The rows that a start makes sure of: the client of CLIENT_ID and CLIENT_SECRET, and in development alice and bob."""

from __future__ import annotations

import dataclasses

from issuer.model import Client, Secret, User
from issuer.server import Server
from issuer.settings import Settings
from issuer.store import Transaction

_REDIRECTS = ("http://127.0.0.1/callback", "http://localhost/callback")


def _the_client(settings: Settings, secret_digest: str, now: int) -> Client:
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
        secrets=(Secret(secret_digest),),
        introspects=tuple(settings.resources) if settings.development else (),
    )


async def first_rows(server: Server, secret_digest: str) -> None:
    """Make them, or bring them to the settings of this start."""
    settings, now = server.settings, server.now()

    def work(tx: Transaction) -> None:
        known = tx.clients.get(settings.CLIENT_ID)
        due = _the_client(settings, secret_digest, now)
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
