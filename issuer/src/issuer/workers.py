"""Several processes that serve on one port: each a whole replica, under a parent that only starts and ends them.

Each has sockets of its own on the same port, among which the kernel deals connections out: of one shared socket the
first to wake would take them all. A process that ends by itself ends all: whoever started them starts them again, and
nobody serves with half of them unnoticed. When the parent is gone, however it ended, its children end.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any

from loguru import logger

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def run(sockets: list[list[socket.socket]], serve: Callable[[int, list[socket.socket]], None]) -> None:
    """Run `serve` with the number of each of `sockets`, in a process for each, until SIGTERM or Ctrl-C, which every one
    of them gets.

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

    watched, held = os.pipe()
    # Held back until every child is known: one that came in between would be left behind.
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    for number, own in enumerate(sockets):
        child = os.fork()
        if child == 0:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
            _close(bound for others in sockets if others is not own for bound in others)
            os.close(held)
            threading.Thread(target=_end_with_the_parent, args=(watched,), daemon=True).start()
            serve(number, own)
            return
        children.add(child)
    os.close(watched)
    for told_by in _SIGNALS:
        signal.signal(told_by, pass_on)
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


def _end_with_the_parent(watched: int) -> None:
    """Nobody writes to the pipe: what is read is its end, when the parent, which alone can write, is no more."""
    os.read(watched, 1)
    logger.error("The parent of this worker is gone; it ends too")
    os.kill(os.getpid(), signal.SIGTERM)


def _close(sockets: Iterable[socket.socket]) -> None:
    for bound in sockets:
        bound.close()
