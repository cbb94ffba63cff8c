"""The listening socket and the one place that builds the HTTP server. Twin of the other service's file."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import signal
import socket
import sys

import uvicorn
from loguru import logger
from starlette.datastructures import MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from . import log
from .connection import Protocol


class Leaving:
    """`app` until the process is to end. From then on `/readyz` says so, and each answer is its connection's last.

    Whoever balances between replicas so sends nothing more here before this one stops to listen, and no request
    is lost on a connection that is closed just when it is used again (RFC 9112 §9.6).
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.leaving = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self.leaving or scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_last(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Connection"] = "close"
            await send(message)

        answer = self._app
        if scope["path"] == "/readyz":
            body = {"error": "temporarily_unavailable", "error_description": "This replica is about to end."}
            request_id = log.identify(scope["headers"])
            headers = {"Retry-After": "1", "Cache-Control": "no-store", "X-Request-Id": request_id}
            answer = JSONResponse(body, 503, headers)
        await answer(scope, receive, send_last)


class Server(uvicorn.Server):
    """Says where it listens once it does. Told to end, it leaves for `drain` seconds before it stops to listen."""

    def __init__(self, config: uvicorn.Config, leaving: Leaving, drain: float) -> None:
        super().__init__(config)
        self._leaving, self._drain = leaving, drain

    async def main_loop(self) -> None:
        await super().main_loop()
        self._leaving.leaving = True
        if self._drain:
            logger.info("Told to end: not ready any more, and listening for another {:g} s", self._drain)
        for tick in range(round(self._drain * 10)):
            if self.force_exit:  # a second Ctrl-C
                break
            await self.on_tick(tick)  # keeps the Date of answers right
            await asyncio.sleep(0.1)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        settle()
        for bound in sockets or ():
            host, port = bound.getsockname()[:2]
            logger.info("Listening on http://{}:{}", f"[{host}]" if ":" in host else host, port)


def settle() -> None:
    """What the start has made lives as long as the process: the garbage collector need not look at it again and again.

    Requests leave little to collect, as counting references frees the rest: looking after each 700 new objects, as
    Python does unasked, took two fifths of a tool call, and made pauses of a tenth of a second. A last look before is
    not worth its tenth of a second: imports leave next to nothing.
    """
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
    gc.enable()


def listen(host: str, port: int, *, shared: bool = False) -> list[socket.socket]:
    """Bound sockets for every address of `host`. Exits with one line when that is not possible.

    shared: others of this user may bind the same addresses, and the kernel deals connections out among them.
    """
    sockets = []
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _, address in found:
            # The protocol too: asyncio sends without delay (TCP_NODELAY) only where the socket says that it is TCP.
            bound = socket.socket(family, kind, protocol)
            sockets.append(bound)
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if shared:
                bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if family == socket.AF_INET6:
                bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            bound.bind(address)
    except OSError as error:
        for bound in sockets:
            bound.close()
        in_use = error.errno == errno.EADDRINUSE
        why = "another program is using that port; choose another --port" if in_use else error.strerror
        sys.exit(f"Cannot listen on {host}:{port}: {why}.")
    return sockets


def serve(app: ASGIApp, sockets: list[socket.socket], *, drain: float = 0, grace: int = 5) -> None:
    """Run `app` on bound sockets until SIGTERM or Ctrl-C. It then goes on for `drain` seconds, telling all who ask
    that it will end, and stops to listen; requests under way get `grace` seconds more."""
    leaving = Leaving(app)
    config = uvicorn.Config(
        leaving,
        http=Protocol,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # the guard reads forwarding headers, of trusted proxies only
        timeout_keep_alive=75,
        timeout_graceful_shutdown=grace,
    )
    # uvicorn raises the signal again when done, which would end the process before the caller's clean-up.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with contextlib.suppress(KeyboardInterrupt):
        Server(config, leaving, drain).run(sockets)
