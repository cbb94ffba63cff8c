"""What is counted of every request, refused ones included, for Prometheus. Twin of the other service's file.

Labels are routes of ours, methods of HTTP and statuses that we answer: nobody makes up a new one.
"""

from __future__ import annotations

import asyncio
import functools
from time import perf_counter

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .guard import METHODS

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class RequestMetrics:
    """The metrics of one process, all named after the `service`; Prometheus adds up replicas.

    streams: whether the service has any event streams to tell of.
    """

    def __init__(self, service: str, registry: CollectorRegistry, *, streams: bool = False) -> None:
        requests = Counter(f"{service}_requests", "Requests", ("route", "method", "status"), registry=registry)
        seconds = Histogram(
            f"{service}_request_seconds",
            "Time to the first byte of the answer's body",
            ("route",),
            buckets=_BUCKETS,
            registry=registry,
        )
        self.in_progress = Gauge(f"{service}_requests_in_progress", "Requests and streams", registry=registry)
        told = registry if streams else None
        self.streams = Gauge(f"{service}_open_streams", "Event streams that are open", registry=told)
        # Looking a child up costs more than counting; the labels are few, and so are these.
        self.requests = functools.cache(requests.labels)
        self.seconds = functools.cache(seconds.labels)
        ProcessCollector(registry=registry)


class CountRequests:
    """ASGI middleware, to stand right inside `request_log.RequestLog`: it sees what the guard refuses too."""

    def __init__(self, app: ASGIApp, metrics: RequestMetrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        answer = _Answer(self.metrics, send)
        self.metrics.in_progress.inc()
        try:
            await self.app(scope, receive, answer.send)
        except (ClientDisconnect, asyncio.CancelledError):
            raise
        except Exception:
            answer.status = answer.status or "500"  # which `RequestLog` answers
            raise
        finally:
            self.metrics.in_progress.dec()
            route = getattr(scope.get("route"), "path", "none")
            method = scope["method"] if scope["method"] in METHODS else "other"
            answer.end(route, method)


class _Answer:
    """What is sent for one request. status: "none" for a client that went away before there was an answer."""

    def __init__(self, metrics: RequestMetrics, send: Send) -> None:
        self.metrics, self._send = metrics, send
        self.started, self.seconds = perf_counter(), -1.0
        self.status = ""
        self.stream = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and not self.status:  # FastMCP sends two for an SSE stream
            self.status = str(message["status"])
            self.stream = any(
                n == b"content-type" and v.startswith(b"text/event-stream") for n, v in message.get("headers", ())
            )
            if self.stream:
                self.metrics.streams.inc()
        elif message["type"] == "http.response.body" and self.seconds < 0:
            self.seconds = perf_counter() - self.started
        await self._send(message)

    def end(self, route: str, method: str) -> None:
        if self.stream:
            self.metrics.streams.dec()
        # A stream that is opened by GET waits for something to happen: its first byte says nothing of us.
        if self.seconds >= 0 and not (self.stream and method == "GET"):
            self.metrics.seconds(route).observe(self.seconds)
        self.metrics.requests(route, method, self.status or "none").inc()
