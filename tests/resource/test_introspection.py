"""Introspection (RFC 7662) for chosen operations: a revoked token is refused at once there, and nowhere else asked."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from fastmcp.server.auth import AccessToken
from fastmcp.server.providers.addressing import hashed_backend_name
from tests.resource import stand_in
from tests.resource.running import Running, challenge, result, serving

from resource_server.fetch import Fetcher, FetchFailed
from resource_server.introspection import Introspection
from resource_server.issuer import Issuer
from resource_server.metrics import Metrics

SETTINGS = {
    "RESOURCE_INTROSPECT": "add_*",
    "RESOURCE_CLIENT_ID": "the resource",
    "RESOURCE_CLIENT_SECRET": "a:secret/with signs",
}


class Asked:
    """What the introspection endpoint was asked, and what it answers."""

    def __init__(self) -> None:
        self.forms: list[dict[str, list[str]]] = []
        self.authorization: list[str] = []
        self.answer: Any = {"active": True, "sub": "alice"}
        self.status = 200


@pytest.fixture
def asked() -> Asked:
    return Asked()


@contextmanager
def introspecting(asked: Asked, target: str | None = None, **settings: str) -> Iterator[Running]:
    with stand_in.stand_in() as issuer:

        def do_post(handler: BaseHTTPRequestHandler) -> None:
            body = handler.rfile.read(int(handler.headers["Content-Length"]))
            asked.forms.append(parse_qs(body.decode()))
            asked.authorization.append(handler.headers["Authorization"])
            issuer.serve("/introspect", asked.answer, asked.status)
            handler.path = "/introspect"
            handler.do_GET()  # type: ignore[attr-defined]

        issuer._handler.do_POST = do_post  # type: ignore[attr-defined]
        metadata = {"issuer": issuer.origin, "jwks_uri": f"{issuer.origin}/jwks"}
        metadata["introspection_endpoint"] = f"{issuer.origin}/introspect"
        issuer.serve("/.well-known/oauth-authorization-server", metadata)
        with serving(issuer, target, **{**SETTINGS, **settings}) as started:
            yield started


@pytest.fixture
def server(asked: Asked) -> Iterator[Running]:
    with introspecting(asked) as started:
        yield started


def add(server: Running, token: str) -> Any:
    return server.modern("tools/call", token, name="add_numbers", arguments={"a": 1, "b": 2})


def test_asked_for_what_was_chosen_and_nothing_else(server: Running, asked: Asked) -> None:
    token = server.token()
    assert result(server.modern("tools/call", token, name="hello", arguments={"name": "x"}))
    assert asked.forms == []
    for _ in range(2):
        assert result(add(server, token))["structuredContent"] == {"result": 3}
    assert asked.forms == [{"token": [token], "token_type_hint": ["access_token"]}] * 2
    basic = base64.b64decode(asked.authorization[0].removeprefix("Basic ")).decode()
    assert basic == "the%20resource:a%3Asecret%2Fwith%20signs"


@pytest.mark.parametrize("answer", [{"active": False}, {"active": True, "sub": "mallory"}])
def test_a_revoked_token_is_refused_at_once(server: Running, asked: Asked, answer: dict[str, Any]) -> None:
    token = server.token()
    assert add(server, token).status_code == 200
    asked.answer = answer
    refused = add(server, token)
    assert refused.status_code == 401
    assert challenge(refused)["error"] == "invalid_token"
    session = server.session(token)
    legacy = server.legacy("tools/call", token, session, name="add_numbers", arguments={"a": 1, "b": 2})
    assert legacy.status_code == 401
    assert server.modern("tools/list", token).status_code == 200


@pytest.mark.parametrize(("status", "answer"), [
    (500, {}), (401, {"error": "invalid_client"}), (200, b"<html>"), (200, {}), (200, []), (200, {"active": "true"}),
])  # fmt: skip
def test_no_verdict_is_503(server: Running, asked: Asked, status: int, answer: Any) -> None:
    asked.status, asked.answer = status, answer
    refused = add(server, server.token())
    assert refused.status_code == 503
    assert refused.headers["retry-after"]


APP = """
from fastmcp import FastMCP, FastMCPApp
from fastmcp.server.transforms.search import BM25SearchTransform
from fastmcp.tools import Tool

mcp, child, app = FastMCP("x"), FastMCP("child"), FastMCPApp("Dash")

@app.tool()
def wipe() -> str:
    return "wiped"

def drop() -> str:
    return "dropped"

base = Tool.from_function(drop)
mcp.add_provider(app)
mcp.add_tool(base)
mcp.add_tool(Tool.from_tool(base, name="another"))
child.tool(lambda: "deep", name="deep")
child.add_transform(BM25SearchTransform())
mcp.mount(child, namespace="c")
"""


def test_asked_by_whatever_name(asked: Asked, tmp_path: Any) -> None:
    path = tmp_path / "app_to_ask_about.py"
    path.write_text(APP)
    hashed = hashed_backend_name("Dash", "wipe")
    with introspecting(asked, str(path), RESOURCE_INTROSPECT="wipe drop c_deep") as server:
        token = server.token()

        def call(name: str, /, **arguments: str) -> httpx.Response:
            return server.modern("tools/call", token, name=name, arguments=arguments)

        for number, name in enumerate(("wipe", hashed, "drop", "another", "c_deep"), 1):
            assert result(call(name))["isError"] is False
            assert len(asked.forms) == number, name
        assert "deep" in call("c_call_tool", name="deep").text
        assert len(asked.forms) == 6, "what a tool runs is asked about when it does"
        asked.answer = {"active": False}
        for name in ("wipe", hashed, "another"):
            assert call(name).status_code == 401
        told = result(call("c_call_tool", name="deep"))
        assert told["isError"] is True
        assert "revoked" in told["content"][0]["text"]


async def test_an_issuer_with_tls_is_asked_with_tls(asked: Asked) -> None:
    """The request has the token and our secret: metadata that says `http` must not get them."""
    with introspecting(asked) as server:
        fetcher = Fetcher()
        issuer = Issuer("https://issuer.example", None, no_scopes, fetcher)
        issuer._metadata = {"introspection_endpoint": f"{server.issuer.origin}/introspect"}
        asking = Introspection(issuer, fetcher, ("*",), None, ("a", "b"), Metrics())
        with pytest.raises(FetchFailed, match="introspection_endpoint"):
            await asking.check(AccessToken(token="x", client_id="c", scopes=[]))
        await fetcher.close()
    assert asked.forms == []


async def no_scopes() -> frozenset[str]:
    return frozenset()
