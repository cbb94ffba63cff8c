"""Protected resource metadata (RFC 9728 §3), built once, at the path of the resource and at the root alias."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

from fastapi import APIRouter, Request
from starlette.responses import Response

_WELL_KNOWN = "/.well-known/oauth-protected-resource"
PATHS = (f"{_WELL_KNOWN}/mcp", _WELL_KNOWN)


def metadata_url(base_url: str) -> str:
    """Where challenges point to (RFC 9728 §3.1: the resource's path is appended)."""
    return base_url + PATHS[0]


def document(*, resource: str, issuer: str, scopes: Iterable[str], name: str) -> bytes:
    """The metadata. Strings, never URL types: clients compare `issuer` and `resource` byte for byte."""
    return json.dumps(
        {
            "resource": resource,
            "authorization_servers": [issuer],
            "scopes_supported": list(scopes),
            "bearer_methods_supported": ["header"],
            "resource_name": name,
        },
        separators=(",", ":"),
    ).encode()


def router(body: bytes) -> APIRouter:
    """Routes that answer with `body`, which never changes while the process lives."""
    router = APIRouter(tags=["discovery"])
    headers = {"Cache-Control": "public, max-age=300", "ETag": f'"{hashlib.sha256(body).hexdigest()[:32]}"'}

    async def metadata(request: Request) -> Response:
        """What a client must know to get a token for this server (RFC 9728 §2)."""
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        return Response(body, media_type="application/json", headers=headers)

    for path in PATHS:
        router.add_api_route(path, metadata, methods=["GET"], name=f"metadata {path}")
        router.add_api_route(path, metadata, methods=["HEAD"], include_in_schema=False)
    return router
