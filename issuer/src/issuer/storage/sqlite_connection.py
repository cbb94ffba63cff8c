"""One connection to an SQLite file, and one transaction on it."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import Callable
from typing import TypeVar

from issuer.storage.connection import Row, check_storable
from issuer.storage.transaction import Transaction
from issuer.store import StoreUnavailable

T = TypeVar("T")
DEADLINE = 5.0
"""Seconds that somebody waits for a lock, at the most."""
_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})


class Busy(Exception):
    """Another connection has the lock; nothing was done."""


class Connection:
    def __init__(self, raw: sqlite3.Connection) -> None:
        self.raw = raw
        self._execute = raw.execute
        self.transaction = Transaction(self)
        self.turns = asyncio.Lock()
        """Held by the one who tries for a lock again; whoever comes later waits behind, in order."""

    def one(self, sql: str, **values: object) -> Row | None:
        check_storable(values.values())
        row: Row | None = self._execute(sql, values).fetchone()
        return row

    def all(self, sql: str, **values: object) -> list[Row]:
        check_storable(values.values())
        return self._execute(sql, values).fetchall()

    def run(self, sql: str, **values: object) -> int:
        check_storable(values.values())
        return self._execute(sql, values).rowcount

    def hold(self, sql: str, **values: object) -> None:
        """Nothing: who writes has the only lock from the beginning."""


def once(connection: Connection, begin: str, work: Callable[[Transaction], T]) -> T:
    raw = connection.raw
    try:
        # Left by one that lacked the memory even to roll back.
        if raw.in_transaction:
            raw.execute("ROLLBACK")
        raw.execute(begin)
        try:
            result = work(connection.transaction)
            raw.execute("COMMIT")
            return result
        except BaseException:
            # A full disk may have rolled back already.
            if raw.in_transaction:
                raw.execute("ROLLBACK")
            raise
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _BUSY:
            raise Busy from error
        raise StoreUnavailable(f"the database refused: {error}", retry_after=5) from error


def pause() -> float:
    """Seconds until the next try for a lock."""
    return random.uniform(0.0005, 0.005)  # noqa: S311 - spreads retries, guards nothing
