"""Whether the process lives (`/healthz`) and whether it can serve (`/readyz`); some who balance loads ask by HEAD."""

from __future__ import annotations

from fastapi import APIRouter, Request

from issuer.server import server_of

router = APIRouter(tags=["health"])
PATHS = ("/healthz", "/readyz")


@router.head("/healthz", include_in_schema=False)
@router.get("/healthz")
async def alive() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.head("/readyz", include_in_schema=False)
@router.get("/readyz")
async def ready(request: Request) -> dict[str, str]:
    """The database answers too; 503 when it does not."""
    await server_of(request).store.check()
    return {"status": "ok"}
