"""Functions that run outside of every request, as background tasks do: the same rules hold for them."""

from __future__ import annotations

import asyncio
import contextvars
from typing import Any

import pytest
from fastmcp import FastMCP
from fastmcp.exceptions import AuthorizationError
from fastmcp.server.auth import AccessToken
from mcp.server.auth.middleware.auth_context import auth_context_var
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser

from resource_server.protect import Protection
from resource_server.settings import load

CLIENT = {"RESOURCE_CLIENT_ID": "resource", "RESOURCE_CLIENT_SECRET": "s" * 20}


def server() -> FastMCP[Any]:
    mcp: FastMCP[Any] = FastMCP("works later")
    for name in ("free", "guarded"):
        mcp.tool(name=name)(lambda name=name: f"ran {name}")
    return mcp


async def run(mcp: FastMCP[Any], name: str, scopes: str) -> str:
    """The tool's answer where nothing is known but whose token began it."""

    async def work() -> str:
        token = AccessToken(token="t", client_id="c", scopes=scopes.split())
        auth_context_var.set(AuthenticatedUser(token))
        tool = await mcp.get_tool(name)
        assert tool is not None
        return str((await tool.run({})).content[0].text)  # type: ignore[union-attr]

    return await asyncio.get_running_loop().create_task(work(), context=contextvars.Context())


async def test_patterns_hold() -> None:
    mcp = server()
    kept = Protection(mcp, load({}, RESOURCE_TOOL_SCOPES="guarded=more"))
    assert await run(mcp, "free", "mcp:tools") == "ran free"
    with pytest.raises(AuthorizationError, match="needs mcp:tools more"):
        await run(mcp, "guarded", "mcp:tools")
    assert await run(mcp, "guarded", "mcp:tools more") == "ran guarded"
    del kept


async def test_a_server_that_nobody_guards_is_left_alone() -> None:
    other: FastMCP[Any] = FastMCP("has rules of its own")
    other.resource("b://{name}", name="b")(lambda name: name)
    guarded = server()
    guarded.resource("a://{name}", name="a")(lambda name: name)
    kept = Protection(guarded, load({}, RESOURCE_TOOL_SCOPES="resource:a://*=more"))

    async def read(mcp: FastMCP[Any], uri: str) -> object:
        auth_context_var.set(AuthenticatedUser(AccessToken(token="t", client_id="c", scopes=["mcp:tools"])))
        template = await mcp.get_resource_template(uri)
        assert template is not None
        return await template.read(arguments={"name": "x"})

    async def apart(mcp: FastMCP[Any], uri: str) -> object:
        return await asyncio.get_running_loop().create_task(read(mcp, uri), context=contextvars.Context())

    assert await apart(other, "b://x") == "x"
    with pytest.raises(AuthorizationError, match="needs mcp:tools more"):
        await apart(guarded, "a://x")
    del kept


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """What the issuer says, in turn."""
    answers: list[bool] = []

    async def active(*_: Any) -> bool:
        return answers.pop(0)

    monkeypatch.setattr("resource_server.introspection.Introspection._active", active)
    return answers


async def test_the_issuer_is_asked_each_time(told: list[bool]) -> None:
    mcp = server()
    kept = Protection(mcp, load({}, RESOURCE_INTROSPECT="guarded", **CLIENT))
    told += [True, False]
    assert await run(mcp, "free", "mcp:tools") == "ran free"
    assert await run(mcp, "guarded", "mcp:tools") == "ran guarded"
    with pytest.raises(AuthorizationError, match="revoked"):
        await run(mcp, "guarded", "mcp:tools")
    assert told == []
    del kept
