"""Rows MCP: what no transport takes, with a good token: refused in one shape, never stored, no failure in the log."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.hostile.forge import Forger
from tests.hostile.rows import row
from tests.hostile.target import Target
from tests.support import servers

MODERN = "2026-07-28"
META = {"io.modelcontextprotocol/protocolVersion": MODERN, "io.modelcontextprotocol/clientCapabilities": {}}
PING = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'
UNKNOWN = "0123456789abcdef0123456789abcdef"


@pytest.fixture(scope="module")
def bearer(attacked: servers.Pair) -> dict[str, str]:
    token = Forger(attacked).token(scope="mcp:tools notes:read notes:write")
    return {"Authorization": f"Bearer {token}", "Accept": "application/json, text/event-stream"}


def refused(resource: Target, method: str, path: str, status: int, **request: Any) -> Any:
    answer = resource.send(method, path, expect=status, **request)
    assert answer.headers["cache-control"] == "no-store"
    assert not [line for line in resource.log_since() if line["level"] in ("warning", "error")]
    if method != "HEAD":
        assert answer.json()["jsonrpc"] == "2.0"
    return answer


@row("MCP-14")
@pytest.mark.parametrize(
    ("path", "allowed"), [("/mcp", "GET, POST, DELETE"), ("/mcp/sse", "GET"), ("/mcp/messages/", "POST")]
)
def test_a_method_that_is_not_for_this_path(resource: Target, bearer: dict[str, str], path: str, allowed: str) -> None:
    for method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} - set(allowed.split(", ")):
        for version in (MODERN, "2025-11-25"):
            headers = {**bearer, "MCP-Protocol-Version": version}
            answer = refused(resource, method, path, 405, headers=headers)
            assert answer.headers["allow"] == allowed


@row("MCP-07")
@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "", None, "application/jsonp"]
)
@pytest.mark.parametrize("path", ["/mcp", f"/mcp/messages/?session_id={UNKNOWN}"])
def test_a_body_that_is_not_said_to_be_json(
    resource: Target, bearer: dict[str, str], path: str, content_type: str | None
) -> None:
    for version in (MODERN, "2025-11-25", None):
        headers = {**bearer, **({"MCP-Protocol-Version": version} if version else {})}
        if content_type is not None:
            headers["Content-Type"] = content_type
        refused(resource, "POST", path, 415, headers=headers, content=PING)


@row("MCP-07")
@pytest.mark.parametrize("content_type", ["application/json", "Application/JSON; charset=utf-8", "application/json;x"])
def test_json_by_any_of_its_names(resource: Target, bearer: dict[str, str], content_type: str) -> None:
    params = {"name": "add_numbers", "arguments": {"a": 2, "b": 3}, "_meta": META}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    headers = {**bearer, "MCP-Protocol-Version": MODERN, "Mcp-Method": "tools/call", "Mcp-Name": "add_numbers"}
    headers["Content-Type"] = content_type
    answer = resource.client.post("/mcp", content=json.dumps(body), headers=headers)
    assert answer.json()["result"]["structuredContent"] == {"result": 5}


@row("MCP-10")
@pytest.mark.parametrize(
    ("query", "status"), [("", 400), ("?session_id=", 400), ("?session_id=zz", 400), (f"?session_id={UNKNOWN}", 404)]
)
def test_messages_for_no_session(resource: Target, bearer: dict[str, str], query: str, status: int) -> None:
    headers = {**bearer, "Content-Type": "application/json"}
    refused(resource, "POST", f"/mcp/messages/{query}", status, headers=headers, content=PING)
    assert UNKNOWN not in resource.text_since(), "who knows a session's id may write to it"


@row("MCP-10")
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_no_session_by_that_name(resource: Target, bearer: dict[str, str], method: str) -> None:
    headers = {**bearer, "Content-Type": "application/json", "Mcp-Session-Id": UNKNOWN}
    refused(resource, method, "/mcp", 404, headers=headers, content=PING if method == "POST" else None)
    assert UNKNOWN not in resource.text_since()


@row("MCP-07")
@pytest.mark.parametrize(
    ("a", "b"),
    [(10**400, 1), (-(10**400), 1), (10**308, 10**309), (1e308, 1e308), (10**400, 0.5)],
    ids=["whole", "below zero", "the sum of two", "floats", "whole and float"],
)
def test_numbers_that_are_too_large(resource: Target, bearer: dict[str, str], a: float, b: float) -> None:
    params = {"name": "add_numbers", "arguments": {"a": a, "b": b}, "_meta": META}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    headers = {**bearer, "MCP-Protocol-Version": MODERN, "Mcp-Method": "tools/call", "Mcp-Name": "add_numbers"}
    with resource.holds(events=None):
        result = resource.client.post("/mcp", json=body, headers=headers).json()["result"]
        assert result["isError"]
        assert "too large" in result["content"][0]["text"]
    assert "Traceback" not in resource.text_since()
    assert not [line for line in resource.log_since() if line["level"] == "error" or "traceback" in line]
