"""What is counted, for Prometheus. Labels come from short closed lists, never from what a request says."""

from __future__ import annotations

from time import perf_counter

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)


class Metrics:
    """The counters of one process; Prometheus adds up replicas."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter("issuer_requests", "Requests answered", ("route", "status"), registry=self.registry)
        self.seconds = Histogram(
            "issuer_request_seconds", "Time to answer", ("route",), buckets=_BUCKETS, registry=self.registry
        )
        self.tokens = Counter(
            "issuer_token_requests", "Token requests by grant and outcome", ("grant", "outcome"), registry=self.registry
        )
        self.swept = Counter("issuer_swept_rows", "Expired rows deleted", registry=self.registry)

    def exposition(self) -> bytes:
        """The text that Prometheus scrapes."""
        return generate_latest(self.registry)


class CountRequests:
    """ASGI middleware: counts by the route that answered, so that no path anybody makes up becomes a label."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = perf_counter(), 500

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            route = getattr(scope.get("route"), "path", "none")
            self._metrics.requests.labels(route, status).inc()
            self._metrics.seconds.labels(route).observe(perf_counter() - started)
