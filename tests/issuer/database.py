"""A real SQLite store for tests of what runs inside a transaction: opened and closed again around each call."""

from __future__ import annotations

import asyncio
import functools
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

from issuer.errors import OAuthError
from issuer.server import Server
from issuer.storage import schema
from issuer.storage.sqlite import SQLiteStore
from issuer.store import Store, Transaction

T = TypeVar("T")


class Database:
    """The issuer's database on a file of its own. Each call is a process of its own, as far as the store can tell."""

    def __init__(self, folder: Path) -> None:
        self.path = str(folder / "issuer.db")
        Path(self.path).write_bytes(_migrated())

    def run(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` as an endpoint would: what a refusal asks to remember is written."""

        def transact(store: Store) -> Awaitable[T]:
            server: Any = SimpleNamespace(store=store)
            return Server.transact(server, work)

        return self._opened(transact)

    def sweep(self, now: int) -> int:
        """What the sweep of that moment deletes."""
        return self._opened(lambda store: store.sweep(now, 100))

    def _opened(self, use: Callable[[Store], Awaitable[T]]) -> T:
        async def opened() -> T:
            store = SQLiteStore(self.path, "NORMAL")
            await store.open()
            try:
                return await use(store)
            finally:
                await store.close()

        return asyncio.run(opened())

    def refused(self, work: Callable[[Transaction], object]) -> OAuthError:
        """Run `work`, which must be refused."""
        try:
            self.run(work)
        except OAuthError as error:
            return error
        raise AssertionError("it was not refused")


@functools.cache
def _migrated() -> bytes:
    """An empty database after all migrations: run once, as they take longer than most tests."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "issuer.db"
        schema.upgrade(str(path))
        return path.read_bytes()
