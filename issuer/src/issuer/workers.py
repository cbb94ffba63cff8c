"""Several processes that serve on one port: each a whole replica, under a parent that only starts and ends them.

The sockets are bound once and shared, so the kernel gives a connection to whichever process takes it first. A process
that ends by itself ends all: whoever started them starts them again, and nobody serves with half of them unnoticed.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
from collections.abc import Callable
from typing import Any

from loguru import logger

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def run(count: int, sockets: list[socket.socket], serve: Callable[[list[socket.socket]], None]) -> None:
    """Run `serve` in `count` processes until SIGTERM or Ctrl-C, which every one of them gets. Exits with 1 when one of
    them ends by itself. Returns in the processes that served. No thread may run yet, and no connection be open."""
    told = False
    children: set[int] = set()

    def pass_on(*_: Any) -> None:
        nonlocal told
        told = True
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGTERM)

    # Held back until every child is known: one that came in between would be left behind.
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    for _ in range(count):
        child = os.fork()
        if child == 0:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
            serve(sockets)
            return
        children.add(child)
    for number in _SIGNALS:
        signal.signal(number, pass_on)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    for bound in sockets:
        bound.close()
    failed = False
    while children:
        child, _ = os.wait()
        children.discard(child)
        if not told:
            logger.error("A worker has ended by itself; the others end too")
            failed = True
            pass_on()
    sys.exit(1 if failed else 0)
