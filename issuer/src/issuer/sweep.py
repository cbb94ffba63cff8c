"""What has expired goes: small batches by any replica, no leader needed."""

from __future__ import annotations

import asyncio
import random

from loguru import logger

from issuer.server import Server
from issuer.store import StoreUnavailable

_EVERY = 60.0
_BATCH = 500


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
    while True:
        await asyncio.sleep(_EVERY * random.uniform(0.5, 1.5))  # noqa: S311 - spreads replicas, guards nothing
        try:
            if gone := await once(server):
                logger.debug("swept {} rows", gone)
        except StoreUnavailable as error:
            logger.warning("the sweep waits: {}", error)
