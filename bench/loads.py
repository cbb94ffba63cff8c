"""The requests of each kind of work, made for a server that runs, after one of each was seen to be answered rightly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import httpx

from bench import dialects
from bench.dialects import FORM, Dialect, as_json, expect
from bench.load import Load
from bench.servers import Running

STATEFUL = 8  # connections of the scripts that go on with what an answer held


def _turns(requests: Sequence[dict[str, Any]], **more: Any) -> Load:
    return Load("turns.lua", {"requests": list(requests)}, **more)


def _request(method: str, path: str, headers: dict[str, str] | None = None, body: str = "") -> dict[str, Any]:
    return {"method": method, "path": path, "headers": headers or {}, "body": body}


def machine_token(server: Running, dialect: Dialect) -> Load:
    """`client_credentials` with HTTP Basic."""
    with httpx.Client(base_url=server.origin) as web:
        dialects.machine_token(web, dialect)
    headers = {**FORM, **dialects.basic(dialect)}
    return _turns([_request("POST", dialect.token, headers, dialects.machine_form())])


def refresh(server: Running, dialect: Dialect) -> Load:
    person = dialects.person(server, dialect)
    found = [dialects.tokens(server, dialect, person)["refresh_token"] for _ in range(STATEFUL)]
    body = f"grant_type=refresh_token&client_id={person.client_id}&refresh_token="
    plan = {"path": dialect.token, "headers": FORM, "body": body, "tokens": found}
    return Load("refresh.lua", plan, connections=STATEFUL, threads=True)


def code_flow(server: Running, dialect: Dialect) -> Load:
    person = dialects.person(server, dialect)
    dialects.tokens(server, dialect, person)
    plan = {
        "authorize_path": dialects.authorize_url(dialect, person.client_id),
        "authorize_headers": {"Cookie": person.cookies} if person.cookies else {},
        "token_path": dialect.token,
        "token_headers": FORM,
        "token_body": dialects.code_form(person.client_id),
    }
    return Load("flow.lua", plan, steps=2, connections=STATEFUL, threads=True)


def register(server: Running, dialect: Dialect) -> Load:
    headers = {"Content-Type": "application/json"}
    body = as_json(dialects.REGISTRATION)
    expect(httpx.post(server.origin + dialect.register, content=body, headers=headers), 201)
    return _turns([_request("POST", dialect.register, headers, body)])


def page(server: Running, dialect: Dialect) -> Load:
    """`GET /authorize` by a browser that nobody has signed in with, and on to the page that asks who is there."""
    with httpx.Client(base_url=server.origin) as web:
        path = dialects.authorize_url(dialect, dialect.client(server, web))
        headers = {"Sec-Fetch-Site": "cross-site"}
        answer = web.get(path, headers=headers, follow_redirects=True)
        if "<form" not in expect(answer, 200).text:
            raise dialects.Refused(f"{server.candidate.title} shows no form")
    steps = 1 + len(answer.history)
    plan = {"path": path, "headers": headers, "cookie": "_interaction="}  # oidc-provider's name
    return Load("page.lua", plan, steps=steps, connections=STATEFUL, threads=True)


def fixed(server: Running, path: str) -> Load:
    """A document that is read again and again."""
    expect(httpx.get(server.origin + path), 200)
    return _turns([_request("GET", path)])


# -- tool calls ----------------------------------------------------------------------------

_META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1"},
}
_ACCEPT = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}


def _call(meta: dict[str, Any] | None) -> str:
    params = {"name": "add_numbers", "arguments": {"a": 2, "b": 3}, **({"_meta": meta} if meta else {})}
    return as_json({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})


def _tool(server: Running, headers: dict[str, str], body: str, tokens: Sequence[str]) -> Load:
    requests = [_request("POST", "/mcp", {**headers, "Authorization": f"Bearer {t}"}, body) for t in tokens]
    answer = expect(httpx.post(server.origin + "/mcp", content=body, headers=requests[0]["headers"], timeout=30), 200)
    if '"result":5' not in answer.text.replace(" ", "").replace("\\", "") or '"isError":true' in answer.text:
        raise dialects.Refused(f"{server.candidate.title} does not add: {answer.text[:500]}")
    server.notes["answer"] = answer.headers["content-type"].partition(";")[0]
    return _turns(requests)


def tool_call(server: Running, tokens: Sequence[str]) -> Load:
    """MCP 2026-07-28: every request stands alone."""
    headers = {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": "add_numbers"}
    return _tool(server, {**_ACCEPT, **headers}, _call(_META), tokens)


def session_call(server: Running, tokens: Sequence[str]) -> Load:
    """MCP 2025-11-25: within one session."""
    about = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}}
    hello = as_json({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": about})
    headers = {**_ACCEPT, "Authorization": f"Bearer {tokens[0]}"}
    answer = expect(httpx.post(server.origin + "/mcp", content=hello, headers=headers), 200)
    session = {"Mcp-Session-Id": answer.headers["mcp-session-id"], "MCP-Protocol-Version": "2025-11-25"}
    ready = as_json({"jsonrpc": "2.0", "method": "notifications/initialized"})
    expect(httpx.post(server.origin + "/mcp", content=ready, headers={**headers, **session}), 202)
    return _tool(server, {**_ACCEPT, **session}, _call(None), tokens)
