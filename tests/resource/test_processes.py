"""The processes of a stdio upstream while one of them takes its time to end: others come and go meanwhile."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from fastmcp import Client
from fastmcp.client.elicitation import ElicitResult
from tests.resource.running import Running, result, serving
from tests.resource.stand_in import StandIn

SLOW = """
import asyncio, atexit, os, sys, time
from pathlib import Path
from fastmcp import FastMCP

def tell(what):
    Path(sys.argv[1], f"{what}-{os.getpid()}").touch()

def end():
    tell("ending")
    time.sleep(1.5)

tell("started")
atexit.register(end)
mcp = FastMCP("slow to end")

@mcp.tool
async def nap(seconds: float) -> int:
    await asyncio.sleep(seconds)
    return os.getpid()

mcp.run(show_banner=False)
"""


class Slow:
    """A resource before such processes, and what can be seen of them. told: a file for each start and each end."""

    def __init__(self, server: Running, script: Path, told: Path) -> None:
        self.server, self._script, self._told = server, script, told

    def nap(self, sub: str, seconds: float = 0) -> Any:
        """The process that answered."""
        arguments = {"seconds": seconds}
        answer = self.server.modern("tools/call", self.server.token(sub=sub), name="nap", arguments=arguments)
        found = result(answer)
        assert not found.get("isError"), found
        return found["structuredContent"]["result"]

    def running(self) -> set[int]:
        return {child.pid for child in psutil.Process().children(recursive=True) if self._is_ours(child)}

    def _is_ours(self, child: psutil.Process) -> bool:
        try:
            return child.status() != psutil.STATUS_ZOMBIE and str(self._script) in child.cmdline()
        except psutil.Error:
            return False

    def told(self, what: str) -> set[int]:
        names = (file.name.partition("-") for file in self._told.iterdir())
        return {int(pid) for name, _, pid in names if name == what}

    def until(self, what: Any, why: str) -> None:
        deadline = time.monotonic() + 60
        while not what():
            assert time.monotonic() < deadline, why
            time.sleep(0.02)


@pytest.fixture
def slow(issuer: StandIn, tmp_path: Path) -> Any:
    script, told = tmp_path / "slow.py", tmp_path / "told"
    script.write_text(SLOW)
    told.mkdir()

    @contextmanager
    def start(**settings: Any) -> Iterator[Slow]:
        command = f"{sys.executable} {script} {told}"
        with serving(issuer, RESOURCE_UPSTREAM=command, **settings) as server:
            yield Slow(server, script, told)

    return start


def test_room_that_is_waited_for_is_taken_once(slow: Any) -> None:
    with slow(RESOURCE_UPSTREAM_PROCESSES=1) as upstream, ThreadPoolExecutor(2) as pool:
        first = upstream.nap("alice")
        one = pool.submit(upstream.nap, "bob")
        upstream.until(lambda: first in upstream.told("ending"), "nothing makes room")
        other = pool.submit(upstream.nap, "bob")
        assert one.result() == other.result(), "one caller has one process"
        assert upstream.told("started") == {first, one.result()}, "there were more processes than there may be"


def test_idle_ones_are_ended_and_used_ones_are_not(slow: Any) -> None:
    callers = [f"user-{number}" for number in range(3)]
    with (
        slow(RESOURCE_UPSTREAM_PROCESSES=3, RESOURCE_UPSTREAM_IDLE_SECONDS=2) as upstream,
        ThreadPoolExecutor(3) as pool,
    ):
        for _ in range(2):  # after the second time all of them become idle together
            list(pool.map(upstream.nap, callers))
        upstream.until(lambda: upstream.told("ending"), "idle processes go on")
        assert all(pool.map(upstream.nap, callers, [5.0] * 3)), "a process was ended while it worked"


def test_the_sweeper_lives_on_when_others_make_room(slow: Any) -> None:
    callers = [f"user-{number}" for number in range(3)]
    with (
        slow(RESOURCE_UPSTREAM_PROCESSES=3, RESOURCE_UPSTREAM_IDLE_SECONDS=2) as upstream,
        ThreadPoolExecutor(3) as pool,
    ):
        for _ in range(2):
            list(pool.map(upstream.nap, callers))
        upstream.until(lambda: upstream.told("ending"), "idle processes go on")
        list(pool.map(upstream.nap, [f"new-{number}" for number in range(3)]))
        upstream.until(lambda: not upstream.running(), "nothing ends idle processes any more")


ASKING = """
import json, os, sys

