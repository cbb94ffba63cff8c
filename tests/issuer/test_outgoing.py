"""Head and body of an answer leave in one write; what has no body yet sends its head all the same."""

from __future__ import annotations

import asyncio
from typing import Any
from unittest.mock import Mock

from issuer.outgoing import Outgoing


class Recorded(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[bytes | str] = []

    def write(self, data: Any) -> None:
        self.seen.append(bytes(data))

    def close(self) -> None:
        self.seen.append("closed")

    def is_closing(self) -> bool:
        return "closed" in self.seen


class Connection:
    """As far as an answer sees it. more_body: whether the request's body is still coming in."""

    def __init__(self, *, more_body: bool = False) -> None:
        self.recorded = Recorded()
        self.transport: asyncio.Transport = self.recorded
        self.loop = asyncio.get_running_loop()
        self.cycle: Any = Mock(more_body=more_body, disconnected=False)

    def linger(self) -> None:
        self.recorded.seen.append("lingers")


async def test_head_and_body_leave_together():
    connection = Connection()
    out = Outgoing(connection)
    out.write(b"head ")
    out.write(b"body")
    out.write(b"more")
    await asyncio.sleep(0)
    assert connection.recorded.seen == [b"head body", b"more"]


async def test_a_head_does_not_wait_for_a_body_that_comes_later():
    connection = Connection()
    out = Outgoing(connection)
    out.write(b"head ")
    assert connection.recorded.seen == []
    await asyncio.sleep(0)
    assert connection.recorded.seen == [b"head "]
    out.write(b"event")
    assert connection.recorded.seen == [b"head ", b"event"]


async def test_a_head_is_not_lost_by_closing():
    connection = Connection()
    out = Outgoing(connection)
    out.write(b"head")
    out.close()
    await asyncio.sleep(0)
    assert connection.recorded.seen == [b"head", "closed"]
    assert out.is_closing()


async def test_closing_waits_for_a_client_that_still_sends():
    connection = Connection(more_body=True)
    Outgoing(connection).close()
    assert connection.recorded.seen == ["lingers"]
