"""The official conformance suite: what it is known to find (outcomes.json), and what it finds now.

outcomes.json: version of the protocol -> group -> scenario -> outcome. An outcome counts the checks that passed and
names the others; `because` points to their reason in `reasons`. README.md's table is made of it (see table.py).
"""

from __future__ import annotations

import functools
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import yaml
from tests.support import node

Outcome = dict[str, Any]  # {"passed": 2, "failed": [check ids], "warned": [...], "skipped": [...], "because": reason}

DATA = Path(__file__).with_name("outcomes.json")
REQUIRED, NOT_SCORED, AUTHORIZATION = "required", "not scored", "authorization server"
SERVER_VERSIONS = ("2026-07-28", "2025-11-25", "2025-06-18")
AUTHORIZATION_VERSIONS = (*SERVER_VERSIONS, "2025-03-26")
PATIENCE = 240  # seconds for all scenarios of a version; they take two

_PACKAGE = "@modelcontextprotocol/conformance"
_NOT_PASSED = {"FAILURE": "failed", "WARNING": "warned", "SKIPPED": "skipped"}


@functools.cache
def known() -> dict[str, Any]:
    """outcomes.json"""
    found: dict[str, Any] = json.loads(DATA.read_text())
    return found


def expected(version: str, group: str) -> dict[str, Outcome]:
    """What is known of each scenario, without the reasons."""
    scenarios = known()["outcomes"][version].get(group, {})
    return {name: {k: v for k, v in found.items() if k != "because"} for name, found in scenarios.items()}


def run_server(url: str, version: str, output: Path) -> dict[str, Outcome]:
    """All server scenarios that the suite has for a version, against the MCP server at `url`."""
    frozen = _frozen(version)
    _run(url, output, *(["--requirements", version] if frozen else ["--suite", "all", "--spec-version", version]))
    found = outcomes(output)
    wanted = expected(version, REQUIRED) | expected(version, NOT_SCORED)
    for name in [name for name in found if found[name] != wanted.get(name)]:
        # The suite gives streams half a second. What differs is asked again, alone, before it is believed.
        again = output / f"again-{name}"
        _run(url, again, "--scenario", name, "--spec-version", version, "--force")
        found |= outcomes(again)
    return found


def required(version: str) -> set[str] | None:
    """The server scenarios that count for a version; None where the suite has not frozen them, and all count."""
    frozen = _frozen(version)
    return set(yaml.safe_load(frozen.read_text())["server"]) if frozen else None


def release() -> str:
    """The suite's version, as installed."""
    found: str = json.loads((node.MODULES / _PACKAGE / "package.json").read_text())["version"]
    return found


def outcomes(output: Path) -> dict[str, Outcome]:
    """What the suite wrote into a folder: scenario -> outcome."""
    found: dict[str, Outcome] = {}
    for path in output.rglob("checks.json"):
        name = re.sub(r"^(authorization-)?server-|-\d{4}-\d\d-\d\dT[\d-]+Z$", "", path.parent.name)
        checks = json.loads(path.read_text())
        outcome: Outcome = {"passed": sum(check["status"] == "SUCCESS" for check in checks)}
        for status, word in _NOT_PASSED.items():
            if those := sorted(check["id"] for check in checks if check["status"] == status):
                outcome[word] = those
        found[name] = outcome
    return found


def _frozen(version: str) -> Path | None:
    path = node.modules() / _PACKAGE / "requirements" / f"{version}.yaml"
    return path if path.exists() else None


def _run(url: str, output: Path, *which: str) -> None:
    """Its exit status says whether every scored check passed, which is not the question here."""
    command = [*node.script("conformance"), "server", "--url", url, "-o", str(output), *which]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode in (0, 1), f"{done.stdout}\n{done.stderr}"