def say(**message):
    print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)

def tools():
    return [{"name": name, "inputSchema": {"type": "object"}} for name in ("ask", "process")]

def ask(meta):
    say(method="notifications/message", params={"level": "info", "data": "between us"})
    if "progressToken" in meta:
        say(method="notifications/progress", params={"progressToken": meta["progressToken"], "progress": 1})
    schema = {"type": "object", "properties": {}}
    say(id="q", method="elicitation/create", params={"message": "Really?", "requestedSchema": schema})
    return json.loads(sys.stdin.readline())

for line in sys.stdin:
    message = json.loads(line)
    method, params = message.get("method"), message.get("params", {})
    if "id" not in message:
        continue
    if method == "initialize":
        about = {"protocolVersion": "2025-06-18", "serverInfo": {"name": "old", "version": "1"}}
        say(id=message["id"], result={**about, "capabilities": {"tools": {}, "logging": {}}})
    elif method == "tools/list":
        say(id=message["id"], result={"tools": tools()})
    elif method == "tools/call":
        text = str(os.getpid()) if params["name"] == "process" else json.dumps(ask(params.get("_meta", {})))
        say(id=message["id"], result={"content": [{"type": "text", "text": text}]})
    else:
        say(id=message["id"], error={"code": -32601, "message": "Method not found"})
"""


@pytest.fixture
def asking(tmp_path: Path) -> str:
    script = tmp_path / "asking.py"
    script.write_text(ASKING)
    return f"{sys.executable} {script}"


def process(server: Running, **token: str) -> int:
    answer = server.modern("tools/call", server.token(**token), name="process", arguments={})
    return int(result(answer)["content"][0]["text"])


def test_another_program_of_the_same_person_has_a_process_of_its_own(issuer: StandIn, asking: str) -> None:
    """What a process asks it asks nobody in particular: it must not be another program that answers."""
    with serving(issuer, RESOURCE_UPSTREAM=asking) as server:
        one, other = process(server, client_id="one"), process(server, client_id="other")
        assert one != other
        assert process(server, client_id="one") == one


def test_a_person_has_a_quarter_of_all_at_most(issuer: StandIn, asking: str) -> None:
    with serving(issuer, RESOURCE_UPSTREAM=asking, RESOURCE_UPSTREAM_PROCESSES=8) as server:
        pids = [process(server, client_id=f"program-{number}") for number in range(3)]
        assert len(set(pids)) == 3
        assert [psutil.pid_exists(pid) for pid in pids] == [False, True, True]
        assert process(server, sub="bob", client_id="program-0") not in pids


@pytest.mark.parametrize("shared", [False, True])
async def test_a_process_of_all_asks_nobody_and_tells_nobody(issuer: StandIn, asking: str, shared: bool) -> None:
    heard: list[str] = []

    async def answer(*_: Any) -> ElicitResult[Any]:
        heard.append("a question")
        return ElicitResult(action="decline")

    async def log(message: Any) -> None:
        heard.append("a log line")

    async def progress(*_: Any) -> None:
        heard.append("progress")

    handlers = {"elicitation_handler": answer, "log_handler": log, "progress_handler": progress}
    with serving(issuer, RESOURCE_UPSTREAM=asking, RESOURCE_UPSTREAM_SHARED=shared) as server:
        async with Client(server.mcp, auth=server.token(), mode="legacy", **handlers) as client:
            answered = json.loads((await client.call_tool("ask")).content[0].text)
    assert ("error" in answered) == shared
    assert set(heard) == (set() if shared else {"a question", "a log line", "progress"})
