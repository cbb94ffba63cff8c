"""What this service counts of its own, for Prometheus. Labels come from short closed lists, never from a request."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

from resource_server.jwks import Fetched, KeyCache
from resource_server.request_metrics import RequestMetrics
from resource_server.verifier import Reason

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_OTHER_VERDICTS = ("ok", "no_token", "insufficient_scope", "keys_unavailable")

Count = Callable[[], object]


class Metrics:
    """The metrics of one process, each with its labels bound once; Prometheus adds up replicas."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = RequestMetrics("resource", self.registry, streams=True)
        self.verified = self._counts(
            "resource_verifications",
            "Requests to /mcp by what came of their token",
            (*_OTHER_VERDICTS, *get_args(Reason)),
        )
        remembered = self._counts("resource_verified_cache", "Verified tokens looked up in memory", ("hit", "miss"))
        self.cache_hit, self.cache_miss = remembered["hit"], remembered["miss"]
        self.fetched = self._counts("resource_jwks_fetches", "Fetches of the issuer's keys", get_args(Fetched))
        self.introspected = self._counts(
            "resource_introspections",
            "Questions to the issuer whether a token lives",
            ("active", "not_active", "failed"),
        )

    def _counts(self, name: str, what: str, outcomes: Iterable[str]) -> dict[str, Count]:
        """How to count each outcome. All of them are there from the start, at zero."""
        counter = Counter(name, what, ("outcome",), registry=self.registry)
        return {outcome: counter.labels(outcome).inc for outcome in outcomes}

    def watch_keys(self, keys: KeyCache) -> None:
        known = Gauge("resource_jwks_keys", "Keys of the issuer that are known", registry=self.registry)
        known.set_function(lambda: len(keys.keys))
        age = Gauge(
            "resource_jwks_age_seconds", "Since the last fetch that worked; +Inf before", registry=self.registry
        )
        age.set_function(lambda: keys.age)

    def watch_upstream(self, processes: Callable[[], int], most: int) -> None:
        running = Gauge("resource_upstream_processes", "Upstream processes that are kept", registry=self.registry)
        running.set_function(processes)
        Gauge("resource_upstream_processes_max", "How many there may be", registry=self.registry).set(most)

    def exposition(self) -> bytes:
        """The text that Prometheus scrapes."""
        return generate_latest(self.registry)
