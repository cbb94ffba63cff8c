"""Two routes that answer with bytes: what the framework and the HTTP server alone cost."""

from __future__ import annotations

from os import environ

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

JWKS = b'{"keys":["' + b"x" * 450 + b'"]}'
METADATA = b'{"issuer":"' + b"x" * 3000 + b'"}'


async def jwks(_: Request) -> Response:
    return Response(JWKS, media_type="application/json")


async def metadata(_: Request) -> Response:
    return Response(METADATA, media_type="application/json")


if __name__ == "__main__":
    app = Starlette(routes=[Route("/jwks", jwks), Route("/metadata", metadata)])
    uvicorn.run(app, port=int(environ["PORT"]), log_level="error", access_log=False)
