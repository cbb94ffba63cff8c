"""An HTTP upstream and its caller understand each other: protocol eras, what the caller can, what is passed on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest
from fastmcp import Client, Context, FastMCP, FastMCPApp
from fastmcp.client.elicitation import ElicitResult
from fastmcp.client.transports.sse import SSETransport
from fastmcp.server.providers.addressing import hashed_backend_name
from fastmcp.tools import Tool, ToolResult
from loguru import logger
from mcp_types import Completion, PromptReference
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from tests.resource.running import Running, listening, result, serving
from tests.resource.stand_in import StandIn
from tests.support.servers import free_port

from resource_server.settings import load
from resource_server.upstream_web import SUBJECT_HEADER, WebUpstream, _Credentials

ASK = PromptReference(type="ref/prompt", name="ask")
SCHEMA = {"type": "object", "$defs": {"n": {"type": "integer"}}, "properties": {"n": {"$ref": "#/$defs/n"}}}


class Described(Tool):
    """A tool with a schema of its own."""

    async def run(self, arguments: dict[str, Any]) -> ToolResult:
        return ToolResult(structured_content=arguments)


def asking() -> FastMCP[Any]:
    server: FastMCP[Any] = FastMCP("asking", dereference_schemas=False)

    @server.tool
    async def name(ctx: Context) -> str:
        return str((await ctx.elicit("Who are you?", str)).action)

    @server.tool
    def abilities(ctx: Context) -> list[str]:
        found = ctx.session.client_capabilities
        return sorted(found.model_dump(exclude_none=True)) if found else []

    @server.prompt
    def ask(what: str) -> str:
        return what

    server.add_tool(Described(name="described", parameters=SCHEMA))
    return server


class Stateless:
    """ASGI application around an MCP server: one that knows no sessions refuses their handshake."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.methods: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        first = await receive()
        message = json.loads(first["body"])
        self.methods.append(message["method"])
        if message["method"] == "initialize":
            error = {"code": -32601, "message": "Method not found"}
            body = json.dumps({"jsonrpc": "2.0", "id": message["id"], "error": error}).encode()
            head = [(b"content-type", b"application/json")]
            await send({"type": "http.response.start", "status": 404, "headers": head})
            await send({"type": "http.response.body", "body": body})
            return
        unread = [first]

        async def again() -> Message:
            return unread.pop() if unread else await receive()

        await self.app(scope, again, send)


@contextmanager
def behind(issuer: StandIn, upstream: ASGIApp, path: str = "/mcp", **settings: str) -> Iterator[Running]:
    port = free_port()
    settings["RESOURCE_UPSTREAM"] = f"http://127.0.0.1:{port}{path}"
    with listening(upstream, port), serving(issuer, **settings) as server:
        yield server


async def test_it_asks_the_person_through_a_session(issuer: StandIn) -> None:
    """The upstream speaks both eras; in the stateless one it could not ask."""

    async def answer(*_: Any) -> ElicitResult[Any]:
        return ElicitResult(action="decline")

    with behind(issuer, asking().http_app()) as server:
        async with Client(server.mcp, auth=server.token(), mode="legacy", elicitation_handler=answer) as client:
            assert (await client.call_tool("name")).data == "decline"


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_it_knows_what_the_caller_can(issuer: StandIn, mode: Any) -> None:
    async def sample(*_: Any) -> str:
        return "a sample"

    with behind(issuer, asking().http_app()) as server:
        async with Client(server.mcp, auth=server.token(), mode=mode) as client:
            plain = (await client.call_tool("abilities")).data
        async with Client(server.mcp, auth=server.token(), mode=mode, sampling_handler=sample) as client:
            able = (await client.call_tool("abilities")).data
    assert "sampling" not in plain
    assert "sampling" in able
    assert not {"elicitation", "roots"} & {*plain, *able}


async def test_one_without_sessions_is_used_without(issuer: StandIn) -> None:
    upstream = Stateless(asking().http_app())
    with behind(issuer, upstream) as server:
        for _ in range(3):
            async with Client(server.mcp, auth=server.token(), mode="legacy") as client:
                assert "name" in [tool.name for tool in await client.list_tools()]
    assert upstream.methods.count("initialize") == 1, "it is not asked again what it has refused"


