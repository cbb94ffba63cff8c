"""Traces by OpenTelemetry where its standard variables ask for them; elsewhere nothing of it is even imported.

One server span for each request, with what its log line tells and no more: no query, no header, no body. Whom we ask
on behalf of a request is sent `outgoing`, and so continues the trace (W3C Trace Context). Twin of the other service's
file.
"""

from __future__ import annotations

import os
from contextvars import ContextVar
from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from . import environment, log
from .guard import METHODS
from .settings import SettingsError

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

outgoing: ContextVar[dict[str, str]] = ContextVar("trace_headers", default={})  # noqa: B039 - replaced, never changed
_NOTED = ("client_id", "grant", "error", "outcome")


def traced(app: ASGIApp, service: str) -> ASGIApp:
    """`app` with a span for each request when OTEL_* asks for traces, else `app` itself. Raises SettingsError.

    service: its name in traces unless OTEL_SERVICE_NAME gives another. Reads `.env` too, as the settings do.
    """
    for name, value in environment.env_file().items():
        if name.startswith("OTEL_") and value:
            os.environ.setdefault(name, value)
    exporter = _exporter()
    return app if exporter == "none" else Spans(app, _tracer(service, exporter))


def _exporter() -> str:
    """`otlp`, `console` or `none`. An endpoint alone means `otlp`; what cannot be done ends the start."""
    endpoints, protocols = (_given(f"OTEL_EXPORTER_OTLP_{{}}{what}") for what in ("ENDPOINT", "PROTOCOL"))
    chosen = os.environ.get("OTEL_TRACES_EXPORTER", "").strip().lower() or ("otlp" if endpoints else "none")
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true" or chosen == "none":
        return "none"
    if chosen not in ("otlp", "console"):
        raise SettingsError("OTEL_TRACES_EXPORTER must be otlp, console or none")
    for name, endpoint in endpoints.items():
        if not endpoint.startswith(("http://", "https://")):
            raise SettingsError(f"{name} must be an http or https URL, as http://collector:4318")
    for name, protocol in protocols.items():
        if protocol != "http/protobuf":
            raise SettingsError(f"{name} must be http/protobuf: traces are sent over HTTP")
    return chosen


def _given(name: str) -> dict[str, str]:
    """What a variable says for all that is exported, and its variant for traces; an empty value counts as unset."""
    return {n: value for part in ("", "TRACES_") if (value := os.environ.get(n := name.format(part), "").strip())}


def _tracer(service: str, exporter: str) -> Tracer:
    """A provider of our own: no library that looks for a global one adds what it likes, such as queries."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter

    os.environ.setdefault("OTEL_EXPORTER_OTLP_TIMEOUT", "3")  # a stop waits so long for a collector that is away
    told = Resource.create({"service.name": service}).merge(OTELResourceDetector().detect())
    provider = TracerProvider(resource=told)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter() if exporter == "otlp" else ConsoleSpanExporter()))
    return provider.get_tracer(service)


class Spans:
    """The outermost ASGI middleware, where traces are wanted."""

    def __init__(self, app: ASGIApp, tracer: Tracer) -> None:
        from opentelemetry.trace import SpanKind, StatusCode
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self.app, self.tracer, self.propagator = app, tracer, TraceContextTextMapPropagator()
        self.kind, self.failed = SpanKind.SERVER, StatusCode.ERROR

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        method = scope["method"] if scope["method"] in METHODS else "_OTHER"
        given = {n.decode(): v.decode("latin-1") for n, v in scope["headers"] if n in (b"traceparent", b"tracestate")}
        status = 0

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start" and not status:
                status = message["status"]
            await send(message)

        # Without the texts of exceptions: they may repeat what was sent.
        started = self.tracer.start_as_current_span(
            method, self.propagator.extract(given), self.kind, record_exception=False, set_status_on_exception=False
        )
        with started as span:
            headers: dict[str, str] = {}
            self.propagator.inject(headers)
            outgoing.set(headers)
            try:
                await self.app(scope, receive, noting)
            finally:
                route = getattr(scope.get("route"), "path", None)
                if route is not None:
                    span.update_name(f"{method} {route}")
                    span.set_attribute("http.route", route)
                span.set_attribute("http.request.method", method)
                span.set_attribute("url.scheme", scope["scheme"])
                span.set_attribute("request_id", scope.get("state", {}).get("request_id", ""))
                if status:
                    span.set_attribute("http.response.status_code", status)
                if status >= 500:
                    span.set_status(self.failed)
                noted = log.fields.get() or {}
                span.set_attributes({name: log.clean(noted[name]) for name in _NOTED if name in noted})
