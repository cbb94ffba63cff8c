"""Who takes all the room there is shuts nobody out: not those who watch, not those who begin, not other callers."""

from __future__ import annotations

import asyncio
import time
from contextlib import ExitStack

import httpx
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send
from tests.resource.running import Running, listening, result
from tests.support.servers import free_port

from resource_server.bearer import MOST_STREAMS
from resource_server.guard import Guard


async def slow_app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http" and scope["path"] == "/stream":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"x", "more_body": True})
        while (await receive())["type"] != "http.disconnect":
            await asyncio.sleep(0)
    elif scope["type"] == "http":
        await PlainTextResponse("here")(scope, receive, send)


def test_probes_and_metadata_have_a_room_of_their_own() -> None:
    port = free_port()
    origin = f"http://127.0.0.1:{port}"
    app = Guard(
        slow_app,
        allowed_hosts=["*"],
        settings=("", ""),
        open_paths=["/healthz"],
        quick_paths=["/metadata"],
        concurrency=2,
    )
    with listening(app, port), ExitStack() as stack:
        for _ in range(2):
            assert httpx.get(f"{origin}/else").status_code == 200
            assert stack.enter_context(httpx.stream("GET", f"{origin}/stream")).status_code == 200
        refused = httpx.get(f"{origin}/else")
        assert refused.status_code == 503
        assert refused.headers["retry-after"]
        for path in ("/healthz", "/metadata"):
            assert httpx.get(origin + path).status_code == 200


def test_streams_of_one_caller_have_an_end(server: Running) -> None:
    mine = {"Authorization": f"Bearer {server.token(sub='mallory')}"}
    limits = httpx.Limits(max_connections=2 * MOST_STREAMS)
    with httpx.Client(limits=limits, timeout=20) as client, ExitStack() as stack:

        def listen(sub: str | None = None) -> httpx.Response:
            headers = {"Authorization": f"Bearer {server.token(sub=sub)}"} if sub else mine
            return stack.enter_context(client.stream("GET", f"{server.mcp}/sse", headers=headers))

        for _ in range(MOST_STREAMS):
            assert listen().status_code == 200
        refused = listen("mallory")  # by another token of the same person
        assert refused.status_code == 429
        assert refused.headers["retry-after"]
        error = httpx.get(f"{server.mcp}/sse", headers=mine).json()
        assert error["jsonrpc"] == "2.0"
        assert error["error"]["code"] == 429
        assert listen("bob").status_code == 200
        assert result(server.modern("tools/list", server.token(sub="mallory")))
        stack.pop_all().close()
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:  # the server notices that they are gone
            with client.stream("GET", f"{server.mcp}/sse", headers=mine) as again:
                if again.status_code == 200:
                    return
            time.sleep(0.05)
        raise AssertionError("what has ended is counted still")
