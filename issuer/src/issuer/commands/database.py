"""How commands reach the database: brought to date first, one transaction, closed again."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from issuer import app, settings
from issuer.setting_values import is_postgres
from issuer.storage import schema
from issuer.store import Transaction

T = TypeVar("T")


def in_store(work: Callable[[Transaction], T], *, makes: bool = False) -> T:
    """Run `work` in one transaction on the database of the settings.

    A file that is not there is made, and that said, for what `makes` first rows alone: of anything else it would be a
    success on nothing, in the wrong folder.
    """
    loaded = settings.load()
    place = loaded.ISSUER_DATABASE
    new = not is_postgres(place) and not Path(place).exists()
    if not makes:
        schema.holds(place)
    schema.upgrade(place)
    if new:
        print(f"mcp-issuer: made a new database, {Path(place).absolute()}", file=sys.stderr)
    store = app.build_store(loaded)

    async def run() -> T:
        await store.open()
        try:
            return await store.write(work)
        finally:
            await store.close()

    return asyncio.run(run())
