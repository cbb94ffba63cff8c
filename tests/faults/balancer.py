"""Deals out connections as a Kubernetes Service does: each new one goes to the next replica whose /readyz is 200.

It knows nothing of requests and repeats none, so what a replica drops is seen by the client.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator, Sequence

import httpx

LOOK_SECONDS = 0.2


class Balancer:
    """Listens on `port` in a thread of its own, for `origins`."""

    def __init__(self, port: int, origins: Sequence[str]) -> None:
        self.port, self.origins = port, origins
        self.ready: list[str] = list(origins)
        self.dealt = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def _look(self) -> None:
        async with httpx.AsyncClient(timeout=5, trust_env=False) as http:
            while True:
                self.ready = [origin for origin in self.origins if await self._is_ready(http, origin)]
                await asyncio.sleep(LOOK_SECONDS)

    @staticmethod
    async def _is_ready(http: httpx.AsyncClient, origin: str) -> bool:
        with contextlib.suppress(httpx.TransportError):
            return (await http.get(f"{origin}/readyz", headers={"Connection": "close"})).status_code == 200
        return False

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.dealt += 1
            origin = self.ready[self.dealt % len(self.ready)]
            ours = await asyncio.open_connection("127.0.0.1", int(origin.rpartition(":")[2]))
        except (OSError, ZeroDivisionError):
            writer.close()  # nobody is there: the client sees a connection that is closed
            return
        await asyncio.gather(self._pass(reader, ours[1]), self._pass(ours[0], writer))

    @staticmethod
    async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        with contextlib.suppress(OSError):
            writer.close()

    async def _run(self, started: threading.Event, over: asyncio.Event) -> None:
        looking = asyncio.create_task(self._look())
        server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        started.set()
        await over.wait()
        looking.cancel()
        server.close()

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        loop, over, started = asyncio.new_event_loop(), asyncio.Event(), threading.Event()
        thread = threading.Thread(target=loop.run_until_complete, args=(self._run(started, over),))
        thread.start()
        assert started.wait(10)
        try:
            yield
        finally:
            loop.call_soon_threadsafe(over.set)
            thread.join()
            for task in asyncio.all_tasks(loop):
                task.cancel()
            loop.run_until_complete(asyncio.sleep(0))
            loop.close()
