"""The composition root: everything is built here once and handed down."""

from __future__ import annotations

from importlib import metadata as distribution
from typing import Any

from fastapi import FastAPI, Request
from fastapi_swagger import patch_fastapi
from fastmcp import FastMCP
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from resource_server import health
from resource_server.guard import Guard, networks
from resource_server.protect import Protection
from resource_server.request_log import RequestLog
from resource_server.settings import Settings
from resource_server.tools import example_server

_REASONS = {
    404: "There is nothing at this address; the MCP endpoint is /mcp, without a slash at its end.",
    405: "This address does not answer to that method.",
}


def create_app(settings: Settings, server: FastMCP[Any] | None = None) -> FastAPI:
    """The resource as an ASGI application; server: what it protects instead of the example tools."""
    app = FastAPI(
        title="MCP resource",
        description=f"An MCP server at {settings.resource}, for bearers of tokens from {settings.ISSUER}.",
        version=distribution.version("mcp-resource"),
        docs_url=None,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
        openapi_url="/openapi.json" if settings.docs else None,
        redirect_slashes=False,
    )
    Protection(server or example_server(), settings).attach(app)
    app.add_exception_handler(HTTPException, _plain_error)
    if settings.docs:
        patch_fastapi(app, redirect_from_root_to_docs=False)
    app.add_middleware(
        Guard,
        allowed_hosts=settings.allowed_hosts,
        setting="RESOURCE_ALLOWED_HOSTS",
        open_paths=(*health.PROBES, health.MCP_HEALTH),
        trusted_proxies=networks(settings.RESOURCE_TRUSTED_PROXIES),
    )
    app.add_middleware(RequestLog)
    return app


async def _plain_error(_: Request, error: Any) -> Response:
    """Errors of the routes outside /mcp, in OAuth's shape."""
    body = {
        "error": "not_found" if error.status_code == 404 else "invalid_request",
        "error_description": _REASONS.get(error.status_code, "The request cannot be answered."),
    }
    return JSONResponse(body, error.status_code, {"Cache-Control": "no-store", **(error.headers or {})})
