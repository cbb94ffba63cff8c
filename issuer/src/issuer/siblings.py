"""What the workers of one port have counted, as one: whichever is scraped asks the others, at that moment alone.

Counters and histograms are added up, so that they never go back whoever answers; a gauge is each worker's own and bears
its number. Each worker has an inbox, made before there were workers, and so nobody else reaches it; what lies in it is
a socket to answer to.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Iterable
from typing import Any

from loguru import logger
from prometheus_client import Metric
from prometheus_client.registry import Collector

PATIENCE = 5.0
"""Seconds until a scrape fails: Prometheus gives up after 10, and a sum without one worker would be a wrong one."""

Inbox = tuple[socket.socket, socket.socket]


class NoAnswer(Exception):
    """A sibling did not tell what it has counted."""


def inboxes(workers: int) -> list[Inbox]:
    """For each worker the two ends of its inbox, to read and to write. To be called before any of them is there."""
    pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in range(workers)]
    for pair in pairs:
        for end in pair:
            end.setblocking(False)
    return pairs


class Siblings:
    """The other workers, for the one with this number."""

    def __init__(self, pairs: list[Inbox], number: int) -> None:
        self.number = number
        self._inbox = pairs[number][0]
        self._others = {n: write for n, (_, write) in enumerate(pairs) if n != number}
        self._answers: set[asyncio.Task[None]] = set()
        for n, (read, _) in enumerate(pairs):
            if n != number:
                read.close()

    def listen(self, tell: Callable[[], bytes]) -> None:
        """Answer the others with what `tell` returns, from now on. Needs a running event loop."""
        asyncio.get_running_loop().add_reader(self._inbox, self._asked, tell)

    def deaf(self) -> None:
        """No longer answer."""
        asyncio.get_running_loop().remove_reader(self._inbox)

    def _asked(self, tell: Callable[[], bytes]) -> None:
        try:
            _, handles, _, _ = socket.recv_fds(self._inbox, 1, 1)
        except OSError:
            return
        for handle in handles:
            task = asyncio.create_task(self._answer(socket.socket(fileno=handle), tell))
            self._answers.add(task)
            task.add_done_callback(self._answers.discard)

    async def _answer(self, asking: socket.socket, tell: Callable[[], bytes]) -> None:
        with asking:
            asking.setblocking(False)
            try:
                async with asyncio.timeout(PATIENCE):
                    await asyncio.get_running_loop().sock_sendall(asking, tell())
            except OSError as error:  # who asked does not wait any more
                logger.debug("Another worker asked for metrics and did not wait ({})", type(error).__name__)

    async def ask(self) -> dict[int, bytes]:
        """What each of the others tells. Raises NoAnswer."""
        answers = await asyncio.gather(*map(_ask, self._others.values()))
        return dict(zip(self._others, answers, strict=True))


async def _ask(inbox: socket.socket) -> bytes:
    ours, theirs = socket.socketpair()
    with ours:
        ours.setblocking(False)
        parts = []
        try:
            with theirs:
                socket.send_fds(inbox, [b"?"], [theirs.fileno()])
            async with asyncio.timeout(PATIENCE):
                while part := await asyncio.get_running_loop().sock_recv(ours, 65536):
                    parts.append(part)
        except OSError as error:  # a TimeoutError too
            raise NoAnswer(type(error).__name__) from None
    if not parts:
        raise NoAnswer("nothing")
    return b"".join(parts)


def written(registry: Collector) -> bytes:
    """All samples of a registry, for another worker."""
    families = ((m.name, m.documentation, m.type, [s[:3] for s in m.samples]) for m in registry.collect())
    return json.dumps(list(families)).encode()


class Together(Collector):
    """What several workers have written, as one registry."""

    def __init__(self, told: dict[int, bytes]) -> None:
        self._told = {worker: json.loads(text) for worker, text in sorted(told.items())}

    def collect(self) -> Iterable[Metric]:
        families: dict[str, Metric] = {}
        samples: dict[str, dict[tuple[str, tuple[tuple[str, str], ...]], float]] = {}
        for worker, told in self._told.items():
            for name, documentation, kind, found in told:
                families.setdefault(name, Metric(name, documentation, kind))
                values = samples.setdefault(name, {})
                for sample, labels, value in found:
                    _add(values, sample, labels if kind != "gauge" else {**labels, "worker": str(worker)}, value)
        for name, family in families.items():
            for (sample, labels), value in samples[name].items():
                family.add_sample(sample, dict(labels), value)
        return families.values()


def _add(values: dict[Any, float], sample: str, labels: dict[str, str], value: float) -> None:
    key = sample, tuple(labels.items())
    before = values.get(key)
    if sample.endswith("_created"):  # when it began: the first of them
        values[key] = value if before is None else min(before, value)
    else:
        values[key] = value + (before or 0)
