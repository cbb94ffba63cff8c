"""FastMCP as it comes: without auth, or (VERIFIER=jwt) with its own JWTVerifier."""

from __future__ import annotations

from os import environ
from typing import Any

import uvicorn
from fastmcp import FastMCP
from fastmcp.server.auth import JWTVerifier
from starlette.requests import Request
from starlette.responses import PlainTextResponse

auth = None
if environ.get("VERIFIER") == "jwt":
    auth = JWTVerifier(
        jwks_uri=environ["JWKS_URL"],
        issuer=environ["TOKEN_ISSUER"],
        audience=environ["RESOURCE"],
        required_scopes=["mcp:tools"],
    )
mcp: FastMCP[Any] = FastMCP("bench", auth=auth)


@mcp.custom_route("/ready", methods=["GET"])
async def ready(_: Request) -> PlainTextResponse:
    return PlainTextResponse("ok")


def add_numbers(a: int | float, b: int | float) -> int | float:
    """Add two numbers."""
    return a + b


for number in range(int(environ.get("TOOLS", "1"))):
    mcp.tool(add_numbers, name="add_numbers" if number == 0 else f"add_numbers_{number}")

if __name__ == "__main__":
    # httptools and uvloop where they are installed, as `fastmcp run` would choose them
    uvicorn.run(mcp.http_app(path="/mcp"), port=int(environ["PORT"]), log_level="error")
