"""Those who write at the same moment: each whole or not at all, whoever else shares their wait for the disk."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from contextvars import ContextVar

import pytest
from tests.issuer.storage.conftest import build
from tests.issuer.storage.examples import LATER, NOW, client, code

from issuer.storage import sqlite_writer
from issuer.storage.sqlite_connection import Connection
from issuer.store import Store, StoreUnavailable, Transaction

whose: ContextVar[int] = ContextVar("whose")


class Refused(Exception):
    """What an endpoint might raise."""


def puts(number: int, error: BaseException | None = None) -> Callable[[Transaction], int]:
    """Work that stores a client of that number, and then raises if it is told to."""

    def work(tx: Transaction) -> int:
        tx.clients.add(client(f"client-{number:02}"))
        if error:
            raise error
        return number

    return work


async def kept(store: Store) -> list[int]:
    return sorted(int(found.id[-2:]) for found in await store.read(lambda tx: tx.clients.all()))


async def test_one_that_raises_takes_nobody_along(store: Store) -> None:
    works = [puts(number, Refused(f"{number}") if number % 3 == 0 else None) for number in range(20)]
    ends = await asyncio.gather(*map(store.write, works), return_exceptions=True)
    refused = [number for number, end in enumerate(ends) if isinstance(end, Refused)]
    assert refused == [0, 3, 6, 9, 12, 15, 18]
    assert [str(ends[number]) for number in refused] == [str(number) for number in refused]
    assert await kept(store) == [end for end in ends if isinstance(end, int)]


async def test_a_statement_that_fails_takes_nobody_along(store: Store) -> None:
    def twice(tx: Transaction) -> None:
        tx.clients.add(client("client-99"))
        tx.codes.add(code())
        tx.codes.add(code())

    ends = await asyncio.gather(
        *(store.write(puts(number)) for number in range(10)),
        store.write(twice),
        *(store.write(puts(number)) for number in range(10, 20)),
        return_exceptions=True,
    )
    assert isinstance(ends[10], StoreUnavailable)
    assert await kept(store) == list(range(20))
    assert await store.read(lambda tx: tx.codes.get(code().digest)) is None


async def test_of_many_at_once_one_wins(store: Store) -> None:
    ends = await asyncio.gather(*(store.write(lambda tx: tx.once.spend("key", LATER)) for _ in range(20)))
    assert sorted(ends) == [False] * 19 + [True]
    hits = await asyncio.gather(*(store.write(lambda tx: tx.limits.hit("key", 60, NOW)) for _ in range(20)))
    assert sorted(hits) == list(range(1, 21))


async def test_each_works_in_its_own_context(store: Store) -> None:
    """Where the line of its request in the log is found."""

    async def one(number: int) -> int:
        whose.set(number)
        return await store.write(lambda tx: whose.get())

    assert await asyncio.gather(*map(one, range(20))) == list(range(20))


class TestSQLite:
    @pytest.fixture
    def statements(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        """What SQLite is told by whoever writes, from here on."""
        heard: list[str] = []

        class Heard(sqlite_writer.Writer):
            def __init__(self, connection: Connection) -> None:
                super().__init__(connection)
                connection.raw.set_trace_callback(heard.append)

        monkeypatch.setattr("issuer.storage.sqlite.Writer", Heard)
        return heard

    async def test_all_wait_for_the_disk_once(self, statements: list[str], sqlite: str) -> None:
        store = build(sqlite)
        await store.open()
        try:
            await asyncio.gather(*(store.write(puts(number)) for number in range(20)))
            assert statements.count("COMMIT") == 1
            await store.write(puts(20))
            assert statements.count("COMMIT") == 2
        finally:
            await store.close()

    @pytest.mark.parametrize("failing", [("COMMIT",), ("COMMIT", "ROLLBACK"), ("BEGIN IMMEDIATE",), ("SAVEPOINT one",)])
    async def test_whatever_fails_all_are_answered(
        self, sqlite: str, monkeypatch: pytest.MonkeyPatch, failing: tuple[str, ...]
    ) -> None:
        """A lack of memory is no error of SQLite's, and may come at any statement."""
        due = list(failing)

        class Failing:
            def __init__(self, raw: sqlite3.Connection) -> None:
                self._raw = raw

            def __getattr__(self, name: str) -> object:
                return getattr(self._raw, name)

            def execute(self, statement: str) -> sqlite3.Cursor:
                if due and due[0] == statement:
                    due.pop(0)
                    raise MemoryError
                return self._raw.execute(statement)

        class Short(sqlite_writer.Writer):
            def __init__(self, connection: Connection) -> None:
                super().__init__(connection)
                connection.raw = Failing(connection.raw)  # type: ignore[assignment]

        monkeypatch.setattr("issuer.storage.sqlite.Writer", Short)
        store = build(sqlite)
        await store.open()
        try:
            async with asyncio.timeout(10):
                ends = await asyncio.gather(*(store.write(puts(number)) for number in range(5)))
            assert due == []
            assert ends == await kept(store) == list(range(5))
        finally:
            await store.close()

    async def test_who_no_longer_waits_writes_nothing(self, sqlite: str) -> None:
        store = build(sqlite)
        await store.open()
        try:
            with closing(sqlite3.connect(sqlite, isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                waiting = [asyncio.ensure_future(store.write(puts(number))) for number in range(4)]
                await asyncio.sleep(0.1)
                waiting[1].cancel()
                waiting[2].cancel()
                other.execute("ROLLBACK")
            deadline = time.monotonic() + 10
            while not all(task.done() for task in waiting) and time.monotonic() < deadline:
                await asyncio.sleep(0.01)
            assert await kept(store) == [0, 3]
        finally:
            await store.close()
