"""FastMCP as seams.py and transports.py know it: when one of these fails, FastMCP has changed, and so must they."""

from __future__ import annotations

import functools
import inspect
import math
from typing import Any

import httpx
import pytest
from fastmcp import Context, FastMCP, settings
from fastmcp.prompts import Prompt
from fastmcp.prompts.function_prompt import FunctionPrompt
from fastmcp.resources import Resource, ResourceTemplate
from fastmcp.resources.template import FunctionResourceTemplate
from fastmcp.server import dependencies
from fastmcp.server.auth import require_scopes
from fastmcp.server.http import create_sse_app, create_streamable_http_app
from fastmcp.server.providers import aggregate
from fastmcp.server.transforms.search import BM25SearchTransform
from fastmcp.telemetry import native_spans_enabled
from fastmcp.tools import Tool
from fastmcp.tools.function_tool import FunctionTool
from fastmcp.utilities import async_utils
from mcp.server.lowlevel.server import Server
from tests.resource.running import META, Running, result, serving
from tests.resource.stand_in import StandIn

from resource_server import last_line, seams, session_seams
from resource_server.catalogue import Catalogue
from resource_server.scopes import Operation, Policy, requires
from resource_server.sessions import Sessions
from resource_server.transports import Transports


@pytest.fixture
def server() -> FastMCP[Any]:
    parent, child = FastMCP[Any]("parent"), FastMCP[Any]("child")

    @parent.tool(auth=require_scopes("native"))
    def hidden(a: int) -> int:
        return a

    @child.tool
    @requires("inner")
    def tool() -> str:
        return ""

    @child.prompt
    @requires("inner")
    def prompt() -> str:
        return ""

    @child.resource("data://fixed")
    @requires("inner")
    def fixed() -> str:
        return ""

    @child.resource("data://of/{name}")
    @requires("inner")
    def template(name: str) -> str:
        return name

    parent.mount(child, namespace="ns")
    return parent


async def test_the_list_shows_what_callers_may_not_see(server: FastMCP[Any]) -> None:
    assert "hidden" not in [tool.name for tool in await server.list_tools(run_middleware=False)]
    assert "hidden" in [tool.name for tool in await seams.every_component(server, "tool")]
    assert "hidden" not in [tool.name for tool in await server.list_tools(run_middleware=False)]


async def test_a_search_hides_nothing_from_us(server: FastMCP[Any]) -> None:
    inner: FastMCP[Any] = FastMCP("inner")
    inner.tool(requires("deep")(lambda: ""), name="deep")
    inner.add_transform(BM25SearchTransform())
    server.mount(inner, namespace="in")
    server.add_transform(BM25SearchTransform(search_tool_name="find", call_tool_name="call"))
    assert {tool.name for tool in await server.list_tools(run_middleware=False)} == {"find", "call"}
    found = {tool.name: await seams.declared_scopes(tool) for tool in await seams.every_component(server, "tool")}
    assert {"find", "call", "hidden", "ns_tool", "in_deep"} == set(found)
    assert found["in_deep"] == {"deep"}


def test_fastmcp_runs_functions_where_the_last_line_stands() -> None:
    """Each component that has a function of others, and the one method that calls it."""
    for place, name in last_line._PLACES:
        assert "fn" in place.model_fields
        method = vars(place)[name]
        assert "self.fn" in inspect.getsource(inspect.unwrap(method)), (place, name)
    places = {place for place, _ in last_line._PLACES}
    kinds = (Tool, Resource, ResourceTemplate, Prompt)
    assert {c for kind in kinds for c in subclasses(kind) if "fn" in c.model_fields} == places


def subclasses(of: type[Any]) -> set[type[Any]]:
    direct = {c for c in of.__subclasses__() if c.__module__.startswith("fastmcp.")}
    return direct.union(*map(subclasses, direct))


def test_a_mark_shows_through_every_wrapper(server: FastMCP[Any]) -> None:
    """FastMCP wraps what wants its context; pydantic wraps what a template calls."""

    def function(name: str, ctx: Context) -> str:
        return name

    wrapped = [
        dependencies.without_injected_parameters(function),
        FunctionResourceTemplate.from_function(function, "data://{name}").fn,
        FunctionPrompt.from_function(function).fn,
        FunctionTool.from_function(function).fn,
        functools.partial(function, name="x"),
        functools.wraps(function)(lambda: ""),
    ]
    assert [seams.marked(each) for each in wrapped] == [frozenset()] * len(wrapped)
    requires("late")(function)
    assert [seams.marked(each) for each in wrapped] == [{"late"}] * len(wrapped)


@pytest.mark.parametrize(("kind", "expected"), [("tool", 2), ("prompt", 1), ("resource", 2)])
async def test_scopes_show_through_mounting(server: FastMCP[Any], kind: Any, expected: int) -> None:
    found = {c.name: await seams.declared_scopes(c) for c in await seams.every_component(server, kind)}
    assert len(found) == expected
    assert found.pop("hidden", {"native"}) == {"native"}
    assert all(scopes == {"inner"} for scopes in found.values()), found


