"""The public keys: JWK Set (RFC 7517 §5), with cache headers that end before the next key signs."""

from __future__ import annotations

import functools
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
    whole, unchanged = _answers(body, etag)
    return unchanged if request.headers.get("if-none-match") == etag else whole


@functools.lru_cache(maxsize=2)
def _answers(body: bytes, etag: str) -> tuple[Response, Response]:
    """Built once for each key set: an answer keeps nothing of the request that it is sent to."""
    headers = {"Cache-Control": "public, max-age=300", "ETag": etag}
    whole = Response(body, media_type="application/jwk-set+json", headers=headers)
    return whole, Response(status_code=304, headers=headers)
