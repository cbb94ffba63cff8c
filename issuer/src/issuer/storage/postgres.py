"""The store on PostgreSQL 14 or newer: psycopg 3 in a small pool of threads, each with a connection of its own.

Transactions are REPEATABLE READ: each sees one state of the database, and of two that write the same row the later one
fails with 40001 and is run again, which the contract allows. `UPDATE ... WHERE family IS NULL` so has one winner, and
`get` then `put` loses no change in between. What this level does not order is two transactions that read what the other
writes and write different rows; the verbs see to it that whatever one may overturn for another, both write. To revoke
all of a person deletes their codes, one of which a redemption is spending; a new code or session, which nobody can
delete yet, `hold`s its person's row, which whoever signs a person out writes. A lock (FOR SHARE) would not do: who
waited for it goes on in a snapshot without what the other has added. SERIALIZABLE would find such pairs by itself, but
by pages, not rows: racing redemptions of different codes then mostly ran twice. What has to run again queues, so a row
that everybody writes has its writers wait, not fail in turns.

A thread keeps its connection and opens another when that is lost, so a request either gets one at once or learns at
once that there is none; and the first request after PostgreSQL is back is answered. Whatever has not answered by the
deadline has its socket shut, which wakes the thread that waits on it.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import psycopg
from psycopg import errors
from psycopg.types.numeric import Int8Dumper

from issuer.storage.connection import Row, check_storable
from issuer.storage.transaction import Transaction
from issuer.store import StoreUnavailable

T = TypeVar("T")
_DEADLINE = 5.0
_WRITE = "BEGIN ISOLATION LEVEL REPEATABLE READ READ WRITE"
_AGAIN = f"{_WRITE}; LOCK TABLE alembic_version IN SHARE UPDATE EXCLUSIVE MODE"
"""Before its snapshot is taken, what runs again waits for all others that do: they would only fail one another."""
_READ = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_SETTINGS = (
    f"SET statement_timeout = {_DEADLINE * 1000:.0f}; SET idle_in_transaction_session_timeout = {_DEADLINE * 2000:.0f}"
)
_PARAMETER = re.compile(r":([a-z_]+)")


@functools.cache
def translate(sql: str) -> tuple[bytes, tuple[str, ...]]:
    """A statement with `:name` parameters as PostgreSQL has it, with `$n`, and the names in that order."""
    names = tuple(dict.fromkeys(_PARAMETER.findall(sql)))
    return _PARAMETER.sub(lambda match: f"${names.index(match[1]) + 1}", sql).encode(), names


class _Connection:
    """One connection and its cursor: statements are prepared when first run."""

    def __init__(self, url: str, seconds: float) -> None:
        # psycopg takes no less than two seconds.
        timeout = max(2, int(seconds))
        self.raw = psycopg.connect(
            url, autocommit=True, prepare_threshold=0, connect_timeout=timeout, application_name="mcp-issuer"
        )
        self.raw.execute(_SETTINGS, prepare=False)
        # Always one type for a parameter: else a number's size would choose between several prepared statements.
        self.raw.adapters.register_dumper(int, Int8Dumper)
        self._cursor = psycopg.RawCursor(self.raw)
        self.transaction = Transaction(self)

    def begin(self, mode: str) -> None:
        self._cursor.execute(mode, prepare=False)

    def end(self, how: str) -> None:
        self._cursor.execute(how, prepare=False)

    def _execute(self, sql: str, values: dict[str, object]) -> psycopg.RawCursor[Row]:
        check_storable(values.values())
        statement, names = translate(sql)
        return self._cursor.execute(statement, [values[name] for name in names])

    def one(self, sql: str, **values: object) -> Row | None:
        return self._execute(sql, values).fetchone()

    def all(self, sql: str, **values: object) -> list[Row]:
        return self._execute(sql, values).fetchall()

    def run(self, sql: str, **values: object) -> int:
        return self._execute(sql, values).rowcount

    def hold(self, sql: str, **values: object) -> None:
        self._execute(sql, values)

    def close(self) -> None:
        with contextlib.suppress(psycopg.Error):
            self.raw.close()

    def cut(self) -> None:
        """From any thread: whoever waits for an answer on this connection gets an error now."""
        with contextlib.suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(self.raw.fileno())) as wire:
            wire.shutdown(socket.SHUT_RDWR)


class _Job:
    """One call of the store: until when it may take, and the connection that it is on now."""

    def __init__(self) -> None:
        self.deadline = time.monotonic() + _DEADLINE
        self._lock = threading.Lock()
        self._connection: _Connection | None = None

    @property
    def late(self) -> bool:
        return time.monotonic() > self.deadline

    @contextlib.contextmanager
    def on(self, connection: _Connection) -> Iterator[None]:
        with self._lock:
            self._connection = connection
        try:
            yield
        finally:
            with self._lock:
                self._connection = None

    def cut(self) -> None:
        # Under the lock: a connection that the job has left may be closed, and its number be another file's.
        with self._lock:
            if self._connection is not None:
                self._connection.cut()


class PostgresStore:
    """`url` as libpq takes it (postgresql://...); `most` is how many connections there may be at once."""

    def __init__(self, url: str, most: int = 10) -> None:
        self._url = url
        self._most = most
        self._threads: ThreadPoolExecutor | None = None
        self._connections: dict[int, _Connection] = {}  # by thread
        self._calls: set[Future[Any]] = set()

    async def open(self) -> None:
        self._threads = ThreadPoolExecutor(self._most, thread_name_prefix="postgres")
        await self.check()

    async def close(self) -> None:
        threads, self._threads = self._threads, None
        if threads is not None:
            await asyncio.to_thread(threads.shutdown, wait=True, cancel_futures=True)
        for connection in self._connections.values():
            connection.close()
        self._connections.clear()

    async def check(self) -> None:
        await self.read(lambda transaction: transaction.clients.get(""))

    def connections(self) -> int:
        """How many connections are open."""
        return sum(not connection.raw.closed for connection in tuple(self._connections.values()))

    def calls(self) -> int:
        """How many transactions run or wait for a connection."""
        return len(self._calls)

    async def write(self, work: Callable[[Transaction], T]) -> T:
        return await self._threaded(_WRITE, work)

    async def read(self, work: Callable[[Transaction], T]) -> T:
        return await self._threaded(_READ, work)

    async def sweep(self, now: int, most: int) -> int:
        return await self.write(lambda transaction: transaction.sweep(now, most))

    async def _threaded(self, begin: str, work: Callable[[Transaction], T]) -> T:
        if self._threads is None:
            raise StoreUnavailable("the database is not open")
        loop, job = asyncio.get_running_loop(), _Job()
        timer = loop.call_later(_DEADLINE + 0.5, job.cut)
        run = contextvars.copy_context().run
        call = self._threads.submit(run, self._patiently, job, begin, work)
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)
        future = asyncio.wrap_future(call, loop=loop)
        try:
            return await future
        finally:
            # Not when the request was cancelled: a thread that nobody waits for any more must come free too.
            if not future.cancelled():
                timer.cancel()

    def _patiently(self, job: _Job, begin: str, work: Callable[[Transaction], T]) -> T:
        while not job.late:
            connection = self._connections.get(threading.get_ident())
            kept = connection is not None and not connection.raw.closed
            if connection is None or not kept:
                connection = self._connect(job)
            try:
                with job.on(connection):
                    return _once(connection, begin, work)
            except (errors.SerializationFailure, errors.DeadlockDetected):
                begin = _AGAIN
            except psycopg.Error as error:
                # A kept connection may have been lost long ago, with a restart of PostgreSQL.
                stale = kept and connection.raw.broken
                connection.close()
                if not stale:
                    raise StoreUnavailable(f"the database refused: {_plain(error)}", retry_after=5) from error
        raise StoreUnavailable("the database did not answer in time")

    def _connect(self, job: _Job) -> _Connection:
        try:
            connection = _Connection(self._url, job.deadline - time.monotonic())
        except psycopg.Error as error:
            raise StoreUnavailable(f"the database cannot be reached: {_plain(error)}") from error
        self._connections[threading.get_ident()] = connection
        return connection


def _once(connection: _Connection, begin: str, work: Callable[[Transaction], T]) -> T:
    connection.begin(begin)
    try:
        result = work(connection.transaction)
    except BaseException:
        with contextlib.suppress(psycopg.Error):  # a lost connection has rolled back already
            connection.end("ROLLBACK")
        raise
    try:
        connection.end("COMMIT")
    except (errors.SerializationFailure, errors.DeadlockDetected):
        raise  # rolled back by PostgreSQL
    except psycopg.Error as error:
        # It may have been committed: running it again could spend twice.
        connection.close()
        raise StoreUnavailable(f"the database did not confirm: {_plain(error)}", retry_after=5) from error
    return result


def _plain(error: psycopg.Error) -> str:
    """What went wrong on one line; psycopg's own text may go on with the statement."""
    return error.diag.message_primary or str(error).partition("\n")[0]
