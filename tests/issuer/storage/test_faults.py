"""When the database cannot answer: the loop goes on, the caller learns it in time, and then all is well again."""

from __future__ import annotations

import asyncio
import itertools
import signal
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import psycopg
import pytest
from tests.issuer.storage.conftest import build
from tests.issuer.storage.examples import LATER, client
from tests.support import disk, postgres, servers

from issuer.storage import schema
from issuer.store import Store, StoreUnavailable

DEADLINE = 5.0
"""Seconds that a caller waits at the most, as DESIGN and the README say."""


@asynccontextmanager
async def opened(database: str) -> AsyncIterator[Store]:
    store = build(database)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


async def longest_pause(during: Awaitable[object]) -> float:
    """How long the loop stood still at the most, while it awaited."""
    longest, before = 0.0, time.monotonic()
    task = asyncio.ensure_future(during)
    while not task.done():
        await asyncio.sleep(0.005)
        now = time.monotonic()
        longest, before = max(longest, now - before), now
    task.result()
    return longest


def lock(database: str) -> sqlite3.Connection | psycopg.Connection:
    """Another process's lock, which no writer gets past."""
    if database.startswith("postgresql:"):
        connection = psycopg.connect(database)
        connection.execute("LOCK TABLE once IN EXCLUSIVE MODE")
        return connection
    raw = sqlite3.connect(database, isolation_level=None)
    raw.execute("BEGIN IMMEDIATE")
    return raw


async def test_a_lock_of_another_is_waited_for_off_the_loop(store: Store, database: str) -> None:
    with closing(lock(database)) as other:
        writing = asyncio.ensure_future(store.write(lambda tx: tx.once.spend("key", LATER)))
        assert await longest_pause(asyncio.sleep(1.0)) < 0.5
        assert not writing.done()
        assert await store.read(lambda tx: tx.clients.get("client")) is None
        other.rollback() if isinstance(other, psycopg.Connection) else other.execute("ROLLBACK")
    assert await asyncio.wait_for(writing, 2) is True


async def test_a_lock_that_stays_is_given_up_on(store: Store, database: str) -> None:
    with closing(lock(database)):
        started = time.monotonic()
        many = [store.write(lambda tx: tx.once.spend("key", LATER)) for _ in range(30)]
        ends = await asyncio.gather(*many, return_exceptions=True)
        assert DEADLINE - 1 < time.monotonic() - started < DEADLINE + 2
    assert {type(end) for end in ends} == {StoreUnavailable}
    assert all(isinstance(end, StoreUnavailable) and end.retry_after > 0 for end in ends)
    assert await store.write(lambda tx: tx.once.spend("key", LATER))


async def fill(store: Store, start: Iterator[int]) -> StoreUnavailable:
    """Write until no byte is left."""
    name = "x" * 4000
    for number in itertools.islice(start, 20_000):
        known = client(f"client-{number}", name=name)
        try:
            await store.write(lambda tx: tx.clients.add(known))  # noqa: B023 - awaited before the next
        except StoreUnavailable as error:
            return error
    raise AssertionError("the disk never was full")


async def is_well_after_a_full_disk(store: Store, full: disk.Disk) -> None:
    numbers = itertools.count()
    await store.write(lambda tx: tx.clients.add(client("acknowledged")))
    full.fill()
    assert (await fill(store, numbers)).retry_after > 0
    assert await store.read(lambda tx: tx.clients.get("acknowledged")) == client("acknowledged")
    written = next(numbers) - 1
    with pytest.raises(StoreUnavailable):
        await store.write(lambda tx: tx.clients.add(client("refused", name="x" * 100_000)))
    full.empty()
    assert await store.write(lambda tx: tx.once.spend("key", LATER))
    kept = {found.id for found in await store.read(lambda tx: tx.clients.all())}
    assert kept == {"acknowledged", *(f"client-{number}" for number in range(written))}


