"""The token endpoint (OAuth 2.1 §3.2)."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from issuer.errors import TemporarilyUnavailable
from issuer.settings import Settings

router = APIRouter(tags=["token"])
PATH = "/token"


def metadata(settings: Settings) -> dict[str, Any]:
    return {
        "token_endpoint": settings.ISSUER + PATH,
    }


@router.api_route(PATH, methods=["POST"])
async def token() -> Response:
    """Refuses: signing in comes with the next version."""
    raise TemporarilyUnavailable("signing in is not there yet: use a development token")
