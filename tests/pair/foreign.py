"""Runs programs we did not write, and reads what they say."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.support.machine import ROOT

PATIENCE = 120
LIFETIME = 4  # seconds that access tokens of `brief_pair` live
_CONTAINERS, _SCALED = (pytest.param(name, marks=pytest.mark.containers) for name in ("containers", "scaled"))
PROCESSES = pytest.mark.parametrize("pair", ["processes"], indirect=True)  # once, not in containers too
AND_SCALED = pytest.mark.parametrize("pair", ["processes", _SCALED], indirect=True)  # and on replicas behind Caddy
SCALED = pytest.mark.parametrize("pair", [_SCALED], indirect=True)
EVERYWHERE = pytest.mark.parametrize("pair", ["processes", _CONTAINERS, _SCALED], indirect=True)


@dataclass(frozen=True)
class Outcome:
    """How a program ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def answer(self) -> dict[str, Any]:
        """The one JSON line that drivers end with."""
        answer: dict[str, Any] = json.loads(self.stdout.splitlines()[-1])
        return answer

    @property
    def result(self) -> dict[str, Any]:
        """What a driver that succeeded found."""
        assert self.code == 0, f"{self.stdout}\n{self.stderr}"
        result: dict[str, Any] = self.answer["result"]
        return result


def run(command: Sequence[str], **environment: str) -> Outcome:
    """Run `command` from the root of the checkout, with nothing on standard input."""
    quiet = {"FASTMCP_CHECK_FOR_UPDATES": "off", "FASTMCP_SHOW_SERVER_BANNER": "false", "NO_COLOR": "1"}
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **quiet, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def assert_worked(result: Mapping[str, Any], subject: str) -> None:
    """Every tool was listed, called, and answered rightly."""
    assert {"hello", "add_numbers", "whoami"} <= set(result["tools"])
    assert "Ada" in result["hello"]
    assert result["sum"] == 5
    assert result["whoami"]["subject"] == subject
    assert "mcp:tools" in result["whoami"]["scopes"]


def wait_until_ended(whoami: Mapping[str, Any]) -> None:
    """Return when the token that `whoami` described has ended, for a resource without leeway."""
    left = datetime.fromisoformat(whoami["expires_at"]) - datetime.now(UTC)
    time.sleep(max(0, left.total_seconds()) + 1)
