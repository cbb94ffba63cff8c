"""The composition root: everything is built here once and handed down."""

from __future__ import annotations

from importlib import metadata as distribution
from typing import Any
from urllib.parse import urlsplit

from fastapi import FastAPI, Request
from fastapi_swagger import patch_fastapi
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from resource_server import health, metadata, scrape
from resource_server.guard import Guard, networks
from resource_server.load import load_server
from resource_server.metrics import Metrics
from resource_server.protect import Protection
from resource_server.request_log import RequestLog
from resource_server.request_metrics import CountRequests
from resource_server.settings import Settings
from resource_server.tools import example_server

_REASONS = {
    404: "There is nothing at this address; the MCP endpoint is /mcp, without a slash at its end.",
    405: "This address does not answer to that method.",
}


def create_app(settings: Settings, target: str | None = None) -> FastAPI:
    """The resource as an ASGI application.

    target: the FastMCP server to protect, as `path/to/server.py:mcp`; without it that is RESOURCE_UPSTREAM, or
    the example tools. Raises SettingsError.
    """
    protection = _protection(settings, target)
    app = FastAPI(
        title="MCP resource",
        description=f"An MCP server at {settings.resource}, for bearers of tokens from {settings.ISSUER}.",
        version=distribution.version("mcp-resource"),
        docs_url=None,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
        openapi_url="/openapi.json" if settings.docs else None,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},  # tells whole queries
    )
    protection.attach(app)
    app.state.protection = protection
    app.include_router(health.probes(protection.keys))
    if settings.metrics:
        app.include_router(scrape.router(protection.metrics))
    app.add_exception_handler(HTTPException, _plain_error)
    if settings.docs:
        patch_fastapi(app, redirect_from_root_to_docs=False)
    app.add_middleware(
        Guard,
        allowed_hosts=settings.allowed_hosts,
        settings=("BASE_URL", "RESOURCE_ALLOWED_HOSTS"),
        open_paths=(*health.PROBES, health.MCP_HEALTH, *([scrape.PATH] if settings.RESOURCE_METRICS else [])),
        quick_paths=metadata.PATHS,
        trusted_proxies=networks(settings.RESOURCE_TRUSTED_PROXIES),
        scheme=urlsplit(settings.BASE_URL).scheme,
    )
    app.add_middleware(CountRequests, metrics=protection.metrics.requests)
    app.add_middleware(RequestLog, probes=(*health.PROBES, health.MCP_HEALTH))
    return app


def _protection(settings: Settings, target: str | None) -> Protection:
    if target is not None:
        return Protection(load_server(target), settings)
    if settings.RESOURCE_UPSTREAM is not None:
        # Here: FastMCP's client takes a fifth of a second to import, and 8 MB.
        from resource_server.upstream import upstream_server

        metrics = Metrics()
        return Protection(upstream_server(settings, metrics), settings, metrics, upstream=True)
    return Protection(example_server(), settings)


async def _plain_error(_: Request, error: Any) -> Response:
    """Errors of the routes outside /mcp, in OAuth's shape."""
    body = {
        "error": "not_found" if error.status_code == 404 else "invalid_request",
        "error_description": _REASONS.get(error.status_code, "The request cannot be answered."),
    }
    return JSONResponse(body, error.status_code, {"Cache-Control": "no-store", **(error.headers or {})})
