"""The list of hostile inputs as data, and which of them this run answers for."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
TESTS = (FOLDER, FOLDER.parent / "faults")
NOT_TESTED = {  # id of a row -> why no test can or need try it
    "TOK-06": "no code is without a challenge: /authorize wants one of everybody, and the column is NOT NULL",
    "MCP-13": "no tasks: they are an extension of another package (fastmcp-tasks), and its methods are not found here",
}


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
