"""One's own server behind the gate: a file, an upstream by URL and by command, and `guard` in one's own application."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import jwt
import psutil
import pytest
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastmcp import Client, FastMCP
from fastmcp.server import create_proxy
from fastmcp.server.dependencies import get_http_headers
from loguru import logger
from tests.requirements import requirement
from tests.resource.running import Running, listening, result, serving
from tests.resource.stand_in import StandIn
from tests.support.servers import free_port

from resource_server.load import load_server
from resource_server.protect import Protection, guard
from resource_server.settings import SettingsError, load
from resource_server.upstream_web import SUBJECT_HEADER

OWN = """
import os
from fastmcp import FastMCP
from fastmcp.server.dependencies import get_http_headers

mcp = FastMCP("own", instructions="Be kind.")
calls = 0

@mcp.tool
def count() -> list[int]:
    global calls
    calls += 1
    return [os.getpid(), calls]

@mcp.tool
def environment() -> list[str]:
    return sorted(os.environ)

@mcp.tool
def headers() -> dict[str, str]:
    return get_http_headers(include_all=True)

@mcp.tool
def die() -> None:
    os._exit(1)

@mcp.resource("data://one")
def one() -> str:
    return "1"

@mcp.prompt
def ask(what: str) -> str:
    return f"What is {what}?"

if __name__ == "__main__":
    import sys
    print("a line on stderr", file=sys.stderr, flush=True)
    mcp.run(show_banner=False)
"""


@pytest.fixture(scope="module")
def own_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("own") / "own.py"
    path.write_text(OWN)
    return path


def call(server: Running, name: str, *, sub: str = "alice", scope: str = "mcp:tools", **arguments: Any) -> Any:
    answer = server.modern("tools/call", server.token(sub=sub, scope=scope), name=name, arguments=arguments)
    found = result(answer)
    assert not found.get("isError"), found
    structured = found["structuredContent"]
    return structured.get("result", structured)


async def everything(server: Running) -> None:
    """A stock client finds the server's tools, resources and prompts, in both eras."""
    for mode in ("auto", "legacy"):
        async with Client(server.mcp, auth=server.token(), mode=mode) as client:
            assert {"count", "headers"} <= {tool.name for tool in await client.list_tools()}
            assert (await client.read_resource("data://one"))[0].text == "1"
            asked = await client.get_prompt("ask", {"what": "this"})
            assert "What is this?" in str(asked.messages[0].content)


async def test_a_file(issuer: StandIn, own_file: Path) -> None:
    with serving(issuer, f"{own_file}:mcp") as server:
        await everything(server)
        assert httpx.get(f"{server.mcp}/health").json()["server"] == "own"
        assert server.modern("tools/list", None).status_code == 401
    with serving(issuer, str(own_file), RESOURCE_TRANSPORT="http") as server:
        assert httpx.get(f"{server.mcp}/sse").status_code == 404


@requirement("mcp-token-handling/passthrough")
async def test_an_upstream_by_url_learns_nothing_of_the_caller(issuer: StandIn, own_file: Path) -> None:
    port = free_port()
    with (
        listening(load_server(str(own_file)).http_app(), port),
        serving(issuer, RESOURCE_UPSTREAM=f"http://127.0.0.1:{port}/mcp") as server,
    ):
        await everything(server)
        token = server.token()
        extra = {"Cookie": "session=1", "X-Forwarded-User": "root", "X-User": "root", "X-Request-Id": "one-id"}
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "headers", "arguments": {}}}
        session = server.session(token)
        seen = result(server.post(body, token, **{"Mcp-Session-Id": session}, **extra))["structuredContent"]
        assert token not in str(seen)
        assert not {"authorization", "cookie", "x-forwarded-user", "x-user", SUBJECT_HEADER.lower()} & seen.keys()
        assert seen["x-request-id"] == "one-id"


