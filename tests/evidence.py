"""evidence.json: what was tried for each hostile row and each fault, what was measured, and what came of it.

A pytest plugin. Tests measure by `record_property`; what a test bears decides where its figures go: `row(id)` names a
row of tests/hostile/hostile-inputs.json, `fault(title)` a line of the README's table of faults.
"""

from __future__ import annotations

import datetime
import json
import os
import platform
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Generator
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.support import postgres

ROOT = Path(__file__).parents[1]
EVIDENCE = ROOT / "evidence.json"
RESULTS = ROOT / "tests" / "faults" / "results.json"
FULL = os.environ.get("FAULTS") == "full"
"""Whether faults are tried as often as the README says, or as often as each run of all tests can afford."""
NAMES = {"sqlite": "SQLite", "postgres": "PostgreSQL"}

outcomes: dict[str, dict[str, str]] = defaultdict(dict)  # row -> test -> outcome
figures: dict[str, dict[str, object]] = defaultdict(dict)  # row -> what its tests measured
faults: dict[str, dict[str, Any]] = {}  # test -> its line


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "row(id): tries this row of hostile-inputs.json")
    config.addinivalue_line("markers", "fault(title, service='issuer'): its figures are a line of the table of faults")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if call.when == "call" or not report.passed:
        for mark in item.iter_markers("row"):
            outcomes[mark.args[0]][item.nodeid] = report.outcome
            figures[mark.args[0]].update({_with_parameters(item, name): value for name, value in item.user_properties})
        for mark in item.iter_markers("fault"):
            faults[item.nodeid] = _line(item, *mark.args, **mark.kwargs) | {"outcome": _outcome({report.outcome})}
    return report


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if not outcomes and not faults:
        return
    found = {"run": run(), "rows": rows(), "faults": list(faults.values())}
    EVIDENCE.write_text(json.dumps(found, indent=1) + "\n")
    if FULL and exitstatus == 0 and all(line["outcome"] == "held" for line in faults.values()):
        asked = session.config.option
        whole = session.config.args == ["tests"] and (asked.keyword, asked.markexpr) == ("", "fault")
        RESULTS.write_text(json.dumps(results({} if whole else _known()), indent=1) + "\n")


def results(known: dict[str, Any]) -> dict[str, Any]:
    """The lines of the table: those of this run, and of `known` where it was the same machine and the same versions."""
    here = {name: value for name, value in run().items() if name not in ("date", "size")}
    today = {test: {**line, "date": run()["date"]} for test, line in faults.items()}
    others = known["faults"] if known.get("run") == here else {}
    return {"run": here, "faults": dict(sorted({**others, **today}.items()))}


def _known() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    return found


def run() -> dict[str, object]:
    """Where and when this was measured."""
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "size": "full" if FULL else "small",
        "machine": f"{os.cpu_count()} cores, {psutil.virtual_memory().total / 2**30:.0f} GiB, {platform.system()}",
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "postgresql": postgres.version(),
    }


def rows() -> list[dict[str, object]]:
    """One entry for each row: the inputs tried, by how many tests, and whether all held."""
    from tests.hostile.rows import NOT_TESTED, ROWS
    from tests.hostile.target import targets

    entries: list[dict[str, object]] = []
    for found in ROWS.values():
        tests = outcomes.get(found.id, {})
        entries.append(
            {
                "row": found.id,
                "priority": found.priority,
                "inputs": sum(target.tried[found.id] for target in targets),
                "tests": dict(sorted(Counter(tests.values()).items())),
                "outcome": _outcome(set(tests.values())) if tests else NOT_TESTED.get(found.id, "not tried"),
                **({"figures": figures[found.id]} if figures.get(found.id) else {}),
            }
        )
    return entries


def _line(item: pytest.Item, title: str, service: str = "issuer") -> dict[str, Any]:
    parameters = _parameters(item)
    database = next((name for key, name in NAMES.items() if key in parameters), None)
    service = next((name for name in ("issuer", "resource") if name in parameters), service)
    return {"fault": title, "service": service, "database": database, "figures": dict(item.user_properties)}


def _parameters(item: pytest.Item) -> list[str]:
    """The parts of what stands between brackets in the test's name."""
    return item.name.partition("[")[2].rstrip("]").split("-") if "[" in item.name else []


def _with_parameters(item: pytest.Item, name: str) -> str:
    return f"{name} ({', '.join(found)})" if (found := _parameters(item)) else name


def _outcome(results: set[str]) -> str:
    return "held" if results == {"passed"} else "not held"
