"""Which requests are answered at once, and what becomes of one that takes long (MCP 2026-07-28, Streamable HTTP)."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.resource.running import ACCEPT, META, MODERN, Running, result, serving
from tests.resource.stand_in import StandIn

from resource_server import at_once

SLOW = '''
import asyncio
from pathlib import Path
from fastmcp import Context, FastMCP
mcp = FastMCP("slow")

@mcp.tool
async def wait(seconds: float) -> str:
    """Wait."""
    Path(__file__).with_name("started").touch()
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        Path(__file__).with_name("cancelled").touch()
        raise
    return "done"

@mcp.tool
async def steps(ctx: Context) -> str:
    """Tell of progress and log."""
    await ctx.report_progress(1, 2)
    await ctx.info("halfway")
    return "done"
'''


@pytest.fixture
def slow(issuer: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    monkeypatch.setattr(at_once, "SOON", 0.05)
    monkeypatch.setattr(at_once, "PING_EVERY", 0.3)
    (tmp_path / "server.py").write_text(SLOW)
    with serving(issuer, str(tmp_path / "server.py")) as server:
        yield server


def call(name: str, meta: dict[str, Any] | None = None, **arguments: Any) -> dict[str, Any]:
    params = {"name": name, "arguments": arguments, "_meta": {**META, **(meta or {})}}
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}


def headers(server: Running, name: str) -> dict[str, str]:
    routing = {"MCP-Protocol-Version": MODERN, "Mcp-Method": "tools/call", "Mcp-Name": name}
    return {**ACCEPT, **routing, "Authorization": f"Bearer {server.token()}"}


def post(server: Running, message: dict[str, Any]) -> httpx.Response:
    sent = headers(server, message["params"]["name"])
    return httpx.post(server.mcp, content=json.dumps(message).encode(), headers=sent, timeout=30)


def test_a_quick_call_is_plain_json(slow: Running) -> None:
    answer = post(slow, call("wait", seconds=0))
    assert answer.headers["content-type"] == "application/json"
    assert result(answer)["structuredContent"] == {"result": "done"}


def test_a_slow_call_shows_signs_of_life_and_ends_as_an_event(slow: Running) -> None:
    answer = post(slow, call("wait", seconds=2))
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.text.startswith(": ping")
    assert answer.text.count("event: message") == 1
    assert result(answer)["structuredContent"] == {"result": "done"}


@pytest.mark.parametrize("era", ["sessions", "stateless"])
def test_a_call_that_was_let_in_ends_well_though_its_token_does_not_live_so_long(slow: Running, era: str) -> None:
    """Within the leeway, in which the token would still be taken; else its effect would be had and its result lost."""
    session = slow.session(slow.token())
    token = slow.token(exp=int(time.time()) + 1)
    asked: dict[str, Any] = {"name": "wait", "arguments": {"seconds": 2.5}}
    if era == "sessions":
        answer = slow.legacy("tools/call", token, session, **asked)
    else:
        answer = slow.modern("tools/call", token, **asked)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert "done" in str(result(answer))


def test_who_goes_away_stops_the_call(slow: Running, tmp_path: Path) -> None:
    body = json.dumps(call("wait", seconds=600)).encode()
    host, port = slow.origin.removeprefix("http://").split(":")
    sent = {**headers(slow, "wait"), "Host": f"{host}:{port}", "Content-Length": str(len(body))}
    head = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(f"POST /mcp HTTP/1.1\r\n{head}\r\n".encode() + body)
        appears(tmp_path / "started")
    appears(tmp_path / "cancelled")


def appears(path: Path) -> None:
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline, f"the tool has not {path.name}"
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("meta", "seen"),
    [
        ({"progressToken": "p"}, "notifications/progress"),
        ({"io.modelcontextprotocol/logLevel": "info"}, "notifications/message"),
    ],
)
def test_who_asks_for_messages_on_the_way_gets_them(slow: Running, meta: dict[str, Any], seen: str) -> None:
    answer = post(slow, call("steps", meta))
    events = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: {")]
    assert seen in [event.get("method") for event in events]
    assert events[-1]["result"]["structuredContent"] == {"result": "done"}


def test_who_asks_for_none_gets_none(slow: Running) -> None:
    answer = post(slow, call("steps"))
    assert answer.headers["content-type"] == "application/json"
    assert "notifications" not in answer.text


def test_a_token_that_ends_ends_a_slow_call(slow: Running) -> None:
    """Once an answer has begun as a stream, it ends with the token: no result comes after."""
    sent = {**headers(slow, "wait"), "Authorization": f"Bearer {slow.token(exp=int(time.time()) + 2)}"}
    answer = httpx.post(slow.mcp, content=json.dumps(call("wait", seconds=60)).encode(), headers=sent, timeout=50)
    assert answer.text.startswith(": ping")
    assert "event: message" not in answer.text


@pytest.mark.parametrize(
    "message",
    [None, 1, [], "x", {}, {"params": None}, {"params": {"_meta": None}}, {"params": {"_meta": []}}, [{"params": {}}]],
)
def test_whatever_the_body_is_it_can_be_marked(message: Any) -> None:
    scope: dict[str, Any] = {"headers": [(b"mcp-protocol-version", MODERN.encode())]}
    at_once.mark(scope, message)
    chosen: list[str] = []

    async def quick(*_: Any) -> None:
        chosen.append("at once")

    async def streaming(*_: Any) -> None:
        chosen.append("streaming")

    asyncio.run(at_once.AtOnce(quick, streaming)(scope, _never, _never))
    assert chosen == ["streaming"]


async def _never(*_: Any) -> Any:
    raise AssertionError("nobody receives or sends")