async def test_the_sdk_has_the_place_for_a_schema_lookup(server: FastMCP[Any]) -> None:
    assert "get_tool_input_schema" in inspect.signature(Server.__init__).parameters
    assert vars(server._mcp_server)["get_tool_input_schema"] is None, "FastMCP fills it itself now: give_schemas can go"
    catalogue = Catalogue(server, Policy())
    lookup = vars(server._mcp_server)["get_tool_input_schema"]
    await catalogue.needed(Operation("tool", "hidden"))
    assert lookup("hidden")["properties"] == {"a": {"type": "integer"}}
    assert lookup("nowhere") is None


def test_a_tool_call_lists_nothing(issuer: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the schema lookup the SDK lists all tools at every call."""
    lists: list[str] = []
    original = FastMCP.list_tools

    async def counted(self: FastMCP[Any], *, run_middleware: bool = True) -> Any:
        lists.append(self.name)
        return await original(self, run_middleware=run_middleware)

    monkeypatch.setattr(FastMCP, "list_tools", counted)
    with serving(issuer) as server:
        for _ in range(10):
            result(server.modern("tools/call", server.token(), name="add_numbers", arguments={"a": 1, "b": 2}))
    assert len(lists) <= 2


async def test_one_thing_is_awaited_without_a_task_group() -> None:
    """`aggregate` looks its `gather` up in its own module; one awaitable or more, the outcome is the original's."""
    assert "gather" in aggregate.AggregateProvider._get_tool.__code__.co_names

    async def value(number: int) -> int:
        if number < 0:
            raise ValueError(number)
        return number

    seams.spare_task_groups()
    replaced, original = vars(aggregate)["gather"], async_utils.gather
    assert replaced is not original
    for numbers in ([], [1], [1, 2], [-1], [-1, 2]):
        found = await replaced((value(n) for n in numbers), return_exceptions=True)
        expected = await original((value(n) for n in numbers), return_exceptions=True)
        assert list(map(repr, found)) == list(map(repr, expected))
    with pytest.raises(ValueError, match="-1"):
        await replaced([value(-1)])


async def test_nobody_listens_so_nothing_is_told(server: FastMCP[Any]) -> None:
    assert "telemetry_mode" in type(settings).model_fields
    seams.spare_spans()
    assert settings.telemetry_mode == "propagation_only"
    assert not native_spans_enabled()


def test_parameter_headers_are_still_held_against_the_schema(issuer: StandIn, tmp_path: Any) -> None:
    path = tmp_path / "with_header.py"
    path.write_text(
        "from typing import Annotated\n"
        "from fastmcp import FastMCP\n"
        "from pydantic import Field\n"
        'mcp = FastMCP("x")\n'
        "@mcp.tool\n"
        'def put(region: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})]) -> str:\n'
        "    return region\n"
    )
    with serving(issuer, str(path)) as server:
        assert call(server, "eu", "eu").status_code == 200
        assert call(server, "eu", "us").status_code == 400


def call(server: Running, body: str, header: str) -> Any:
    params = {"name": "put", "arguments": {"region": body}, "_meta": META}
    headers = {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": "put"}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    return server.post(message, server.token(), **headers, **{"Mcp-Param-Region": header})


async def test_the_sdk_asks_before_each_session_and_says_which_are_idle() -> None:
    app = create_streamable_http_app(FastMCP("x"), "/mcp")
    async with app.lifespan(app):
        manager = session_seams.session_manager(app)
        asked: list[session_seams.Owner] = []
        session_seams.ask_before_sessions(manager, asked.append)
        headers = {"Accept": "application/json, text/event-stream"}
        params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
        message = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as web:
            first, second = [
                (await web.post("/mcp", json=message, headers=headers)).headers["mcp-session-id"] for _ in range(2)
            ]
            assert asked == [session_seams.Owner(None, None)] * 2
            assert [session.id for session in session_seams.open_sessions(manager)] == [first, second]
            assert all(session.idle_until < math.inf for session in session_seams.open_sessions(manager))
            session_seams.end_session(manager, first)
            assert [session.id for session in session_seams.open_sessions(manager)] == [second]
            ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
            for session, status in ((first, 404), (second, 200)):
                answer = await web.post("/mcp", json=ping, headers={**headers, "Mcp-Session-Id": session})
                assert answer.status_code == status, answer.text


def test_both_transports_can_be_built_without_fastmcps_own_auth() -> None:
    for build in (create_streamable_http_app, create_sse_app):
        assert inspect.signature(build).parameters["auth"].default is None
    paths = Transports(FastMCP("x"), "both", Sessions(9, 9)).paths
    assert list(paths) == ["/mcp", "/mcp/sse", "/mcp/messages/{rest:path}"]
