"""Whether the process lives (`/healthz`), whether it can check tokens (`/readyz`), what is served (`/mcp/health`)."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from resource_server.jwks import KeyCache, KeysUnavailable

MCP_HEALTH = "/mcp/health"
PROBES = ("/healthz", "/readyz")


def router(keys: KeyCache, about: dict[str, Any]) -> APIRouter:
    """about: what `/mcp/health` tells everyone besides its status."""
    router = APIRouter(tags=["health"])

    @router.get("/healthz")
    async def alive() -> dict[str, str]:
        """The process answers."""
        return {"status": "ok"}

    @router.get("/readyz", responses={503: {"description": "The issuer's keys cannot be fetched"}})
    async def ready() -> Response:
        """The issuer's keys are known too."""
        return await _state({})

    @router.get(MCP_HEALTH, responses={503: {"description": "The issuer's keys cannot be fetched"}})
    async def health() -> Response:
        """What is served here; needs no token."""
        return await _state(about)

    async def _state(more: dict[str, Any]) -> Response:
        try:
            await keys.ready()
        except KeysUnavailable as outage:
            body = {"status": "unavailable", "reason": str(outage), **more}
            return JSONResponse(body, 503, {"Retry-After": str(outage.retry_after)})
        return JSONResponse({"status": "ok", **more})

    return router
