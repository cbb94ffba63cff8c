"""Scopes of operations: what needs which, how a client is told in every era, what lists show."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import Queue
from typing import Any

import httpx
import pytest
from tests.requirements import requirement
from tests.resource.running import Running, challenge, result, serving
from tests.resource.stand_in import StandIn

from resource_server.operations import operation_of
from resource_server.scopes import Operation, Policy, matches, required_by, requires

SERVER = """
from fastmcp import FastMCP
from fastmcp.server.auth import require_scopes
from resource_server.scopes import requires

mcp = FastMCP("notes")
child = FastMCP("child")

@child.tool
@requires("child:use")
def play() -> str:
    return "played"

mcp.mount(child, namespace="child")

@mcp.tool
def free() -> str:
    return "free"

@requires("files:write")
@mcp.tool
def above() -> str:
    return "above"

@mcp.tool
@requires("files:write")
@requires("files:read")
def below() -> str:
    return "below"

@mcp.tool(auth=require_scopes("native:use"))
def native() -> str:
    return "native"

@mcp.tool(name="delete_all")
def dangerous() -> str:
    return "deleted"

@mcp.tool
def grow() -> str:
    @mcp.tool
    @requires("late:use")
    def late() -> str:
        return "late"
    return "grown"

@mcp.completion
def complete(ref, argument, context):
    return ["xyz"]

@mcp.resource("data://fixed")
@requires("files:read")
def fixed() -> str:
    return "fixed"

@mcp.resource("data://of/{name}")
@requires("files:read")
def template(name: str) -> str:
    return name

@mcp.prompt
@requires("prompts:use")
def ask() -> str:
    return "ask"
