"""What this service counts of its own, for Prometheus. Labels come from short closed lists, never from a request."""

from __future__ import annotations

import functools
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

from issuer.keys import KeyRing
from issuer.request_metrics import RequestMetrics
from issuer.siblings import Siblings, Together, written

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """The metrics of one process, each with its labels bound once; Prometheus adds up replicas.

    siblings: the other workers on the same port, where there are any.
    """

    def __init__(self, siblings: Siblings | None = None) -> None:
        self._siblings = siblings
        self.registry = CollectorRegistry()
        self.requests = RequestMetrics("issuer", self.registry)
        tokens = self._counter("issuer_token_requests", "Token requests by grant and outcome", "grant", "outcome")
        self.tokens = functools.cache(tokens.labels)
        answers = self._counter("issuer_introspections", "Tokens that somebody asked about", "outcome")
        self.introspected = {active: answers.labels(name) for active, name in ((True, "active"), (False, "inactive"))}
        self.swept = self._counter("issuer_swept_rows", "Expired rows deleted")
        sweeps = self._counter("issuer_sweeps", "Sweeps by outcome", "outcome")
        self.sweep_done, self.sweep_failed = sweeps.labels("done"), sweeps.labels("failed")

    def _counter(self, name: str, what: str, *labels: str) -> Counter:
        return Counter(name, what, labels, registry=self.registry)

    def _gauge(self, name: str, what: str, value: Callable[[], float]) -> None:
        """A gauge that is read when Prometheus asks."""
        Gauge(name, what, registry=self.registry).set_function(value)

    def watch_keys(self, ring: KeyRing, now: Callable[[], int]) -> None:
        def coming() -> int:
            return sum(key.starts_at > now() for key in ring.published(now()))

        self._gauge("issuer_published_keys", "Keys in the JWK set", lambda: len(ring.published(now())))
        self._gauge("issuer_coming_keys", "Those that are still to sign", coming)
        self._gauge(
            "issuer_signing_key_age_seconds", "Since the key signs", lambda: now() - ring.signing(now()).starts_at
        )

    def watch_pool(self, most: int, connections: Callable[[], int], calls: Callable[[], int]) -> None:
        """The connections to PostgreSQL. calls: how many transactions run or wait for a connection."""
        self._gauge("issuer_database_connections_max", "Connections there may be", lambda: most)
        self._gauge("issuer_database_connections", "Connections that are open", connections)
        self._gauge("issuer_database_connections_busy", "Connections in use", lambda: min(calls(), most))
        self._gauge("issuer_database_waiting", "Transactions that wait for one", lambda: max(0, calls() - most))

    def open(self) -> None:
        """Tell the other workers from now on. Needs a running event loop."""
        if self._siblings:
            self._siblings.listen(lambda: written(self.registry))

    def close(self) -> None:
        if self._siblings:
            self._siblings.deaf()

    async def exposition(self) -> bytes:
        """The text that Prometheus scrapes, for all workers. Raises siblings.NoAnswer."""
        if not self._siblings:
            return generate_latest(self.registry)
        told = await self._siblings.ask()
        return generate_latest(Together({**told, self._siblings.number: written(self.registry)}))
