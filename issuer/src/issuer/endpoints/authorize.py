"""The authorization endpoint (OAuth 2.1 §4.1.1)."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from issuer.errors import TemporarilyUnavailable
from issuer.settings import Settings

router = APIRouter(tags=["authorization"])
PATH = "/authorize"


def metadata(settings: Settings) -> dict[str, Any]:
    return {
        "authorization_endpoint": settings.ISSUER + PATH,
        "response_types_supported": ["code"],
        "code_challenge_methods_supported": ["S256"],
        "scopes_supported": list(settings.ISSUER_SCOPES),
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
    }


@router.api_route(PATH, methods=["GET", "POST"])
async def authorize() -> Response:
    """Refuses: signing in comes with the next version."""
    raise TemporarilyUnavailable("signing in is not there yet: use a development token")
