"""How commands reach the database: brought to date first, one transaction, closed again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from issuer import app, settings
from issuer.storage import schema
from issuer.store import Transaction

T = TypeVar("T")


def in_store(work: Callable[[Transaction], T]) -> T:
    """Run `work` in one transaction on the database of the settings."""
    loaded = settings.load()
    schema.upgrade(loaded.ISSUER_DATABASE)
    store = app.build_store(loaded)

    async def run() -> T:
        await store.open()
        try:
            return await store.write(work)
        finally:
            await store.close()

    return asyncio.run(run())
