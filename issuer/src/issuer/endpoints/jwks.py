"""The public keys: JWK Set (RFC 7517 §5), with cache headers that end before the next key signs."""

from __future__ import annotations

import functools
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from issuer.server import server_of
from issuer.settings import Settings
from issuer.web.cacheable import Cacheable

router = APIRouter(tags=["discovery"])
PATH = "/.well-known/jwks.json"


def metadata(settings: Settings) -> dict[str, Any]:
    return {"jwks_uri": settings.ISSUER + PATH}


@router.head(PATH, include_in_schema=False)
@router.get(PATH)
async def jwks(request: Request) -> Response:
    """The keys that sign now, will sign soon, or signed tokens that may still be valid."""
    server = server_of(request)
    return _cacheable(server.mint.ring.jwks(server.now())).answer(request)


@functools.lru_cache(maxsize=2)
def _cacheable(body: bytes) -> Cacheable:
    """Built once for each key set."""
    return Cacheable(body, "application/jwk-set+json")
