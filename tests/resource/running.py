"""The resource on a real socket inside the test process, and raw MCP messages of every era to it."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp
from tests.resource.stand_in import StandIn
from tests.support.servers import free_port

from resource_server.app import create_app
from resource_server.connection import Protocol
from resource_server.settings import load

MODERN = "2026-07-28"
META = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
}
ACCEPT = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}


@dataclass(frozen=True)
class Running:
    """A resource that listens. origin: its BASE_URL too."""

    origin: str
    issuer: StandIn
    app: FastAPI

    @property
    def mcp(self) -> str:
        return f"{self.origin}/mcp"

    def token(self, **changes: Any) -> str:
        self.issuer.audience = self.mcp
        return self.issuer.token(**changes)

    def post(self, body: Any, token: str | None = None, **headers: str) -> httpx.Response:
        """One POST to /mcp; body: a JSON value, or bytes as they are."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        bearer = {"Authorization": f"Bearer {token}"} if token is not None else {}
        return httpx.post(self.mcp, content=data, headers={**ACCEPT, **bearer, **headers}, timeout=20)

    def modern(self, method: str, token: str | None, **params: Any) -> httpx.Response:
        """A request of the stateless era."""
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": META}}
        headers = {"MCP-Protocol-Version": MODERN, "Mcp-Method": method}
        name = params.get("name", params.get("uri"))
        return self.post(body, token, **headers, **({"Mcp-Name": name} if name else {}))

    def session(self, token: str) -> str:
        """Open a session of the older era; its id."""
        params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
        answer = self.post({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}, token)
        assert answer.status_code == 200, answer.text
        session = answer.headers["mcp-session-id"]
        self.post({"jsonrpc": "2.0", "method": "notifications/initialized"}, token, **{"Mcp-Session-Id": session})
        return session

    def legacy(self, method: str, token: str, session: str, **params: Any) -> httpx.Response:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        return self.post(body, token, **{"Mcp-Session-Id": session, "MCP-Protocol-Version": "2025-11-25"})


def result(answer: httpx.Response) -> dict[str, Any]:
    """The JSON-RPC result of an answer, as JSON or as the one event of a stream."""
    assert answer.status_code == 200, (answer.status_code, answer.text)
    text = answer.text
    if answer.headers["content-type"].startswith("text/event-stream"):
        text = next(line[6:] for line in text.splitlines() if line.startswith("data: {"))
    found: dict[str, Any] = json.loads(text)
    assert "result" in found, found
    value: dict[str, Any] = found["result"]
    return value


def challenge(answer: httpx.Response) -> dict[str, str]:
    """The parameters of the one Bearer challenge (RFC 9110 §11.6.1)."""
    scheme, _, rest = answer.headers["www-authenticate"].partition(" ")
    assert scheme == "Bearer"
    pairs = [part.partition("=") for part in rest.split(", ")]
    assert all(value[:1] == value[-1:] == '"' for _, _, value in pairs), rest
    return {name: value[1:-1] for name, _, value in pairs}


@contextlib.contextmanager
def serving(issuer: StandIn, target: str | None = None, **settings: Any) -> Iterator[Running]:
    """The resource with these settings, for tokens of `issuer`."""
    port = free_port()
    origin = f"http://127.0.0.1:{port}"
    app = create_app(load({}, **{"ISSUER": issuer.name, "BASE_URL": origin, **settings}), target)
    with listening(app, port):
        yield Running(origin, issuer, app)


@contextlib.contextmanager
def listening(app: ASGIApp, port: int) -> Iterator[None]:
    config = uvicorn.Config(
        app, port=port, http=Protocol, log_config=None, access_log=False, timeout_graceful_shutdown=2
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        deadline = time.monotonic() + 30
        while not server.started:
            assert thread.is_alive(), "the server ended at once"
            assert time.monotonic() < deadline, "the server does not start"
            time.sleep(0.01)
        yield
    finally:
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive(), "the server does not end"