async def test_schemas_are_passed_on_as_they_are(issuer: StandIn) -> None:
    with behind(issuer, asking().http_app()) as server:
        tools = result(server.modern("tools/list", server.token()))["tools"]
    assert [tool["inputSchema"] for tool in tools if tool["name"] == "described"] == [SCHEMA]


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_completions_are_passed_on(issuer: StandIn, mode: Any) -> None:
    upstream = asking()
    with behind(issuer, upstream.http_app()) as server:
        async with Client(server.mcp, auth=server.token(), mode=mode) as client:
            assert (await client.complete(ASK, {"name": "what", "value": "p"})).values == []

            @upstream.completion
            def complete(_: Any, argument: Any, __: Any) -> Completion:
                return Completion(values=[f"{argument.value}ark"])

            assert (await client.complete(ASK, {"name": "what", "value": "p"})).values == ["park"]


async def test_completions_of_one_that_is_away_are_an_error(issuer: StandIn) -> None:
    with serving(issuer, RESOURCE_UPSTREAM=f"http://127.0.0.1:{free_port()}/mcp") as server:
        params = {"ref": {"type": "ref/prompt", "name": "ask"}, "argument": {"name": "what", "value": "p"}}
        answer = server.modern("completion/complete", server.token(), **params)
    assert answer.status_code == 200
    assert "error" in answer.json()
    assert "127.0.0.1" not in answer.text


def test_a_large_result_comes_through(issuer: StandIn) -> None:
    """A picture is one event of a stream, and far larger than the SDK takes by itself."""
    upstream = asking()
    upstream.tool(name="picture")(lambda: "p" * 3_000_000)
    with behind(issuer, upstream.http_app()) as server:
        answer = server.legacy("tools/call", token := server.token(), server.session(token), name="picture")
    assert len(result(answer)["content"][0]["text"]) == 3_000_000


def test_the_caller_is_told_anew_with_each_request() -> None:
    """A call may take longer than what tells of its caller is good for."""
    told = iter(["first", "second"])
    credentials = _Credentials({"X-Request-Id": "one"}, lambda: next(told))
    for expected in ("first", "second"):
        sent = next(credentials.auth_flow(httpx2.Request("POST", "http://upstream.test/mcp")))
        assert (sent.headers[SUBJECT_HEADER], sent.headers["x-request-id"]) == (expected, "one")


def test_an_sse_address_may_have_a_query() -> None:
    settings = load({}, RESOURCE_UPSTREAM="http://upstream.test/sse?key=1")
    for url, over_sse in (("http://u.test/sse?key=1", True), ("http://u.test/mcp?from=/sse", False)):
        assert isinstance(WebUpstream(url, settings).client().transport, SSETransport) == over_sse


def test_a_pattern_means_an_apps_tool_by_its_hash_too(issuer: StandIn) -> None:
    app: Any = FastMCPApp("Dash")
    app.tool(name="wipe")(lambda: "wiped")
    upstream = asking()
    upstream.add_provider(app)
    with behind(issuer, upstream.http_app(), RESOURCE_TOOL_SCOPES="wipe=dash:wipe") as server:
        for name in ("wipe", hashed_backend_name("Dash", "wipe")):
            assert server.modern("tools/call", server.token(), name=name).status_code == 403
            assert "wiped" in server.modern("tools/call", server.token(scope="mcp:tools dash:wipe"), name=name).text


@pytest.mark.parametrize("path", ["", "/elsewhere", "/sse"])
def test_a_wrong_path_is_no_empty_server(issuer: StandIn, path: str) -> None:
    logged: list[str] = []
    with behind(issuer, asking().http_app(), path) as server:
        sink = logger.add(logged.append, format="{message}")
        token = server.token()
        session = server.session(token)
        for _ in range(2):
            for answer in (server.modern("tools/list", token), server.legacy("tools/list", token, session)):
                assert '"error"' in answer.text, answer.text
                assert '"tools":' not in answer.text
                assert "127.0.0.1" not in answer.text
        assert "wiped" not in server.modern("tools/call", token, name="wipe").text
        logger.remove(sink)
    assert len([line for line in logged if "answered 404" in line]) == 1
