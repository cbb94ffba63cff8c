"""Several processes that serve on one port: each a whole replica, under a parent that only starts and ends them.

Each has sockets of its own on the same port, among which the kernel deals connections out: of one shared socket the
first to wake would take them all. A process that ends by itself ends all: whoever started them starts them again, and
nobody serves with half of them unnoticed.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterable
from typing import Any

from loguru import logger

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def run(sockets: list[list[socket.socket]], serve: Callable[[list[socket.socket]], None]) -> None:
    """Run `serve` with each of `sockets`, in a process for each, until SIGTERM or Ctrl-C, which every one of them gets.

    Returns in the processes that served; the parent exits, with 1 when one of them ended by itself. No thread may run
    yet, and no connection be open.
    """
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
    for own in sockets:
        child = os.fork()
        if child == 0:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
            _close(bound for others in sockets if others is not own for bound in others)
            serve(own)
            return
        children.add(child)
    for number in _SIGNALS:
        signal.signal(number, pass_on)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    _close(bound for own in sockets for bound in own)
    failed = False
    while children:
        child, _ = os.wait()
        children.discard(child)
        if not told:
            logger.error("A worker has ended by itself; the others end too")
            failed = True
            pass_on()
    sys.exit(1 if failed else 0)


def _close(sockets: Iterable[socket.socket]) -> None:
    for bound in sockets:
        bound.close()