async def test_an_upstream_that_shares_a_secret_learns_the_subject(issuer: StandIn, own_file: Path) -> None:
    port, secret = free_port(), "a secret of forty characters, or so, yes"
    url = f"http://127.0.0.1:{port}/mcp"
    settings = {"RESOURCE_UPSTREAM": url, "RESOURCE_UPSTREAM_SECRET": secret}
    with listening(load_server(str(own_file)).http_app(), port), serving(issuer, **settings) as server:
        for sub in ("alice", "bob"):
            told = call(server, "headers", sub=sub)[SUBJECT_HEADER.lower()]
            claims = jwt.decode(told, secret, ["HS256"], audience=url, issuer=server.origin)
            assert (claims["sub"], claims["client_id"]) == (sub, "client-1")
            assert claims["exp"] - claims["iat"] == 60


async def test_an_upstream_that_is_away_is_an_error_and_no_accident(issuer: StandIn) -> None:
    with serving(issuer, RESOURCE_UPSTREAM=f"http://127.0.0.1:{free_port()}/mcp") as server:
        for answer in (
            server.modern("tools/list", server.token()),
            server.modern("tools/call", server.token(), name="count"),
        ):
            assert answer.status_code == 200
            assert "error" in answer.json() or answer.json()["result"]["isError"]
        assert httpx.get(f"{server.origin}/readyz").status_code == 200