@pytest.mark.mounts
async def test_a_full_disk_sqlite(tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    path = str(folder / "issuer.db")
    with disk.small(folder) as full:
        schema.upgrade(path)
        async with opened(path) as store:
            await is_well_after_a_full_disk(store, full)
        with closing(sqlite3.connect(path)) as raw:
            assert raw.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@pytest.mark.mounts
@pytest.mark.postgres
async def test_a_full_disk_postgres(cluster: postgres.Cluster, postgres: str) -> None:
    """The tables lie on a disk of their own: PostgreSQL ends when its log is on a full one."""
    folder = cluster.folder / "disk"
    folder.mkdir()
    cluster.own(folder)
    name = postgres.rpartition("/")[2]
    with disk.small(folder) as full:
        cluster.run(f"CREATE TABLESPACE small LOCATION '{folder}'")
        try:
            cluster.run(f"ALTER DATABASE {name} SET TABLESPACE small")
            async with opened(postgres) as store:
                await is_well_after_a_full_disk(store, full)
        finally:
            cluster.drop(postgres)
            cluster.run("DROP TABLESPACE small")


@pytest.fixture(scope="module")
def own_cluster() -> Iterator[postgres.Cluster]:
    """A server that no other test uses: it is stopped and killed."""
    with postgres.cluster(servers.free_port()) as started:
        yield started


@pytest.mark.postgres
class TestPostgresGoes:
    @pytest.fixture
    def url(self, own_cluster: postgres.Cluster) -> Iterator[str]:
        url = own_cluster.create()
        schema.upgrade(url)
        yield url
        own_cluster.drop(url)

    @pytest.mark.parametrize("how", ["fast", "immediate"])
    async def test_stopped_and_back(self, own_cluster: postgres.Cluster, url: str, how: str) -> None:
        async with opened(url) as store:
            # Every thread has a connection, which the stop takes from it.
            await asyncio.gather(*(store.write(lambda tx: tx.limits.hit("key", 60, LATER)) for _ in range(20)))
            own_cluster.stop(how)
            started = time.monotonic()
            gone = [store.write(lambda tx: tx.limits.hit("key", 60, LATER)) for _ in range(20)]
            ends = await asyncio.gather(*gone, return_exceptions=True)
            assert {type(end) for end in ends} == {StoreUnavailable}
            assert time.monotonic() - started < 2
            own_cluster.start()
            # The first to ask is answered, on whichever thread; and nothing was written by those refused.
            back = [store.write(lambda tx: tx.limits.hit("key", 60, LATER)) for _ in range(20)]
            assert sorted(await asyncio.gather(*back)) == list(range(21, 41))

    async def test_restarted_between_two_requests(self, own_cluster: postgres.Cluster, url: str) -> None:
        async with opened(url) as store:
            await asyncio.gather(*(store.check() for _ in range(20)))
            own_cluster.stop()
            own_cluster.start()
            await asyncio.gather(*(store.check() for _ in range(20)))

    async def test_it_no_longer_answers(self, own_cluster: postgres.Cluster, url: str) -> None:
        """A black hole: connections stay, nothing comes back."""
        async with opened(url) as store:
            await store.write(lambda tx: tx.once.spend("before", LATER))
            own_cluster.signal(signal.SIGSTOP)
            try:
                started = time.monotonic()
                many = [store.write(lambda tx: tx.once.spend("during", LATER)) for _ in range(30)]
                ends = asyncio.gather(*many, return_exceptions=True)
                assert await longest_pause(ends) < 0.5
                assert DEADLINE - 1 < time.monotonic() - started < DEADLINE + 2
            finally:
                own_cluster.signal(signal.SIGCONT)
            assert {type(end) for end in ends.result()} == {StoreUnavailable}
            assert await store.write(lambda tx: tx.once.spend("after", LATER))
            assert await store.write(lambda tx: tx.once.spend("during", LATER))

    async def test_who_no_longer_waits_keeps_no_thread(self, own_cluster: postgres.Cluster, url: str) -> None:
        async with opened(url) as store:
            with closing(lock(url)):
                waiting = [asyncio.ensure_future(store.write(lambda tx: tx.once.spend("k", LATER))) for _ in range(40)]
                await asyncio.sleep(0.5)
                for task in waiting:
                    task.cancel()
            assert await asyncio.wait_for(store.write(lambda tx: tx.once.spend("other", LATER)), 2)
