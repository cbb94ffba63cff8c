"""FastMCP knows many ways to one function: by each of them it needs its scopes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastmcp.server.providers.addressing import hashed_backend_name
from tests.resource.running import Running, challenge, result, serving
from tests.resource.stand_in import StandIn
from tests.support.servers import free_port

SERVER = """
from fastmcp import Context, FastMCP, FastMCPApp
from fastmcp.server.dependencies import CurrentAccessToken
from fastmcp.server.middleware.tool_injection import ToolInjectionMiddleware
from fastmcp.server.transforms import PromptsAsTools, ResourcesAsTools, ToolTransform
from fastmcp.server.transforms.search import BM25SearchTransform
from fastmcp.tools import Tool
from fastmcp.tools.tool_transform import ToolTransformConfig
from resource_server.scopes import requires

mcp = FastMCP("ways")

def function(name, scope="need"):
    def run() -> str:
        return "ran " + name
    run.__name__ = name
    return requires(scope)(run) if scope else run

base = Tool.from_function(function("base"))
mcp.add_tool(base)
mcp.add_tool(Tool.from_tool(base, name="derived"))

def forwarding() -> str:
    return "ran forwarding"
unmarked = Tool.from_function(function("open", None))
mcp.add_tool(Tool.from_tool(unmarked, name="custom", transform_fn=requires("need")(forwarding)))

mcp.tool(function("old"))
mcp.add_transform(ToolTransform({"old": ToolTransformConfig(name="renamed")}))
mcp.add_middleware(ToolInjectionMiddleware(tools=[Tool.from_function(function("injected"))]))

@mcp.resource("note://with/context")
@requires("need")
def with_context(ctx: Context) -> str:
    return "ran with_context"

@requires("need")
@mcp.resource("note://template/{name}")
def template(name: str) -> str:
    return "ran template"

@mcp.resource("note://both/{name}")
@requires("need")
def both(name: str, token=CurrentAccessToken()) -> str:
    return "ran both"

@requires("need")
@mcp.prompt
def prompt_with_context(ctx: Context) -> str:
    return "ran prompt_with_context"

app = FastMCPApp("Dash")
app.tool()(function("save"))
app.tool()(function("wipe", None))
mcp.add_provider(app)

child = FastMCP("child")
child.tool(function("inner"))
child.tool(function("free", None))
child.tool(function("was"))
child.add_transform(ToolTransform({"was": ToolTransformConfig(name="now")}))
kid = FastMCPApp("Kid")
kid.tool()(function("ksave"))
child.add_provider(kid)

@child.resource("note://secret")
@requires("need")
def secret() -> str:
    return "ran secret"

@child.resource("note://of/{name}")
def of(name: str) -> str:
    return "ran of " + name

@child.prompt
@requires("need")
def ask() -> str:
    return "ran ask"

child.add_transform(ResourcesAsTools(child))
child.add_transform(PromptsAsTools(child))
mcp.mount(child, namespace="c")

hidden = FastMCP("hidden")
hidden.tool(function("deep"))
hidden.tool(function("shallow", None))
hidden.add_transform(BM25SearchTransform())
mcp.mount(hidden, namespace="h")
"""
SEARCHED = """
from fastmcp import FastMCP
from fastmcp.server.transforms.search import BM25SearchTransform
from resource_server.scopes import requires

mcp = FastMCP("searched")

@mcp.tool
@requires("need")
def secret() -> str:
    return "ran secret"

@mcp.tool
def plain() -> str:
    return "ran plain"

