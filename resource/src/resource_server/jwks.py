"""The issuer's keys in memory: fetched once for all who wait, kept through outages, never wiped by a bad answer.

| what                               | figure                                                    |
|------------------------------------|-----------------------------------------------------------|
| refreshed in the background after  | 240 s; after 280 s a request waits for it                 |
| kept when the issuer is away       | 24 h                                                      |
| unknown `kid` or broken signature  | at most one fetch in 10 s                                 |
| after a failure                    | next try in 0.5, 1, 2 s without keys; up to 30 s with     |
| a set that shares no key with ours | must be seen twice, 10 s apart, before ours are forgotten |

All together, and whether anybody calls or not: what a key has signed is refused within 300 s after the issuer took the
key away.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Literal

from loguru import logger

from resource_server.fetch import FetchFailed
from resource_server.jwk import Key, NoUsableKey, parse_set

FRESH = 240.0
STALE_WAIT = 280.0
STALE_END = 86_400.0
UNKNOWN_EVERY = 10.0
CONFIRM = 10.0
BACK_OFF = 0.5
BACK_OFF_COLD = 2.0
BACK_OFF_WARM = 30.0
PATIENCE = 4
"""Failures in a row, which take 3.5 s, before it is a warning that there are no keys."""


Fetched = Literal["ok", "failed", "unusable"]


class KeysUnavailable(Exception):
    """No key can be had now. retry_after: whole seconds after which asking again makes sense."""

    def __init__(self, retry_after: float) -> None:
        super().__init__("The issuer's keys cannot be fetched.")
        self.retry_after = max(1, round(retry_after + 0.5))


class KeyCache:
    """The keys of one issuer.

    fetch: gets the JWK Set document, or raises FetchFailed. clock: seconds, never backwards. count: is told what came
    of each fetch.
    `generation` changes whenever a key is no longer trusted: what was verified before must be verified anew.
    """

    def __init__(
        self,
        fetch: Callable[[], Awaitable[bytes]],
        algorithms: tuple[str, ...],
        clock: Callable[[], float] = monotonic,
        count: Callable[[Fetched], object] = lambda outcome: None,
    ) -> None:
        self._fetch, self._algorithms, self._clock, self._count = fetch, algorithms, clock, count
        self.keys: tuple[Key, ...] = ()
        self.generation = 0
        self._fetched = float("-inf")
        self._fresh_until = float("-inf")
        self._wait_from = float("-inf")
        self._next_try = float("-inf")
        self._next_unknown = float("-inf")
        self._failures = 0
        self._refresh: asyncio.Task[None] | None = None
        self._keeper: asyncio.Task[None] | None = None

    @property
    def known(self) -> bool:
        """Whether there are keys that may still be used."""
        return bool(self.keys) and self._clock() < self._fetched + STALE_END

    @property
    def age(self) -> float:
        """Seconds since the keys were fetched; infinite before."""
        return self._clock() - self._fetched

    def warm(self) -> None:
        """Begin to fetch, without waiting, and go on in time when nobody calls. Needs a running event loop."""
        self._start(self._clock())
        self._keeper = asyncio.create_task(self._keep())

    async def ready(self) -> None:
        """Return at once while the keys are fresh; else see to it. Raises KeysUnavailable when there are none."""
        now = self._clock()
        if now < self._fresh_until:
            return
        if now < self._wait_from:
            self._start(now)
            return
        task = self._start(now)
        if task is not None and not (self._failures and self.known):  # nobody waits twice for a hanging issuer
            await asyncio.shield(task)
        if not self.known:
            raise KeysUnavailable(self._next_try - self._clock())

    async def find(self, alg: str, kid: str | None) -> tuple[Key, ...]:
        """The keys that may have made a signature; none when the issuer has no such key. Raises KeysUnavailable."""
        await self.ready()
        found = self._match(alg, kid)
        if found:
            return found
        await self.look_again()
        return self._match(alg, kid)

    async def look_again(self) -> bool:
        """Fetch because the keys do not explain a token; whether it was done. Raises KeysUnavailable when it failed.

        A task already under way counts: its answer is as new.
        """
        now = self._clock()
        task = self._refresh
        if task is None or task.done():
            if now < self._next_unknown:
                if self._failures:
                    raise KeysUnavailable(self._next_unknown - now)
                return False
            self._next_unknown = now + UNKNOWN_EVERY
            task = self._launch()
        await asyncio.shield(task)
        if self._failures:
            raise KeysUnavailable(self._next_try - self._clock())
        return True

    async def close(self) -> None:
        tasks = [task for task in (self._keeper, self._refresh) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _keep(self) -> None:
        """A look that waited for a call would let a revoked key's first token pass, however late it comes."""
        while True:
            due = max(self._fresh_until, self._next_try)
            await asyncio.sleep(max(due - self._clock(), 0.1))
            with contextlib.suppress(KeysUnavailable):
                await self.ready()

    def _match(self, alg: str, kid: str | None) -> tuple[Key, ...]:
        fit = tuple(key for key in self.keys if key.alg == alg and (kid is None or key.kid == kid))
        return fit if kid is not None or len(self.keys) == 1 else ()

    def _start(self, now: float) -> asyncio.Task[None] | None:
        """The refresh under way, or a new one unless the last failure was too recent."""
        if self._refresh is not None and not self._refresh.done():
            return self._refresh
        return self._launch() if now >= self._next_try else None

    def _launch(self) -> asyncio.Task[None]:
        self._refresh = asyncio.create_task(self._run())
        return self._refresh

    async def _run(self) -> None:
        try:
            keys = parse_set(await self._fetch(), self._algorithms)
        except FetchFailed as error:
            self._count("failed")
            self._failed(str(error))
        except NoUsableKey as error:
            self._count("unusable")
            self._failed(str(error))
        except Exception as error:  # a mistake of ours must not become an answer of every request that waits
            logger.exception("The issuer's keys were not understood")
            self._count("unusable")
            self._failed(type(error).__name__)
        else:
            self._count("ok")
            self._take(keys)

    def _failed(self, why: str) -> None:
        now = self._clock()
        limit = BACK_OFF_WARM if self.known else BACK_OFF_COLD
        wait = min(limit, BACK_OFF * 2 ** min(self._failures, 10))
        self._next_try = now + wait
        self._failures += 1
        log = logger.bind(why=why)
        if self.known:
            if self._failures == 1 or wait >= BACK_OFF_WARM:
                log.warning("The issuer's keys could not be fetched; the known keys go on")
        elif self._failures == 1:
            log.info("Waiting for the issuer's keys")  # no warning yet: the two may have been started together
        elif self._failures == PATIENCE:
            log.warning("The issuer's keys could not be fetched; no token can be checked")

    def _take(self, keys: tuple[Key, ...]) -> None:
        now = self._clock()
        if self._failures:
            logger.info("The issuer's keys are here again" if self.keys else "The issuer's keys are here")
        self._failures, self._fetched, self._next_try = 0, now, now
        self._fresh_until, self._wait_from = now + FRESH, now + STALE_WAIT
        if self.keys and {key.kid for key in self.keys}.isdisjoint(key.kid for key in keys):
            logger.warning("The issuer suddenly publishes other keys; the known ones stay until that is confirmed")
            self._fresh_until = self._wait_from = now + CONFIRM
            self.keys = (*keys, *self.keys)
            return
        gone = any(key not in keys for key in self.keys)
        self.keys = keys
        if gone:
            self.generation += 1
