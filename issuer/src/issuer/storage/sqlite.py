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
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from issuer.storage.sqlite_connection import DEADLINE, Busy, Connection, once, pause
from issuer.storage.sqlite_writer import Writer
from issuer.storage.transaction import Transaction
from issuer.store import StoreUnavailable

T = TypeVar("T")


class SQLiteStore:
    """`path` of the file, made with its folder when missing; `synchronous` FULL or NORMAL."""

    def __init__(self, path: str, synchronous: str = "FULL") -> None:
        self._path = path
        self._synchronous = synchronous
        self._writer: Writer | None = None
        self._reader: Connection | None = None

    async def open(self) -> None:
        try:
            private_file(self._path)
            self._writer, self._reader = Writer(self._connect()), self._connect()
            self._reader.raw.execute("PRAGMA query_only = ON")
        except (sqlite3.Error, OSError) as error:
            raise StoreUnavailable(f"the database cannot be opened: {error}") from error

    def _connect(self, patience: float = 0) -> Connection:
        raw = sqlite3.connect(self._path, isolation_level=None, timeout=DEADLINE)
        # Set by the upgrade already, and kept in the file.
        raw.execute("PRAGMA journal_mode = WAL")
        raw.execute(f"PRAGMA synchronous = {self._synchronous}")
        raw.execute("PRAGMA foreign_keys = ON")
        raw.execute(f"PRAGMA busy_timeout = {patience * 1000:.0f}")
        return Connection(raw)

    async def close(self) -> None:
        if self._writer:
            self._writer.connection.raw.close()
        if self._reader:
            self._reader.raw.close()
        self._reader = self._writer = None

    async def check(self) -> None:
        await self.read(lambda transaction: transaction.clients.get(""))

    async def write(self, work: Callable[[Transaction], T]) -> T:
        if self._writer is None:
            raise _closed()
        return await self._writer.write(work)

    async def read(self, work: Callable[[Transaction], T]) -> T:
        connection = self._reader
        if connection is None:
            raise _closed()
        if not connection.turns.locked():
            with contextlib.suppress(Busy):
                return once(connection, "BEGIN", work)
        try:
            async with asyncio.timeout(DEADLINE), connection.turns:
                while True:
                    with contextlib.suppress(Busy):
                        return once(connection, "BEGIN", work)
                    await asyncio.sleep(pause())
        except TimeoutError:
            raise StoreUnavailable("the database stayed locked") from None

    async def sweep(self, now: int, most: int) -> int:
        # In a thread and on a connection of its own: the loop goes on, and its writers come back as for any lock.
        return await asyncio.to_thread(self._sweep, now, most)

    def _sweep(self, now: int, most: int) -> int:
        try:
            connection = self._connect(patience=DEADLINE)
        except sqlite3.Error as error:
            raise StoreUnavailable(f"the database cannot be opened: {error}") from error
        with closing(connection.raw):
            try:
                return once(connection, "BEGIN IMMEDIATE", lambda transaction: transaction.sweep(now, most))
            except Busy as error:
                raise StoreUnavailable("the database stayed locked") from error


def _closed() -> StoreUnavailable:
    return StoreUnavailable("the database is not open")


def private_file(path: str) -> None:
    """Make the file and its folder for this user alone, before SQLite would make them for everyone."""
    not_a_folder(path)
    Path(path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Never opened when it is there: closing a handle would drop the locks that this process has on it.
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL, 0o600))
    if not os.access(path, os.R_OK | os.W_OK):
        raise PermissionError(errno.EACCES, "this user may not read and write it", path)


def not_a_folder(path: str) -> None:
    """SQLite would only say that it is unable to open it."""
    if os.path.isdir(path):
        raise IsADirectoryError(errno.EISDIR, "a folder, where the file of a database should be", path)
