"""Many processes that do the same thing to one database at the same moment."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TypeVar

from tests.issuer.storage.conftest import build

from issuer.store import Transaction

T = TypeVar("T")
Attempt = Callable[[Transaction, int], T]
PROCESSES = 4


class Racers:
    """PROCESSES processes, started once."""

    def __init__(self) -> None:
        self.pool = ProcessPoolExecutor(PROCESSES, get_context("spawn"))
        # All are up when each has had one of these.
        pids = set(self.pool.map(_come_up, range(PROCESSES)))
        assert len(pids) == PROCESSES

    def race(self, database: str, attempt: Attempt[T], times: int) -> list[T]:
        """What each of `times` transactions returned; `attempt`, a function of a module, gets their numbers."""
        start = time.time() + 0.3
        shares = [list(range(times))[number::PROCESSES] for number in range(PROCESSES)]
        running = [self.pool.submit(_run, database, attempt, share, start) for share in shares]
        return [result for future in running for result in future.result()]


def _come_up(_: int) -> int:
    time.sleep(0.5)
    return os.getpid()


def _run(database: str, attempt: Attempt[T], numbers: list[int], start: float) -> list[T]:
    store = build(database)

    def once(number: int) -> Awaitable[T]:
        return store.write(lambda tx: attempt(tx, number))

    async def run() -> list[T]:
        await store.open()
        await asyncio.sleep(start - time.time())
        try:
            # One after another on SQLite, whose transactions fill the loop; many at once on PostgreSQL.
            return await asyncio.gather(*map(once, numbers))
        finally:
            await store.close()

    return asyncio.run(run())
