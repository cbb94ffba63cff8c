"""A real issuer in this process, over sockets, with a clock that tests move."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
import uvicorn
from fastapi import FastAPI
from tests.support.servers import free_port

from issuer import settings
from issuer.app import create_app
from issuer.connection import Protocol
from issuer.server import Server
from issuer.storage import schema
from issuer.store import Transaction

T = TypeVar("T")


@dataclass
class Clock:
    """Stands still until a test moves it."""

    now: int

    def __call__(self) -> int:
        return self.now


@dataclass(frozen=True)
class Issuer:
    """One running issuer. `http` has no cookies and follows no redirect."""

    origin: str
    clock: Clock
    app: FastAPI
    loop: asyncio.AbstractEventLoop
    http: httpx.Client

    @property
    def server(self) -> Server:
        server: Server = self.app.state.server
        return server

    def run(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` in a transaction of the issuer's own store."""
        return asyncio.run_coroutine_threadsafe(self.server.store.write(work), self.loop).result(10)


@contextlib.contextmanager
def started(folder: Path, *, now: int | None = None, **environ: str) -> Iterator[Issuer]:
    """An issuer with its keys and database in `folder`; `now` is where its clock stands (default: today)."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    found = settings.load(
        {
            "ISSUER": address,
            "ISSUER_DATABASE": str(folder / "issuer.db"),
            "ISSUER_KEYS_DIR": str(folder / "keys"),
            "ISSUER_SIGNING_ALG": "EdDSA",
            "ISSUER_SQLITE_SYNCHRONOUS": "NORMAL",
            "ISSUER_ALLOWED_HOSTS": f"127.0.0.1:{port}",
            **environ,
        }
    )
    schema.upgrade(found.ISSUER_DATABASE)
    clock = Clock(int(time.time()) if now is None else now)
    app = create_app(found, clock)
    loop = asyncio.new_event_loop()
    options: dict[str, Any] = {"http": Protocol, "ws": "none", "log_config": None, "server_header": False}
    running = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, **options))
    thread = threading.Thread(target=loop.run_until_complete, args=(running.serve(),))
    thread.start()
    try:
        deadline = time.monotonic() + 20
        while not running.started:
            assert thread.is_alive(), "the issuer ended"
            assert time.monotonic() < deadline, "the issuer did not start"
            time.sleep(0.01)
        with httpx.Client(base_url=address, timeout=20, trust_env=False) as http:
            yield Issuer(address, clock, app, loop, http)
    finally:
        running.should_exit = True
        thread.join()
        loop.close()
