"""The store on one SQLite file: inline on the event loop, which it never holds for a lock.

A primary-key select takes 10 µs and an insert with its commit 27 µs, less than a hop to a thread. A lock held by
another process is the one thing that may take long, so SQLite is told not to wait: the transaction is rolled back
and run again after a pause on the loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from issuer.storage.connection import Row, check_storable
from issuer.storage.transaction import Transaction
from issuer.store import StoreUnavailable

T = TypeVar("T")
_DEADLINE = 5.0
_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})


class _Busy(Exception):
    """Another connection has the lock; nothing was done."""


class _Connection:
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


class SQLiteStore:
    """`path` of the file, made with its folder when missing; `synchronous` FULL or NORMAL."""

    def __init__(self, path: str, synchronous: str = "FULL") -> None:
        self._path = path
        self._synchronous = synchronous
        self._writer: _Connection | None = None
        self._reader: _Connection | None = None

    async def open(self) -> None:
        try:
            private_file(self._path)
            self._writer, self._reader = self._connect(), self._connect()
            self._reader.raw.execute("PRAGMA query_only = ON")
        except (sqlite3.Error, OSError) as error:
            raise StoreUnavailable(f"the database cannot be opened: {error}") from error

    def _connect(self, patience: float = 0) -> _Connection:
        raw = sqlite3.connect(self._path, isolation_level=None, timeout=_DEADLINE)
        # Set by the upgrade already, and kept in the file.
        raw.execute("PRAGMA journal_mode = WAL")
        raw.execute(f"PRAGMA synchronous = {self._synchronous}")
        raw.execute("PRAGMA foreign_keys = ON")
        raw.execute(f"PRAGMA busy_timeout = {patience * 1000:.0f}")
        return _Connection(raw)

    async def close(self) -> None:
        for connection in filter(None, (self._reader, self._writer)):
            connection.raw.close()
        self._reader = self._writer = None

    async def check(self) -> None:
        await self.read(lambda transaction: transaction.clients.get(""))

    async def write(self, work: Callable[[Transaction], T]) -> T:
        return await self._patiently(self._writer, "BEGIN IMMEDIATE", work)

    async def read(self, work: Callable[[Transaction], T]) -> T:
        return await self._patiently(self._reader, "BEGIN", work)

    async def sweep(self, now: int, most: int) -> int:
        # In a thread and on a connection of its own: the loop goes on, and its writers come back as for any lock.
        return await asyncio.to_thread(self._sweep, now, most)

    def _sweep(self, now: int, most: int) -> int:
        try:
            connection = self._connect(patience=_DEADLINE)
        except sqlite3.Error as error:
            raise StoreUnavailable(f"the database cannot be opened: {error}") from error
        with closing(connection.raw):
            try:
                return _once(connection, "BEGIN IMMEDIATE", lambda transaction: transaction.sweep(now, most))
            except _Busy as error:
                raise StoreUnavailable("the database stayed locked") from error

    async def _patiently(self, connection: _Connection | None, begin: str, work: Callable[[Transaction], T]) -> T:
        if connection is None:
            raise StoreUnavailable("the database is not open")
        if not connection.turns.locked():
            with contextlib.suppress(_Busy):
                return _once(connection, begin, work)
        try:
            async with asyncio.timeout(_DEADLINE), connection.turns:
                while True:
                    with contextlib.suppress(_Busy):
                        return _once(connection, begin, work)
                    await asyncio.sleep(random.uniform(0.0005, 0.005))  # noqa: S311 - spreads retries, guards nothing
        except TimeoutError:
            raise StoreUnavailable("the database stayed locked") from None


def _once(connection: _Connection, begin: str, work: Callable[[Transaction], T]) -> T:
    raw = connection.raw
    try:
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
            raise _Busy from error
        raise StoreUnavailable(f"the database refused: {error}", retry_after=5) from error


def private_file(path: str) -> None:
    """Make the file and its folder for this user alone, before SQLite would make them for everyone."""
    Path(path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Never opened when it is there: closing a handle would drop the locks that this process has on it.
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL, 0o600))
    if not os.access(path, os.R_OK | os.W_OK):
        raise PermissionError(errno.EACCES, "this user may not read and write it", path)