"""
PATTERNS = "delete_*=files:delete; resource:data://of/secret*=files:secret; prompt:as?=prompts:more"
HIERARCHY = "admin=files:write files:delete; files:write=files:read"


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> str:
    path: Path = tmp_path_factory.mktemp("own") / "own_server.py"
    path.write_text(SERVER)
    return f"{path}:mcp"


@pytest.fixture(scope="module")
def own(issuer: StandIn, target: str) -> Iterator[Running]:
    settings = {"RESOURCE_TOOL_SCOPES": PATTERNS, "RESOURCE_SCOPE_HIERARCHY": HIERARCHY}
    with serving(issuer, target, **settings) as started:
        yield started


NEEDS: dict[str, tuple[str, dict[str, Any], str]] = {
    "@requires above the tool": ("tools/call", {"name": "above"}, "files:write"),
    "@requires below, twice": ("tools/call", {"name": "below"}, "files:read files:write"),
    "a mounted server's own": ("tools/call", {"name": "child_play"}, "child:use"),
    "FastMCP's own check": ("tools/call", {"name": "native"}, "native:use"),
    "a pattern": ("tools/call", {"name": "delete_all"}, "files:delete"),
    "a resource": ("resources/read", {"uri": "data://fixed"}, "files:read"),
    "a template": ("resources/read", {"uri": "data://of/x"}, "files:read"),
    "a template and a pattern": ("resources/read", {"uri": "data://of/secret1"}, "files:read files:secret"),
    "a template, otherwise spelt": ("resources/read", {"uri": "data://of/%73ecret1"}, "files:read files:secret"),
    "a resource with a query": ("resources/read", {"uri": "data://of/secret1?x"}, "files:read files:secret"),
    "a prompt and a pattern": ("prompts/get", {"name": "ask"}, "prompts:more prompts:use"),
}


@requirement("mcp-scope-challenge/403")
@pytest.mark.parametrize(("method", "params", "scopes"), NEEDS.values(), ids=NEEDS)
@pytest.mark.parametrize("era", ["modern", "legacy"])
def test_too_little_scope_is_one_challenge_with_all_of_it(
    own: Running, era: str, method: str, params: dict[str, Any], scopes: str
) -> None:
    def ask(scope: str) -> httpx.Response:
        token = own.token(scope=scope)
        if era == "modern":
            return own.modern(method, token, **params)
        return own.legacy(method, token, own.session(token), **params)

    answer = ask("mcp:tools")
    assert answer.status_code == 403
    found = challenge(answer)
    assert found["error"] == "insufficient_scope"
    assert found["scope"] == f"mcp:tools {scopes}"
    assert found["resource_metadata"].endswith("/.well-known/oauth-protected-resource/mcp")
    assert "scope=" not in found["error_description"]
    body = answer.json()
    assert body["jsonrpc"] == "2.0"
    assert scopes in body["error"]["message"]
    if " " in scopes:
        assert ask(f"mcp:tools {scopes.split()[0]}").status_code == 403
    assert result(ask(f"mcp:tools {scopes}"))


def test_over_sse_too(own: Running) -> None:
    answers: Queue[str] = Queue()
    token = own.token()

    def listen() -> None:
        headers = {"Authorization": f"Bearer {token}"}
        with httpx.stream("GET", f"{own.mcp}/sse", headers=headers, timeout=20) as stream:
            for line in stream.iter_lines():
                if line.startswith("data: "):
                    answers.put(line[6:])

    threading.Thread(target=listen, daemon=True).start()
    url = own.origin + answers.get(timeout=10)

    def send(body: dict[str, Any], scope: str = "mcp:tools") -> httpx.Response:
        headers = {"Authorization": f"Bearer {own.token(scope=scope)}"}
        return httpx.post(url, json={"jsonrpc": "2.0", **body}, headers=headers)

    params = {"protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    assert send({"id": 1, "method": "initialize", "params": params}).status_code == 202
    assert json.loads(answers.get(timeout=10))["id"] == 1
    send({"method": "notifications/initialized"})
    call = {"id": 2, "method": "tools/call", "params": {"name": "above", "arguments": {}}}
    refused = send(call)
    assert refused.status_code == 403
    assert challenge(refused)["scope"] == "mcp:tools files:write"
    assert send(call, "mcp:tools files:write").status_code == 202
    assert json.loads(answers.get(timeout=10))["result"]["structuredContent"] == {"result": "above"}


@requirement("mcp-step-up/hierarchy")
def test_a_wider_scope_includes_narrower_ones(own: Running) -> None:
    for scope in ("admin", "files:write"):
        token = own.token(scope=f"mcp:tools {scope}")
        assert result(own.modern("tools/call", token, name="below", arguments={}))["isError"] is False
    assert own.modern("tools/call", own.token(scope="mcp:tools files:write"), name="delete_all").status_code == 403


def test_what_is_added_while_running_is_guarded_at_once(own: Running) -> None:
    token = own.token()
    assert result(own.modern("tools/call", token, name="free"))["isError"] is False
    assert result(own.modern("tools/call", token, name="grow"))["isError"] is False
    assert own.modern("tools/call", token, name="late").status_code == 403


def test_a_batch_is_no_way_round(own: Running) -> None:
    """MCP 2025-03-26 had them, no version since; nothing of one is done."""
    token = own.token()
    calls = [{"jsonrpc": "2.0", "id": n, "method": "tools/call", "params": {"name": "free"}} for n in range(2)]
    answer = own.post(calls, token, **{"Mcp-Session-Id": own.session(token)})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, -32600)
    assert "one JSON-RPC message at a time" in answer.json()["error"]["message"]


def names(server: Running, token: str) -> set[str]:
    return {tool["name"] for tool in result(server.modern("tools/list", token))["tools"]}


def test_lists_show_everything_or_what_is_allowed(own: Running, issuer: StandIn, target: str) -> None:
    everything = names(own, own.token())
    assert {"free", "above", "below", "child_play", "delete_all"} <= everything
    with serving(issuer, target, RESOURCE_TOOL_SCOPES=PATTERNS, RESOURCE_LISTS="allowed") as server:
        shown = names(server, server.token())
        assert {"free", "grow"} <= shown
        assert not shown & {"above", "below", "child_play", "delete_all", "native"}
        allowed = names(server, server.token(scope="mcp:tools files:write native:use child:use"))
        assert {"free", "above", "native", "child_play"} <= allowed
        listed = result(server.modern("resources/list", server.token()))
        assert listed["resources"] == []
        assert listed["cacheScope"] == "private"
        assert result(server.modern("resources/templates/list", server.token()))["resourceTemplates"] == []
        assert result(server.modern("prompts/list", server.token()))["prompts"] == []


def test_told_by_a_result_for_clients_that_cannot_step_up(issuer: StandIn, target: str) -> None:
    with serving(issuer, target, RESOURCE_SCOPE_CHALLENGE="result") as server:
        token = server.token()
        for answer in (
            server.modern("tools/call", token, name="above"),
            server.legacy("tools/call", token, server.session(token), name="above"),
        ):
            told = result(answer)
            assert told["isError"] is True
            assert "mcp:tools files:write" in told["content"][0]["text"]
        read = server.modern("resources/read", token, uri="data://fixed")
        assert "files:read" in read.json()["error"]["message"]
        of_it = {"ref": {"type": "ref/resource", "uri": "data://fixed"}, "argument": {"name": "name", "value": "x"}}
        for answer in (
            server.modern("completion/complete", token, **of_it),
            server.legacy("completion/complete", token, server.session(token), **of_it),
        ):
            assert "mcp:tools files:read" in answer.text
        free = server.token(scope="mcp:tools files:read")
        assert result(server.modern("completion/complete", free, **of_it))["completion"]["values"] == ["xyz"]
        assert result(server.modern("tools/call", server.token(scope="mcp:tools files:write"), name="above"))


def test_notes_are_the_subjects_own(server: Running) -> None:
    def note(sub: str, text: str | None = None) -> Any:
        token = server.token(sub=sub, scope="mcp:tools notes:read notes:write")
        name, arguments = ("remember", {"text": text}) if text else ("recall", {})
        return result(server.modern("tools/call", token, name=name, arguments=arguments))["structuredContent"]["result"]

    note("dora", "a")
    note("emil", "b")
    note("dora", "c")
    assert (note("dora"), note("emil"), note("fritz")) == (["a", "c"], ["b"], [])
    read_only = server.token(sub="dora", scope="mcp:tools notes:read")
    refused = server.modern("tools/call", read_only, name="remember", arguments={"text": "x"})
    assert challenge(refused)["scope"] == "mcp:tools notes:write"


class TestRules:
    """The pure parts."""

    def test_patterns(self) -> None:
        assert matches("del*", Operation("tool", "delete"))
        assert matches("tool:del*", Operation("tool", "delete"))
        assert matches("resource:file://*", Operation("resource", "file://a/b"))
        assert not matches("del*", Operation("prompt", "delete"))
        assert not matches("DEL*", Operation("tool", "delete"))
        assert not matches("prompt:*", Operation("tool", "prompt:x"))

    @pytest.mark.parametrize("uri", [
        "note://secret/1", "note://%73ecret/1", "note://%2573ecret/1", "NOTE://Secret/1", "note://SECRET/1?x", "note://secret/1#x",
        "note://secret%2F1", "note:%2F%2Fsecret/1", "note://x/../secret/1", "note://x/%2e%2e/secret/1", "note://./x",
        "note:////secret/1", "note://x\\secret", " note://secret/1", "note://secret/1\n", "note://%ff/1", "note://%252525252573ecret/1",
        "note://" + "x" * 3000,
    ])  # fmt: skip
    def test_a_pattern_means_a_uri_however_it_is_spelt(self, uri: str) -> None:
        assert matches("resource:note://secret/*", Operation("resource", uri))
        assert Policy({"resource:note://secret/*": ["s"]}).by_name(Operation("resource", uri)) == {"s"}

    @pytest.mark.parametrize("uri", ["conf://x", "conf://x/", "conf://x?y", "conf://x#y", "CONF://x", "conf://%78"])
    def test_an_exact_pattern_too(self, uri: str) -> None:
        assert matches("resource:conf://x", Operation("resource", uri))

    @pytest.mark.parametrize("uri", [
        "note://open/1", "note://open/a%20b", "note://open/%C3%A4", "note://open/1?of=http://secret/1", "NOTE://open/1",
        "note://secretary/1", "note://open/secret/1", "note://open/..x", "note://open/{name}",
    ])  # fmt: skip
    def test_and_no_other(self, uri: str) -> None:
        assert not matches("resource:note://secret/*", Operation("resource", uri))
        assert Policy({"resource:note://secret/*": ["s"]}).by_name(Operation("resource", uri)) == frozenset()

    def test_a_pattern_may_be_spelt_as_it_likes(self) -> None:
        for pattern, uri in (("a%20b", "a%20b"), ("Big", "Big"), ("q\\?x=1", "q?x=1"), ("[A-C]", "B")):
            assert matches(f"resource:note://{pattern}".replace("\\?", "[?]"), Operation("resource", f"note://{uri}"))

    def test_hierarchies_may_turn_in_circles(self) -> None:
        policy = Policy(implied={"a": ["b"], "b": ["c", "a"]})
        assert set(policy.widen(["a"])) == {"a", "b", "c"}
        assert policy.widen(["c", "x"]) == ["c", "x"]

    def test_requires_marks_functions_alone(self) -> None:
        @requires("a")
        @requires("b", "c")
        def function() -> None: ...

        assert required_by(function) == {"a", "b", "c"}
        with pytest.raises(TypeError):
            requires()
        with pytest.raises(TypeError):
            requires("a")(object())  # type: ignore[type-var]

    @pytest.mark.parametrize("message", [
        {}, {"method": "tools/call"}, {"method": "tools/call", "params": []},
        {"method": "tools/call", "params": {"name": 1}}, {"method": ["tools/call"], "params": {"name": "x"}},
        {"Method": "tools/call", "params": {"name": "x"}}, {"method": "completion/complete", "params": {"ref": 1}},
        {"method": "completion/complete", "params": {"ref": {"type": [], "name": "x"}}},
    ])  # fmt: skip
    def test_what_is_malformed_asks_for_nothing(self, message: dict[str, Any]) -> None:
        assert operation_of(message) is None

    def test_completions_are_of_what_they_complete(self) -> None:
        ref = {"type": "ref/resource", "uri": "data://of/{name}"}
        body = {"method": "completion/complete", "params": {"ref": ref}}
        assert operation_of(body) == Operation("resource", "data://of/{name}")


async def test_parallel_callers_are_not_mixed_up(server: Running) -> None:
    """Row MCP-11: a hundred calls at once with ten people's tokens."""
    tokens = {f"user-{number}": server.token(sub=f"user-{number}") for number in range(10)}

    def who(sub: str) -> str:
        answer = result(server.modern("tools/call", tokens[sub], name="whoami", arguments={}))
        found: str = answer["structuredContent"]["subject"]
        return found

    asked = [f"user-{number % 10}" for number in range(100)]
    assert await asyncio.gather(*(asyncio.to_thread(who, sub) for sub in asked)) == asked
