"""Whether the process lives (`/healthz`), whether it can check tokens (`/readyz`), what is served (`/mcp/health`)."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from resource_server.jwks import KeyCache, KeysUnavailable

MCP_HEALTH = "/mcp/health"
PROBES = ("/healthz", "/readyz")
_UNAVAILABLE: dict[int | str, dict[str, Any]] = {503: {"description": "The issuer's keys cannot be fetched"}}


def probes(keys: KeyCache) -> APIRouter:
    """For whoever watches the process; some who balance loads ask by HEAD."""
    router = APIRouter(tags=["health"])

    @router.head("/healthz", include_in_schema=False)
    @router.get("/healthz")
    async def alive() -> Response:  # no model: FastAPI would import all of pydantic's first version to make one
        """The process answers."""
        return JSONResponse({"status": "ok"})

    @router.head("/readyz", include_in_schema=False)
    @router.get("/readyz", responses=_UNAVAILABLE)
    async def ready() -> Response:
        """The issuer's keys are known too."""
        return await _state(keys, {})

    return router


def router(keys: KeyCache, about: dict[str, Any]) -> APIRouter:
    """For people and clients. about: what everyone is told besides the status."""
    router = APIRouter(tags=["health"])

    @router.head(MCP_HEALTH, include_in_schema=False)
    @router.get(MCP_HEALTH, responses=_UNAVAILABLE)
    async def health() -> Response:
        """What is served here; needs no token."""
        return await _state(keys, about)

    return router


async def _state(keys: KeyCache, more: dict[str, Any]) -> Response:
    try:
        await keys.ready()
    except KeysUnavailable as outage:
        body = {"status": "unavailable", "reason": str(outage), **more}
        return JSONResponse(body, 503, {"Retry-After": str(outage.retry_after)})
    return JSONResponse({"status": "ok", **more})
