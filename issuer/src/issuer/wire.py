"""The listening socket and the one place that builds the HTTP server. Twin of the other service's file."""

from __future__ import annotations

import contextlib
import errno
import signal
import socket
import sys

import uvicorn
from loguru import logger
from starlette.types import ASGIApp

from .connection import Protocol


class Server(uvicorn.Server):
    """Says where it listens once it does."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for bound in sockets or ():
            host, port = bound.getsockname()[:2]
            logger.info("Listening on http://{}:{}", f"[{host}]" if ":" in host else host, port)


def listen(host: str, port: int) -> list[socket.socket]:
    """Bound sockets for every address of `host`. Exits with one line when that is not possible."""
    sockets = []
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _, address in found:
            # The protocol too: asyncio sends without delay (TCP_NODELAY) only where the socket says that it is TCP.
            bound = socket.socket(family, kind, protocol)
            sockets.append(bound)
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
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


def serve(app: ASGIApp, *, host: str, port: int, grace: int = 5) -> None:
    """Run `app` until SIGTERM or Ctrl-C; requests under way then get `grace` seconds."""
    config = uvicorn.Config(
        app,
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
        Server(config).run(listen(host, port))
