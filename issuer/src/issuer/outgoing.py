"""The way out of one answer (RFC 9112 §9.6): head and body in one write, a close that the client survives. Twin of the
other service's file.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle


class Connection(Protocol):
    """What an answer needs of the connection that it goes out on. `cycle` is the latest request."""

    loop: asyncio.AbstractEventLoop
    cycle: RequestResponseCycle

    @property
    def transport(self) -> asyncio.Transport: ...

    def linger(self) -> None: ...


class Outgoing:
    """The transport as uvicorn sees it for one request.

    uvicorn writes an answer's head by itself. Here it waits for the first bytes of the body and leaves with them: of a
    small answer the second packet is a quarter of the work. The head of an event stream, whose body comes when there
    is something to tell, leaves with the loop's next turn.

    Closed while a request's body still comes in, the connection lingers: else the kernel resets it and the client
    never reads why (Node says ECONNRESET, not 413).
    """

    __slots__ = ("_connection", "_head", "is_closing")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection  # not the request: the two would hold each other until the next collection
        self._head: bytes | None = None  # None before there is one, empty after it left
        self.is_closing = connection.transport.is_closing

    def write(self, data: bytes) -> None:
        if self._head is None:
            self._head = data
            self._connection.loop.call_soon(self._flush)
        else:
            head, self._head = self._head, b""
            self._connection.transport.write(head + data)  # an empty head copies nothing

    def close(self) -> None:
        self._flush()
        cycle = self._connection.cycle
        if cycle.more_body and not cycle.disconnected:
            self._connection.linger()
        else:
            self._connection.transport.close()

    def _flush(self) -> None:
        if self._head:
            head, self._head = self._head, b""
            self._connection.transport.write(head)
