"""What has expired goes: small batches by any replica, no leader needed."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable

from loguru import logger

from issuer.server import Server
from issuer.store import StoreUnavailable

_EVERY = 60.0
_BATCH = 500
_STEP = 60.0
_DOUBT = 3600.0


class Clock:
    """Whether `now` can be believed: not for an hour after it was set, as what is swept never comes back."""

    def __init__(self, now: Callable[[], int], monotonic: Callable[[], float] = time.monotonic) -> None:
        self._now, self._monotonic = now, monotonic
        self._ahead = now() - monotonic()
        self._doubted_until = monotonic()

    def believed(self) -> bool:
        moment = self._monotonic()
        ahead = self._now() - moment
        if abs(ahead - self._ahead) > _STEP:
            logger.warning("the clock was set by {:+.0f} s: nothing is swept for an hour", ahead - self._ahead)
            self._doubted_until = moment + _DOUBT
        self._ahead = ahead
        return moment >= self._doubted_until


async def once(server: Server) -> int:
    """Sweep until nothing is left, a batch a transaction so that requests get in between; rows deleted."""
    total = 0
    while True:
        gone = await server.store.sweep(server.now(), _BATCH)
        total += gone
        server.metrics.swept.inc(gone)
        if gone < _BATCH:
            return total
        await asyncio.sleep(0.01)


async def forever(server: Server) -> None:
    """Sweep about once a minute until cancelled; replicas drift apart by chance."""
    clock = Clock(server.now)
    while True:
        await asyncio.sleep(_EVERY * random.uniform(0.5, 1.5))  # noqa: S311 - spreads replicas, guards nothing
        if not clock.believed():
            continue
        try:
            gone = await once(server)
            server.metrics.sweep_done.inc()
            if gone:
                logger.debug("swept {} rows", gone)
        except StoreUnavailable as error:
            server.metrics.sweep_failed.inc()
            logger.warning("the sweep waits: {}", error)
