"""The list of hostile inputs as data, and which of them this run answers for."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
TESTS = (FOLDER, FOLDER.parent / "faults")
IN_FORCE = (
    "NET",
    "DEV",
    "LOG",
    "AUZ",
    "CON",
    "TOK",
    "REF",
    "RS",
    "MCP",
    "CIMD",
    "REG",
    "RMG",
    "CLA",
    "INT",
    "KEY",
    "FLT",
    "RES",
)
NOT_TESTED: dict[str, str] = {}  # id of a P0 row -> why no test can or need try it


@dataclass(frozen=True)
class Row:
    """One row: what is sent where, what must come of it, and how much it matters (P0 most)."""

    id: str
    section: str
    endpoint: str
    input: str
    expected: str
    source: str
    priority: str


ROWS = {entry["id"]: Row(**entry) for entry in json.loads((FOLDER / "hostile-inputs.json").read_text())}


def row(identity: str) -> pytest.MarkDecorator:
    """Marks a test as the test, or one of the tests, of this row."""
    if identity not in ROWS:
        raise ValueError(f"there is no row {identity}")
    return pytest.mark.row(identity)


def rows_with_tests() -> set[str]:
    """The rows that some test bears, whether or not it is run now."""
    sources = "".join(path.read_text() for folder in TESTS for path in folder.glob("test_*.py"))
    return set(re.findall(r'^@row\("([A-Z]+-\d+)"\)', sources, re.MULTILINE))


def in_force(found: Row) -> bool:
    return found.id.partition("-")[0] in IN_FORCE
