"""The public keys: JWK Set (RFC 7517 §5), with cache headers that end before the next key signs."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from issuer.server import server_of
from issuer.settings import Settings

router = APIRouter(tags=["discovery"])
PATH = "/.well-known/jwks.json"


def metadata(settings: Settings) -> dict[str, Any]:
    return {"jwks_uri": settings.ISSUER + PATH}


@router.head(PATH, include_in_schema=False)
@router.get(PATH)
async def jwks(request: Request) -> Response:
    """The keys that sign now, will sign soon, or signed tokens that may still be valid."""
    server = server_of(request)
    body, etag = server.mint.ring.jwks(server.now())
    headers = {"Cache-Control": "public, max-age=300", "ETag": etag}
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="application/jwk-set+json", headers=headers)
