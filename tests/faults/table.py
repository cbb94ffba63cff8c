"""The table of faults in README.md, from the results of runs at full size."""

from __future__ import annotations

import json
from typing import Any

from tests.evidence import RESULTS


def table() -> str:
    found = json.loads(RESULTS.read_text())
    run = found["run"]
    versions = f"Python {run['python']}, SQLite {run['sqlite']}, PostgreSQL {run['postgresql']}"
    rows = [f"{run['machine']}; {versions}.", "", "| fault | where | figures | run on |", "|---|---|---|---|"]
    return "\n".join([*rows, *(_row(line) for line in found["faults"].values())])


def _row(line: dict[str, Any]) -> str:
    service = "both" if line["service"] == "both" else f"the {line['service']}"
    where = f"{service}, {line['database']}" if line["database"] else service
    figures = "; ".join(f"{name}: {_text(value)}" for name, value in line["figures"].items())
    return f"| {line['fault']} | {where} | {figures} | {line['date']} |"


def _text(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)
