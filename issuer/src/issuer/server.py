"""What every endpoint is handed: built once by `app`, frozen, kept in `app.state.server`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fastapi import Request

from issuer.settings import Settings
from issuer.store import Store
from issuer.tokens import Mint


@dataclass(frozen=True, slots=True)
class Server:
    settings: Settings
    store: Store
    mint: Mint
    now: Callable[[], int]
    """Whole seconds since 1970."""
    secret: bytes
    """Shared by all replicas: seals what a browser carries for us between two pages."""


def server_of(request: Request) -> Server:
    server: Server = request.app.state.server
    return server
