"""README's *Protect your own server*, word for word: its files and its commands, with an MCP client at each server."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support import namespace
from tests.support.machine import ROOT

CHAPTER = "Protect your own server"
# What each start in the chapter must offer, in order: tools, and what calling `write` comes to without a token, with
# the base scope, and with notes:write too.
OPEN, GUARDED = [401, 200, 200], [401, 403, 200]
STARTS: list[tuple[str, set[str], list[int]]] = [
    ("mcp-resource serve server.py:mcp", {"read", "write"}, OPEN),
    ("mcp-resource serve --upstream http://127.0.0.1:3000/mcp", {"ping"}, OPEN),
    ('mcp-resource serve --upstream "npx -y @modelcontextprotocol/server-everything"', {"echo", "get-sum"}, OPEN),
    ("uvicorn app:app", {"read", "write"}, OPEN),
    ("mcp-resource serve server.py:mcp", {"write"}, GUARDED),
    ('RESOURCE_INTROSPECT="write delete_*" mcp-resource serve server.py:mcp', {"write"}, GUARDED),
    ("mcp-resource serve server.py:mcp", {"write"}, GUARDED),
]


@pytest.mark.node
@pytest.mark.timeout(700)
def test_a_reader_gets_what_the_chapter_says(tmp_path: Path) -> None:
    if reason := namespace.unable():
        pytest.skip(f"namespaces: {reason}")
    reader = [sys.executable, "-m", "tests.pair.clients.reader", CHAPTER, str(tmp_path)]
    read = subprocess.run(
        [*namespace.COMMAND, *reader], cwd=ROOT, capture_output=True, text=True, timeout=600, check=False
    )
    assert read.returncode == 0, read.stderr
    done = json.loads(read.stdout.splitlines()[-1])
    starts = [entry for entry in done if "tools" in entry]
    assert [entry["command"] for entry in starts] == [command for command, _, _ in STARTS]
    for entry, (_, tools, writing) in zip(starts, STARTS, strict=True):
        assert tools <= set(entry["tools"]), entry
        assert entry["writing"] == writing, entry
    assert [entry["introspected"] for entry in starts] == [0, 0, 0, 0, 0, 1, 1], "it is asked where that is set, alone"
    calls = [entry["printed"] for entry in done if entry["command"].startswith("fastmcp call")]
    assert [json.loads(printed) for printed in calls] == [{"result": 3}, {"result": 2}], "the pages written so far"
