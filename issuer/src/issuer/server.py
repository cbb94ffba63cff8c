"""What every endpoint is handed: built once by `app`, frozen, kept in `app.state.server`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from fastapi import Request

from issuer.client_keys import ClientKeys
from issuer.documents import Documents
from issuer.errors import OAuthError
from issuer.metrics import Metrics
from issuer.settings import Settings
from issuer.store import Store, Transaction
from issuer.tokens import Mint

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Server:
    settings: Settings
    metrics: Metrics
    store: Store
    documents: Documents
    client_keys: ClientKeys
    mint: Mint
    now: Callable[[], int]
    """Whole seconds since 1970."""
    secret: bytes
    """Shared by all replicas: seals what a browser carries for us between two pages."""

    async def transact(self, work: Callable[[Transaction], T], *, writes: bool = True) -> T:
        """Run `work` in a transaction. What a refusal asks to remember is written in a second one: raising in the
        first has rolled that back.
        """
        try:
            return await (self.store.write if writes else self.store.read)(work)
        except OAuthError as error:
            if error.remember is not None:
                await self.store.write(error.remember)
            raise


def server_of(request: Request) -> Server:
    server: Server = request.app.state.server
    return server