class TestProcesses:
    """An upstream by command: a process for each subject."""

    async def test_each_caller_has_a_process(
        self, issuer: StandIn, own_file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        logged: list[str] = []
        sink = logger.add(lambda message: logged.append(message.record["message"]))
        monkeypatch.setenv("RESOURCE_CLIENT_SECRET_X", "hidden")
        monkeypatch.setenv("MY_API_KEY", "passed on")
        command = f"{sys.executable} {own_file}"
        children = psutil.Process().children
        before = set(children())
        with serving(issuer, RESOURCE_UPSTREAM=command, RESOURCE_UPSTREAM_ENV="MY_API_KEY") as server:
            await everything(server)
            alice, bob = call(server, "count", sub="alice"), call(server, "count", sub="bob")
            assert alice[0] != bob[0]
            assert call(server, "count", sub="alice") == [alice[0], alice[1] + 1]
            seen = call(server, "environment")
            assert "MY_API_KEY" in seen
            assert "RESOURCE_CLIENT_SECRET_X" not in seen
            assert not [name for name in seen if name.startswith(("ISSUER", "RESOURCE"))]
            with pytest.raises(AssertionError):
                call(server, "die", sub="bob")
            assert call(server, "count", sub="bob")[0] != bob[0], "a process that died is started again"
            assert call(server, "count", sub="alice")[0] == alice[0]
        assert not [child for child in set(children()) - before if child.is_running()], "processes outlive the server"
        logger.remove(sink)
        assert "a line on stderr" in logged

    async def test_so_many_at_most_and_idle_ones_end(self, issuer: StandIn, own_file: Path) -> None:
        command = f"{sys.executable} {own_file}"
        limits: dict[str, Any] = {"RESOURCE_UPSTREAM_PROCESSES": 2, "RESOURCE_UPSTREAM_IDLE_SECONDS": 3}
        with serving(issuer, RESOURCE_UPSTREAM=command, **limits) as server:
            pids = [call(server, "count", sub=f"user-{number}")[0] for number in range(3)]
            assert len({*pids}) == 3
            assert not psutil.pid_exists(pids[0]), "the one unused for longest made room"
            assert call(server, "count", sub="user-2")[0] == pids[2]
            deadline = time.monotonic() + 8
            while any(psutil.pid_exists(pid) for pid in pids):
                assert time.monotonic() < deadline, "idle processes go on"
                time.sleep(0.2)
            assert call(server, "count", sub="user-2")[1] == 1

    async def test_one_for_all_only_when_asked_for(self, issuer: StandIn, own_file: Path) -> None:
        command = f"{sys.executable} {own_file}"
        with serving(issuer, RESOURCE_UPSTREAM=command, RESOURCE_UPSTREAM_SHARED=True) as server:
            assert call(server, "count", sub="alice")[0] == call(server, "count", sub="bob")[0]

    async def test_patterns_guard_what_is_not_ours(self, issuer: StandIn, own_file: Path) -> None:
        command = f"{sys.executable} {own_file}"
        rules = {"RESOURCE_TOOL_SCOPES": "count=notes:write", "RESOURCE_LISTS": "allowed"}
        with serving(issuer, RESOURCE_UPSTREAM=command, **rules) as server:
            assert server.modern("tools/call", server.token(), name="count").status_code == 403
            listed = result(server.modern("tools/list", server.token()))["tools"]
            assert "count" not in [tool["name"] for tool in listed]
            assert call(server, "count", scope="mcp:tools notes:write")[0] != os.getpid()


class TestGuard:
    """The library: three lines in one's own FastAPI application."""

    async def test_in_an_application_of_ones_own(self, issuer: StandIn) -> None:
        port = free_port()
        origin = f"http://127.0.0.1:{port}"
        started: list[str] = []

        @asynccontextmanager
        async def lifespan(_: FastAPI) -> AsyncIterator[None]:
            started.append("own")
            yield
            started.append("ended")

        app, mcp = FastAPI(lifespan=lifespan), FastMCP[Any]("mine")
        app.get("/own")(lambda: {"started": started})

        @mcp.tool
        def ping() -> str:
            return "pong"

        guard(app, mcp, issuer=issuer.origin, base_url=origin, tool_scopes="delete_*=x", transport="http")
        with listening(app, port):
            server = Running(origin, issuer, app)
            assert call(server, "ping") == "pong"
            assert server.modern("tools/list", None).status_code == 401
            assert httpx.get(f"{origin}/own").json() == {"started": ["own"]}
            assert httpx.get(f"{origin}/mcp/health").json()["transport"] == "http"
            assert httpx.get(f"{origin}/.well-known/oauth-protected-resource/mcp").json()["resource"] == server.mcp
            for headers, expected in (({"Host": "evil.example"}, 421), ({"Origin": "https://evil.example"}, 403)):
                assert httpx.post(server.mcp, headers=headers).status_code == expected
            assert httpx.get(f"{origin}/own", headers={"Host": "any.example"}).status_code == 200
            assert httpx.get(f"{origin}/healthz").status_code == 404, "that is the application's own business"
        assert started == ["own", "ended"]

    @pytest.mark.parametrize("everything", ["a mount", "a route"])
    def test_an_application_that_answers_everything(self, issuer: StandIn, everything: str) -> None:
        """Without the metadata beside it no client could sign in."""
        port = free_port()
        origin, app = f"http://127.0.0.1:{port}", FastAPI()
        if everything == "a mount":
            app.mount("/", FastAPI())
        else:
            app.get("/{path:path}")(lambda path: {"own": path})
        guard(app, FastMCP("x"), issuer=issuer.origin, base_url=origin)
        with listening(app, port):
            assert httpx.get(f"{origin}/.well-known/oauth-protected-resource/mcp").json()["resource"] == f"{origin}/mcp"
            assert httpx.get(f"{origin}/mcp/health").json()["server"] == "x"
            assert httpx.post(f"{origin}/mcp").status_code == 401

    async def test_what_its_author_may_have_meant_otherwise_is_told(self, issuer: StandIn) -> None:
        mcp: FastMCP[Any] = FastMCP("x")
        mcp.tool(name="write")(lambda: "written")
        mcp.resource("note://{name}", name="note")(lambda name: name)
        mcp.custom_route("/webhook", methods=["POST"])(lambda _: None)  # type: ignore[arg-type, return-value]
        logged: list[str] = []
        sink = logger.add(lambda message: logged.append(message.record["message"]), level="WARNING")
        rules = "wirte=a; write=b; del_*=c; resource:note://one=d; prompt:x=e"
        protection = Protection(mcp, load({}, ISSUER=issuer.origin, RESOURCE_TOOL_SCOPES=rules))
        async with protection.running():
            deadline = time.monotonic() + 20
            while len(logged) < 4 and time.monotonic() < deadline:
                await asyncio.sleep(0.01)
        logger.remove(sink)
        told = [line.removeprefix("RESOURCE_TOOL_SCOPES: there is nothing here now that ") for line in logged]
        assert told[0].endswith("the server's own routes /webhook")
        assert told[1:] == ["wirte means", "del_* means", "prompt:x means"]

    @requirement("mcp-token-handling/passthrough")
    async def test_the_token_stays_here(self, issuer: StandIn) -> None:
        """A server may hold FastMCP's proxy for a third one, which passes Authorization on (MCP, Token Passthrough)."""
        seen: list[dict[str, str]] = []
        third: FastMCP[Any] = FastMCP("third")
        third.tool(name="hi")(lambda: seen.append(get_http_headers(include_all=True)))
        mcp: FastMCP[Any] = FastMCP("first")
        mcp.tool(name="here")(lambda: seen.append(get_http_headers(include_all=True)))
        port, third_port = free_port(), free_port()
        mcp.mount(create_proxy(f"http://127.0.0.1:{third_port}/mcp"), namespace="third")
        origin, app = f"http://127.0.0.1:{port}", FastAPI()
        guard(app, mcp, issuer=issuer.origin, base_url=origin)
        with listening(third.http_app(), third_port), listening(app, port):
            server = Running(origin, issuer, app)
            for name in ("here", "third_hi"):
                assert not result(server.modern("tools/call", server.token(), name=name)).get("isError")
        assert len(seen) == 2
        assert not [headers for headers in seen if "authorization" in headers]

    def test_nonsense_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("RESOURCE_TRANSPORT", "nonsense")
        guard(FastAPI(), FastMCP("x"), issuer="https://issuer.example", base_url="https://mcp.example")
        for bad in ({"issuer": "http://x"}, {"base_url": "x"}, {"nonsense": 1}, {"transport": "x"},
                    {"upstream": "http://127.0.0.1:1/mcp"}, {"trusted_proxies": "10.0.0.1"}, {"port": 9},
                    {"metrics": True}, {"log_level": "debug"}, {"upstream_shared": True}):  # fmt: skip
            arguments: dict[str, Any] = {"issuer": "https://i.example", "base_url": "https://m.example", **bad}
            with pytest.raises(SettingsError):
                guard(FastAPI(), FastMCP("x"), **arguments)

    @pytest.mark.parametrize("first", ["guard", "cors"])
    def test_an_applications_own_cors(self, issuer: StandIn, first: str) -> None:
        port = free_port()
        origin = f"http://127.0.0.1:{port}"
        app = FastAPI()

        def cors() -> None:
            app.add_middleware(CORSMiddleware, allow_origins=["*"], allow_methods=["*"], allow_headers=["*"])

        if first == "cors":
            cors()
        guard(app, FastMCP("x"), issuer=issuer.origin, base_url=origin)
        if first == "guard":
            cors()
        page = {"Origin": "http://localhost:3000"}
        with listening(app, port):
            for answer in (
                httpx.post(f"{origin}/mcp", headers=page),
                httpx.get(f"{origin}/.well-known/oauth-protected-resource/mcp", headers=page),
                httpx.options(f"{origin}/mcp", headers={**page, "Access-Control-Request-Method": "POST"}),
            ):
                for name in ("access-control-allow-origin", "access-control-expose-headers"):
                    assert len(answer.headers.get_list(name)) <= 1, (answer.url, answer.headers)
                assert answer.headers["access-control-allow-origin"] in ("*", page["Origin"])
