"""An upstream that does not answer as it should: the operator reads why, once, and the caller no address of it."""

from __future__ import annotations

import base64
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from fastmcp import FastMCP
from loguru import logger
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from tests.resource.running import Running, listening, serving
from tests.resource.stand_in import StandIn
from tests.support.servers import free_port

from resource_server import processes
from resource_server.metrics import Metrics
from resource_server.settings import SettingsError, load
from resource_server.upstream import upstream_server

SUSPENDED = {"jsonrpc": "2.0", "id": 1, "error": {"code": -32000, "message": "the tenant is suspended"}}


@contextmanager
def logged() -> Iterator[list[str]]:
    lines: list[str] = []
    sink = logger.add(lambda message: lines.append(message.record["message"]))
    yield lines
    logger.remove(sink)


def refusal(server: Running, lines: list[str]) -> str:
    """What three requests are told, of which the log tells once."""
    told = set()
    for method, params in (("tools/list", {}), ("tools/call", {"name": "x"}), ("tools/list", {})):
        answer = server.modern(method, server.token(), **params)
        assert answer.status_code == 200, answer.text
        assert "127.0.0.1:" not in answer.text
        told.add(message_of(answer.json()))
    assert len(told) == 1
    assert len([line for line in lines if line.startswith("upstream ")]) == 1
    return told.pop()


def message_of(answer: dict[str, Any]) -> str:
    if "error" in answer:
        return str(answer["error"]["message"])
    assert answer["result"]["isError"]
    return str(answer["result"]["content"][0]["text"])


def test_nobody_listens(issuer: StandIn) -> None:
    port = free_port()
    with serving(issuer, RESOURCE_UPSTREAM=f"http://127.0.0.1:{port}/mcp") as server, logged() as lines:
        assert refusal(server, lines) == "The upstream server cannot be reached."
        assert f"upstream http://127.0.0.1:{port}/mcp cannot be reached: ConnectError" in "\n".join(lines)
        with listening(FastMCP("late").http_app(), port):
            assert "result" in server.modern("tools/list", server.token()).json()
        assert f"upstream http://127.0.0.1:{port}/mcp answers again" in lines


@pytest.mark.parametrize(
    ("answer", "told", "said"),
    [
        (JSONResponse({"error": "who are you"}, 401), "refuses this one", "answered 401: it wants a token of its own"),
        (RedirectResponse("http://inner.test/mcp", 307), "does not answer as an MCP server", "answered 307"),
        (Response(status_code=404), "does not answer as an MCP server", "answered 404: RESOURCE_UPSTREAM must be"),
        (Response(status_code=503), "cannot be reached", "answered 503"),
        (JSONResponse(SUSPENDED, 400), "refuses this one", "answered 400: the tenant is suspended"),
    ],
    ids=["401", "redirect", "404", "503", "an error of its own"],
)
def test_it_answers_and_not_as_it_should(issuer: StandIn, answer: Response, told: str, said: str) -> None:
    async def always(_: Any) -> Response:
        return answer

    app, port = Starlette(routes=[Route("/mcp", always, methods=["GET", "POST", "DELETE"])]), free_port()
    with (
        listening(app, port),
        serving(issuer, RESOURCE_UPSTREAM=f"http://127.0.0.1:{port}/mcp") as server,
        logged() as lines,
    ):
        assert told in refusal(server, lines)
        assert said in "\n".join(lines)
        assert "inner.test" not in server.modern("tools/list", server.token()).text


def test_a_process_that_ends_at_once(issuer: StandIn) -> None:
    with serving(issuer, RESOURCE_UPSTREAM=f"{sys.executable} -c pass") as server, logged() as lines:
        assert refusal(server, lines) == "The upstream server cannot be reached."
        assert any(line.endswith(" ended before it answered") for line in lines)


def test_a_process_that_never_answers_is_given_up_and_started_again(
    issuer: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "PATIENCE", 0.5)
    script = f"import os, pathlib, time; pathlib.Path({str(tmp_path)!r}, str(os.getpid())).touch(); time.sleep(60)"
    command = shlex.join([sys.executable, "-c", script])
    with serving(issuer, RESOURCE_UPSTREAM=command) as server, logged() as lines:
        assert refusal(server, lines) == "The upstream server cannot be reached."
        started = [int(file.name) for file in tmp_path.iterdir()]
        assert len(started) > 1
        assert not any(map(psutil.pid_exists, started))


def test_an_address_with_a_password_is_asked_with_it(issuer: StandIn) -> None:
    seen: list[str | None] = []

    async def note(request: Request) -> Response:
        seen.append(request.headers.get("authorization"))
        return Response(status_code=404)

    app, port = Starlette(routes=[Route("/mcp", note, methods=["GET", "POST", "DELETE"])]), free_port()
    with (
        listening(app, port),
        serving(issuer, RESOURCE_UPSTREAM=f"http://me:p%40ss@127.0.0.1:{port}/mcp") as server,
        logged() as lines,
    ):
        server.modern("tools/list", server.token())
    assert set(seen) == {"Basic " + base64.b64encode(b"me:p@ss").decode()}
    assert "p@ss" not in "".join(lines)
    assert "p%40ss" not in "".join(lines)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"RESOURCE_UPSTREAM": "no-such-command-anywhere --x"}, "a command that is not here"),
        ({"RESOURCE_UPSTREAM": "127.0.0.1:3000/mcp"}, "a command that is not here"),
        ({"RESOURCE_UPSTREAM": "ftp://files.test/mcp"}, "must be an http or https URL"),
        ({"RESOURCE_UPSTREAM": "http://"}, "must be an http or https URL"),
        ({"RESOURCE_UPSTREAM": "http://[::1/mcp"}, "must be an http or https URL"),
        ({"RESOURCE_UPSTREAM": "'"}, "must be an http or https URL"),
        ({"RESOURCE_UPSTREAM": "python3", "RESOURCE_UPSTREAM_SECRET": "s" * 32}, "RESOURCE_UPSTREAM_SECRET"),
    ],
)
def test_what_can_never_answer_ends_the_start(settings: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        upstream_server(load({}, **settings), Metrics())