mcp.add_transform(BM25SearchTransform())
"""
SAVE, WIPE, KSAVE = (hashed_backend_name(*names) for names in (("Dash", "save"), ("Dash", "wipe"), ("Kid", "ksave")))
HTTP: dict[str, tuple[str, dict[str, Any]]] = {
    "a tool": ("tools/call", {"name": "base"}),
    "a tool made of another": ("tools/call", {"name": "derived"}),
    "a tool with a function before another": ("tools/call", {"name": "custom"}),
    "a renamed tool": ("tools/call", {"name": "renamed"}),
    "an injected tool": ("tools/call", {"name": "injected"}),
    "a resource that wants its context": ("resources/read", {"uri": "note://with/context"}),
    "a template, @requires above": ("resources/read", {"uri": "note://template/x"}),
    "a template that wants the token": ("resources/read", {"uri": "note://both/x"}),
    "a prompt that wants its context": ("prompts/get", {"name": "prompt_with_context"}),
    "an app's tool": ("tools/call", {"name": "save"}),
    "an app's tool by its hash": ("tools/call", {"name": SAVE}),
    "a mounted tool": ("tools/call", {"name": "c_inner"}),
    "a mounted tool, renamed": ("tools/call", {"name": "c_now"}),
    "a mounted app's tool": ("tools/call", {"name": "c_ksave"}),
    "a mounted app's tool by its hash": ("tools/call", {"name": KSAVE}),
    "a mounted tool that a search hides": ("tools/call", {"name": "h_deep"}),
}
META: dict[str, dict[str, Any]] = {
    "a mounted server's resource": {"name": "c_read_resource", "arguments": {"uri": "note://secret"}},
    "a mounted server's prompt": {"name": "c_get_prompt", "arguments": {"name": "ask"}},
    "a mounted server's hidden tool": {"name": "h_call_tool", "arguments": {"name": "deep"}},
}


def file(tmp_path_factory: pytest.TempPathFactory, name: str, text: str) -> str:
    path: Path = tmp_path_factory.mktemp("ways") / f"{name}.py"
    path.write_text(text)
    return f"{path}:mcp"


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> str:
    return file(tmp_path_factory, "server_of_ways", SERVER)


@pytest.fixture(scope="module")
def ways(issuer: StandIn, target: str) -> Iterator[Running]:
    with serving(issuer, target) as started:
        yield started


@pytest.fixture(scope="module")
def searched(issuer: StandIn, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with serving(issuer, file(tmp_path_factory, "searched_server", SEARCHED)) as started:
        yield started


def refused_inside(answer: httpx.Response) -> bool:
    """By a result: what the tool would run was not known before it ran."""
    told = result(answer)
    return told["isError"] is True and "insufficient_scope" in told["content"][0]["text"] and "need" in answer.text


@pytest.mark.parametrize(("method", "params"), HTTP.values(), ids=HTTP)
def test_every_name_is_challenged(ways: Running, method: str, params: dict[str, Any]) -> None:
    refused = ways.modern(method, ways.token(), **params)
    assert refused.status_code == 403, refused.text
    assert challenge(refused)["scope"] == "mcp:tools need"
    assert "ran " in ways.modern(method, ways.token(scope="mcp:tools need"), **params).text


@pytest.mark.parametrize("era", ["modern", "legacy"])
@pytest.mark.parametrize("params", META.values(), ids=META)
def test_what_another_tool_would_run_is_not_run(ways: Running, era: str, params: dict[str, Any]) -> None:
    def ask(scope: str) -> httpx.Response:
        token = ways.token(scope=scope)
        if era == "modern":
            return ways.modern("tools/call", token, **params)
        return ways.legacy("tools/call", token, ways.session(token), **params)

    assert refused_inside(ask("mcp:tools"))
    assert "ran " in ask("mcp:tools need").text


def test_a_search_hides_no_scopes(searched: Running) -> None:
    token, enough = searched.token(), searched.token(scope="mcp:tools need")
    assert searched.modern("tools/call", token, name="secret").status_code == 403
    assert result(searched.modern("tools/call", token, name="plain"))["isError"] is False
    through = {"name": "call_tool", "arguments": {"name": "secret"}}
    assert refused_inside(searched.modern("tools/call", token, **through))
    assert "ran secret" in searched.modern("tools/call", enough, **through).text


def test_a_wider_scope_reaches_the_last_line(issuer: StandIn, target: str) -> None:
    with serving(issuer, target, RESOURCE_SCOPE_HIERARCHY="all=need") as server:
        answer = server.modern("tools/call", server.token(scope="mcp:tools all"), **META["a mounted server's prompt"])
        assert "ran ask" in answer.text


def test_in_results_too(issuer: StandIn, target: str) -> None:
    """Nothing stands before FastMCP then."""
    with serving(issuer, target, RESOURCE_SCOPE_CHALLENGE="result") as server:
        for method, params in HTTP.values():
            answer = server.modern(method, server.token(), **params)
            assert "insufficient_scope" in answer.text, (params, answer.text)
            assert "ran " not in answer.text


PATTERNS = (
    "base=pattern; wipe=pattern; c_free=pattern; h_shallow=pattern; injected=pattern; "
    "resource:note://c/of/secret=pattern"
)
BY_PATTERN: dict[str, tuple[int, dict[str, Any]]] = {
    "a tool made of it": (403, {"name": "derived"}),
    "its hash": (403, {"name": WIPE}),
    "its own name": (403, {"name": "c_free"}),
    "a hidden one's own name": (403, {"name": "h_shallow"}),
    "a hidden one by the search": (200, {"name": "h_call_tool", "arguments": {"name": "shallow"}}),
    "a mounted server's template": (200, {"name": "c_read_resource", "arguments": {"uri": "note://of/secret"}}),
}


def test_a_pattern_means_the_function_by_whatever_name(issuer: StandIn, target: str) -> None:
    with serving(issuer, target, RESOURCE_TOOL_SCOPES=PATTERNS) as server:
        for way, (status, params) in BY_PATTERN.items():
            refused = server.modern("tools/call", server.token(scope="mcp:tools need"), **params)
            assert refused.status_code == status, way
            assert "pattern" in refused.text, way
            assert "ran " not in refused.text, way
            allowed = server.modern("tools/call", server.token(scope="mcp:tools need pattern"), **params)
            assert "ran " in allowed.text, way


def test_a_pattern_means_an_injected_tool_in_results_too(issuer: StandIn, target: str) -> None:
    with serving(issuer, target, RESOURCE_TOOL_SCOPES=PATTERNS, RESOURCE_SCOPE_CHALLENGE="result") as server:
        answer = server.modern("tools/call", server.token(scope="mcp:tools need"), name="injected")
        assert "pattern" in answer.text
        assert "ran " not in answer.text


def test_what_cannot_be_looked_up_is_not_done(issuer: StandIn, tmp_path: Path) -> None:
    path = tmp_path / "failing_server.py"
    path.write_text(
        "from fastmcp.server import create_proxy\n"
        f'mcp = create_proxy("http://127.0.0.1:{free_port()}/mcp", provider_error_strategy="raise")\n'
        "@mcp.tool\n"
        "def own() -> str:\n"
        '    return "ran own"\n'
    )
    with serving(issuer, f"{path}:mcp") as server:
        for name in ("own", "unknown"):
            refused = server.modern("tools/call", server.token(), name=name)
            assert refused.status_code == 503
            assert refused.headers["retry-after"]
            assert refused.json()["error"]["code"] == 503
            assert "127.0.0.1" not in refused.text
