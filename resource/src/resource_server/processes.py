"""The processes of a stdio upstream: one for each caller, so many at most, ended when idle (MCP, stdio transport).

A caller is one program of one person, as on a machine of their own: what a process asks on the way does not say on
account of which request, and another program must not be the one to answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import threading
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any

from fastmcp.client.transports.stdio import StdioTransport
from fastmcp.exceptions import ToolError
from fastmcp.server.dependencies import get_access_token
from fastmcp.server.providers.proxy import ProxyClient
from loguru import logger
from mcp.client.stdio import get_default_environment

from resource_server.outage import Outage
from resource_server.settings import Settings

_Key = tuple[str, str, str]
_EVERYONE: _Key = ("", "", "")
_SHARE = 4  # a person may have a quarter of all processes: one for each of so many programs
PATIENCE = 120.0
"""Seconds for the first answer of a process: what starts it may first have to download it."""


async def _drop(_: Any) -> None:
    pass


_NOBODY_TO_ASK: Mapping[str, Any] = {
    **dict.fromkeys(("roots", "sampling_handler", "elicitation_handler")),
    "log_handler": _drop,
    "progress_handler": lambda *_: _drop(_),
}
"""What a process of all callers asks and tells on the way says not whom: it can ask nobody, and tells nobody."""


class Processes:
    """Clients of started processes by caller (issuer, subject, client). A process that died is started again."""

    def __init__(self, command: list[str], settings: Settings) -> None:
        self._command = command
        self._shared = settings.RESOURCE_UPSTREAM_SHARED
        self._most = settings.RESOURCE_UPSTREAM_PROCESSES
        self._idle = settings.RESOURCE_UPSTREAM_IDLE_SECONDS
        # A child sees PATH, HOME and the like, and what the operator names: never our own secrets by accident.
        passed = {name: os.environ[name] for name in settings.RESOURCE_UPSTREAM_ENV if name in os.environ}
        self._environment = {**get_default_environment(), **passed}
        self._clients: dict[_Key, _Client] = {}
        self._outage = Outage(os.path.basename(command[0]))
        self._stderr: Any = None

    async def client(self) -> ProxyClient[Any]:
        """The client of the caller of the request under way. Raises ToolError when there is no room."""
        key = self._caller()
        while key not in self._clients and (crowd := self._crowd(key)):
            await self._make_room(crowd)  # while it waits, others may take the room, or come for the same client
        known = self._clients.get(key)
        if known is None:
            transport = StdioTransport(
                self._command[0], self._command[1:], env=self._environment, keep_alive=True, log_file=self._stderr
            )
            on_the_way = _NOBODY_TO_ASK if self._shared else {}
            known = self._clients[key] = _Client(
                transport, forward_incoming_headers=False, init_timeout=PATIENCE, mode="auto", **on_the_way
            )
            known.outage = self._outage
        known.last_used = monotonic()
        return known

    def kept(self) -> int:
        """How many processes there are."""
        return len(self._clients)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """While this lasts, idle processes are ended, and what all of them say on stderr is logged."""
        with _logged_pipe(os.path.basename(self._command[0])) as self._stderr:
            sweeper = asyncio.create_task(self._sweep())
            try:
                yield
            finally:
                sweeper.cancel()
                clients = list(self._clients.values())
                self._clients.clear()
                await asyncio.gather(*(client.end() for client in clients), return_exceptions=True)

    def _caller(self) -> _Key:
        token = get_access_token()
        if self._shared:
            return _EVERYONE
        if token is None or token.subject is None:
            raise ToolError("The access token names no subject, and every person has upstream processes of their own.")
        return str(token.claims.get("iss")), token.subject, token.client_id

    def _crowd(self, key: _Key) -> Collection[_Key]:
        """Whose processes are too many for one more: all of them, or those of the same person."""
        own = [other for other in self._clients if other[:2] == key[:2]]
        if len(own) >= max(1, self._most // _SHARE):
            return own
        return self._clients.keys() if len(self._clients) >= self._most else ()

    async def _make_room(self, crowd: Collection[_Key]) -> None:
        resting = self._take_away(monotonic(), crowd)
        if resting is None:
            raise ToolError("All upstream processes are in use; try again shortly.")
        await resting.end()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(min(self._idle / 4, 15))
            while due := self._take_away(monotonic() - self._idle, self._clients):
                await due.end()  # which takes as long as the process likes: meanwhile others are used, or taken away

    def _take_away(self, before: float, of: Collection[_Key]) -> _Client | None:
        """The client that nobody uses for longest, if not since `before`: from now on nobody will."""
        resting = [(self._clients[key].last_used, key) for key in of if not self._clients[key].users]
        last_used, key = min(resting, default=(math.inf, _EVERYONE))
        return self._clients.pop(key) if last_used <= before else None


class _Client(ProxyClient[StdioTransport]):
    """One process, used by all requests of one caller; the transport keeps it alive between them."""

    outage: Outage
    users = 0
    last_used = 0.0

    async def __aenter__(self) -> Any:
        self.users += 1
        try:
            entered = await super().__aenter__()  # type: ignore[no-untyped-call]
        except BaseException as error:
            self.users -= 1
            if not isinstance(error, Exception):
                raise
            if not self.users:  # one that does not answer is not waited for again
                await self.end()
            raise self.outage.because(error) from None
        self.outage.over()
        return entered

    async def __aexit__(self, *error: Any) -> None:
        self.users -= 1
        self.last_used = monotonic()
        await super().__aexit__(*error)  # type: ignore[no-untyped-call]

    async def end(self) -> None:
        with contextlib.suppress(Exception):
            await self.transport.disconnect()  # type: ignore[no-untyped-call]


@contextlib.contextmanager
def _logged_pipe(name: str) -> Any:
    """A file whose lines go to the log, escaped and cut like everything that others wrote."""
    reading, writing = os.pipe()

    def read() -> None:
        with os.fdopen(reading, errors="replace") as lines:
            for line in lines:
                if line.strip():
                    logger.bind(upstream=name).info("{}", line.rstrip())

    threading.Thread(target=read, daemon=True).start()
    with os.fdopen(writing, "w") as file:
        yield file
