"""Writing to an SQLite file: who waits at the same moment goes into one transaction.

The disk is what writing waits for. One wait does for all who are in the transaction, each within a savepoint of its
own: what one raises rolls back theirs alone, and nobody is answered before the disk has it.
"""

from __future__ import annotations

import asyncio
import contextvars
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from issuer.storage.sqlite_connection import DEADLINE, Busy, Connection, once, pause
from issuer.storage.transaction import Transaction
from issuer.store import StoreUnavailable

T = TypeVar("T")


_End = tuple[Any, BaseException | None]
"""What somebody's work came to: its result, or what it raised."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    """One who waits to write, until the loop's time `until`; `context` is theirs, for what `work` logs."""

    work: Callable[[Transaction], Any]
    context: contextvars.Context
    future: asyncio.Future[_End]
    until: float


class Writer:
    """Takes turns: at each it writes for all who have come since the last one, in the order in which they came."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._waiting: list[_Waiting] = []
        self._turn: asyncio.Handle | None = None

    async def write(self, work: Callable[[Transaction], T]) -> T:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[_End] = loop.create_future()
        self._waiting.append(_Waiting(work, contextvars.copy_context(), future, loop.time() + DEADLINE))
        if self._turn is None:
            # Not now: whoever else was heard in this round of the loop comes along.
            self._turn = loop.call_soon(self._take_turn)
        result: T
        result, error = await future
        if error is None:
            return result
        try:
            raise error
        finally:
            del error, future  # the error knows this frame: if that knew the error too, both would stay in memory

    def _take_turn(self) -> None:
        self._turn = None
        all_, self._waiting = [one for one in self._waiting if not one.future.done()], []
        try:
            if len(all_) > 1:
                self._together(all_)
            # Also those whom a failure has thrown together out of their transaction.
            for one in all_:
                if not one.future.done():
                    one.future.set_result(_alone(self.connection, one.context, one.work))
        except Busy:
            self._come_again(all_)

    def _together(self, all_: list[_Waiting]) -> None:
        pairs = [(one.context, one.work) for one in all_]
        try:
            ends = once(
                self.connection, "BEGIN IMMEDIATE", lambda _: [_apart(self.connection, *pair) for pair in pairs]
            )
        except Busy:
            raise
        except Exception:
            # Whatever it was, a lack of memory too: each tries alone, and hears of its own failure alone.
            return
        for one, end in zip(all_, ends, strict=True):
            one.future.set_result(end)

    def _come_again(self, all_: list[_Waiting]) -> None:
        loop = asyncio.get_running_loop()
        for one in all_:
            if not one.future.done() and loop.time() >= one.until:
                one.future.set_result((None, StoreUnavailable("the database stayed locked")))
        self._waiting = [one for one in all_ if not one.future.done()]
        if self._waiting:
            self._turn = loop.call_later(pause(), self._take_turn)


def _alone(connection: Connection, context: contextvars.Context, work: Callable[[Transaction], Any]) -> _End:
    """In a transaction of its own."""
    try:
        return context.run(once, connection, "BEGIN IMMEDIATE", work), None
    except Busy:
        raise
    except BaseException as error:
        return None, error


def _apart(connection: Connection, context: contextvars.Context, work: Callable[[Transaction], Any]) -> _End:
    """In the transaction under way, whole or not at all. A statement that fails ends it for all."""
    raw = connection.raw
    raw.execute("SAVEPOINT one")
    try:
        result = context.run(work, connection.transaction)
    except sqlite3.Error:
        raise
    except BaseException as error:
        raw.execute("ROLLBACK TO one")
        raw.execute("RELEASE one")
        return None, error
    raw.execute("RELEASE one")
    return result, None
