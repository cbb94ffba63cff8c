"""Rows MCP: the transport itself, from outside and with a good token."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.hostile.forge import Forger
from tests.hostile.rows import row
from tests.hostile.target import Target
from tests.support import servers

MODERN = "2026-07-28"
META = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": {"name": "t", "version": "1"},
}


@pytest.fixture(scope="module")
def forger(attacked: servers.Pair) -> Forger:
    return Forger(attacked)


@pytest.fixture(scope="module")
def bearer(forger: Forger) -> dict[str, str]:
    token = forger.token(scope="mcp:tools notes:read notes:write")
    return {"Authorization": f"Bearer {token}", "Accept": "application/json, text/event-stream"}


def works(resource: Target, bearer: dict[str, str]) -> None:
    params = {"name": "add_numbers", "arguments": {"a": 2, "b": 3}, "_meta": META}
    headers = {**bearer, "MCP-Protocol-Version": MODERN, "Mcp-Method": "tools/call", "Mcp-Name": "add_numbers"}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    answer = resource.client.post("/mcp", json=body, headers=headers)
    assert answer.json()["result"]["structuredContent"] == {"result": 5}


@row("MCP-01")
@pytest.mark.parametrize("host", [
    "evil.example", "127.0.0.1.evil.test", "localhost:evil", "localhost", "[::1]", "[::ffff:127.0.0.1]", "127.0.0.1.",
    "127.1", "2130706433", "127.0.0.1:0", "127.0.0.1:99999", "a@127.0.0.1", "127.0.0.1/", "*", "issuer",
])  # fmt: skip
def test_a_foreign_host(resource: Target, bearer: dict[str, str], host: str) -> None:
    for path in ("/mcp", "/mcp/sse", "/.well-known/oauth-protected-resource/mcp"):
        resource.send("GET", path, expect=(400, 421), headers={**bearer, "Host": host})
    works(resource, bearer)


@row("MCP-01")
def test_hosts_that_only_bytes_can_write(resource: Target) -> None:
    for lines in (b"", b"Host: \r\n", b"Host: %(ours)s\r\nHost: evil.example\r\n", b"Host: %(ours)s, evil.example\r\n"):
        lines = lines.replace(b"%(ours)s", resource.host.encode())
        resource.raw(b"POST /mcp HTTP/1.1\r\n" + lines + b"Content-Length: 0\r\n\r\n", expect=(400, 421))


@row("MCP-02")
@pytest.mark.parametrize("origin", [
    "https://evil.example", "null", "http://localhost.evil", "http://127.0.0.1.evil.test", "http://localhost:99999999",
    "http://127.0.0.2", "file://", "http://localhost@evil.example", "http://[::2]", "localhost", "http://localhost/x",
])  # fmt: skip
def test_a_foreign_origin(resource: Target, bearer: dict[str, str], origin: str) -> None:
    for method in ("POST", "GET", "DELETE"):
        for headers in ({}, bearer):
            answer = resource.send(method, "/mcp", expect=403, headers={**headers, "Origin": origin})
            assert "access-control-allow-origin" not in answer.headers


@row("MCP-02")
def test_two_origins(resource: Target) -> None:
    lines = f"Host: {resource.host}\r\nOrigin: http://localhost\r\nOrigin: https://evil.example\r\n".encode()
    resource.raw(b"POST /mcp HTTP/1.1\r\n" + lines + b"Content-Length: 0\r\n\r\n", expect=(403,))


DEEP = "[" * 100_000 + "]" * 100_000
CALL = '"jsonrpc":"2.0","method":"tools/call","params":{"name":"hello","arguments":{"name":"x"}}'


def message(before: str, old: str = "", new: str = "") -> str:
    """A call, with something before its members, and `old` in it replaced."""
    return "{" + before + "," + (CALL.replace(old, new) if old else CALL) + "}"


BODIES: dict[str, str | bytes] = {
    "half an object": "{",
    "an empty list": "[]",
    "a batch": "[" + message('"id":1') + "]",
    "nothing": "",
    "null": "null",
    "nested": DEEP,
    "nested in arguments": message('"id":1', '"x"', DEEP),
    "an id that is an object": message('"id":{}'),
    "an endless id": message('"id":1e400'),
    "a fraction for an id": message('"id":1.5'),
    "a list for an id": message('"id":[]'),
    "a method of 10 kB": message('"id":1', "tools/call", "m" * 10_000),
    "NaN": message('"id":1', '"x"', "NaN"),
    "a doubled method": message('"id":1,"method":"ping"'),
    "a doubled name": message('"id":1', '"name":"hello"', '"name":"whoami","name":"hello"'),
    "a method in upper case": message('"id":1', '"method"', '"Method"'),
    "no version": '{"id":1,"method":"ping"}',
    "another version": '{"jsonrpc":"1.0","id":1,"method":"ping"}',
    "a number for a method": '{"jsonrpc":"2.0","id":1,"method":1}',
    "UTF-16": message('"id":1').encode("utf-16"),
    "invalid UTF-8": b'{"jsonrpc":"2.0","id":1,"method":"\xff"}',
    "half a surrogate": message('"id":"\\ud800"'),
    "5 MB": message('"id":1', '"x"', '"' + "x" * 5_000_000 + '"'),
    "5 MB of nonsense": "x" * 5_000_000,
}


NOT_UTF_8 = (BODIES["UTF-16"], BODIES["invalid UTF-8"])


@row("MCP-07")
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_body_that_is_no_message(resource: Target, bearer: dict[str, str], body: str | bytes) -> None:
    data = body.encode() if isinstance(body, str) else body
    for version in (MODERN, "2025-11-25", None):
        headers = {**bearer, "Content-Type": "application/json"}
        if version:
            headers["MCP-Protocol-Version"] = version
        answer = resource.send("POST", "/mcp", expect=(400, 404, 413), headers=headers, content=data)
        assert answer.json()["error"]["code"]
        assert ("not valid UTF-8" in answer.text) == (data in NOT_UTF_8)
    resource.send("POST", "/mcp", expect=401, content=data[:100_000])
    works(resource, bearer)


@row("MCP-14")
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"])
@pytest.mark.parametrize("path", ["/mcp", "/mcp/sse", "/mcp/messages/", "/mcp/messages/x?session_id=1"])
def test_no_method_says_anything_without_a_token(resource: Target, method: str, path: str) -> None:
    for headers in ({}, {"Mcp-Session-Id": "x"}, {"MCP-Protocol-Version": MODERN}, {"Content-Type": "text/plain"}):
        answer = resource.send(method, path, expect=401, headers=headers)
        assert answer.headers["www-authenticate"].startswith("Bearer ")


@row("MCP-15")
@pytest.mark.parametrize("path", [
    "/mcp/", "//mcp", "/MCP", "/mcp%2f", "/mcp%2F", "/%6dcp", "/mcp/..;/", "/mcp;x=1", "/mcp/.", "/mcp//sse", "/mcp%00",
    "/mcp/sse/", "/mcp/messages", "/mcp\\", "/./mcp", "/x/../mcp", "/mcp/health/..", "/mcp%20", "/mcp/health;/../mcp",
])  # fmt: skip
def test_no_other_path_leads_there(resource: Target, bearer: dict[str, str], path: str) -> None:
    for headers in ({}, bearer):
        sent = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"POST {path} HTTP/1.1\r\nHost: {resource.host}\r\n{sent}Content-Length: 2\r\n\r\n{{}}"
        answer = resource.raw(head.encode("latin-1"), expect=(400, 401, 404))
        assert b"jsonrpc" not in answer.body or answer.status == 401


@row("MCP-10")
def test_nothing_of_one_person_is_anothers(resource: Target, forger: Forger) -> None:
    def initialize(sub: str) -> tuple[dict[str, str], str]:
        token = forger.token(sub=sub)
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json, text/event-stream"}
        params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
        body = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}
        return headers, resource.client.post("/mcp", json=body, headers=headers).headers["mcp-session-id"]

    _, session = initialize("anna")
    assert len(session) >= 32
    others, _ = initialize("bert")
    listing = {"jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": {}}
    for method in ("POST", "GET", "DELETE"):
        content = json.dumps(listing) if method == "POST" else None
        headers = {**others, "Mcp-Session-Id": session, "Content-Type": "application/json"}
        resource.send(method, "/mcp", expect=404, headers=headers, content=content)


@pytest.mark.parametrize("method", ["tasks/list", "tasks/get", "tasks/cancel", "tasks/update", "tasks/result"])
def test_there_are_no_tasks_that_others_could_see(resource: Target, bearer: dict[str, str], method: str) -> None:
    """Why row MCP-13 is not tested: the methods are not there, for nobody."""
    body = {"jsonrpc": "2.0", "id": 3, "method": method, "params": {"taskId": "1", "_meta": META}}
    headers = {**bearer, "MCP-Protocol-Version": MODERN, "Mcp-Method": method}
    assert resource.client.post("/mcp", json=body, headers=headers).json()["error"]["code"] == -32601


@row("MCP-11")
def test_a_hundred_parallel_calls_of_ten_people(resource: Target, forger: Forger) -> None:
    from concurrent.futures import ThreadPoolExecutor

    tokens = [(f"person-{n % 10}", forger.token(sub=f"person-{n % 10}")) for n in range(100)]

    def ask(who: tuple[str, str]) -> tuple[str, Any]:
        headers = {"MCP-Protocol-Version": MODERN, "Mcp-Method": "tools/call", "Mcp-Name": "whoami"}
        headers |= {"Authorization": f"Bearer {who[1]}", "Accept": "application/json, text/event-stream"}
        params = {"name": "whoami", "arguments": {}, "_meta": META}
        body = {"jsonrpc": "2.0", "id": who[0], "method": "tools/call", "params": params}
        answer = resource.client.post("/mcp", json=body, headers=headers).json()
        return answer["id"], answer["result"]["structuredContent"]["subject"]

    with resource.holds(events=None, inputs=100), ThreadPoolExecutor(20) as pool:
        assert list(pool.map(ask, tokens)) == [(sub, sub) for sub, _ in tokens]


VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)


@row("MCP-07")
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(["jsonrpc", "id", "method", "params", "name", "arguments", "_meta", "a"]), value=VALUES)
def test_whatever_stands_in_a_message(resource: Target, bearer: dict[str, str], name: str, value: Any) -> None:
    params: dict[str, Any] = {"name": "add_numbers", "arguments": {"a": 2, "b": 3}, "_meta": META}
    body: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    where = params["arguments"] if name == "a" else params if name in params else body
    where[name] = value
    headers = {**bearer, "MCP-Protocol-Version": MODERN, "Mcp-Method": "tools/call", "Mcp-Name": "add_numbers"}
    headers["Content-Type"] = "application/json"
    answer = resource.client.post("/mcp", content=json.dumps(body).encode(), headers=headers)
    assert answer.status_code < 500
    assert answer.status_code in (200, 202, 400, 404), answer.text
