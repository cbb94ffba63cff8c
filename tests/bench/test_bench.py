"""The benchmark measures, reckons and tells rightly: from wrk's last line to the page that people read."""

from __future__ import annotations

import json
import shutil
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from bench.load import Sample
from bench.rounds import Pace
from bench.works import Entry, Work
from tests.house.tree import ROOT

from bench import chart, costs, goals, load, loads, machine, profile, report, rounds, session, works

LINE = {"requests": 300, "microseconds": 2_000_000, "p50": 1500, "p99": 9000, "max": 12_000}
ERRORS = {"socket_errors": 1, "status_errors": 2, "failed": 4}


def sample(rate: float, p99: float = 10) -> Sample:
    return Sample(rate, 1, p99, 20, 0, 0.9, 0.1)


def results(ours: list[float], theirs: list[float]) -> dict[str, Any]:
    entries = {
        "issuer": rounds.summary([sample(rate, 4) for rate in ours]),
        "oidc-provider": rounds.summary([sample(rate, 10) for rate in theirs]),
    }
    return {
        "date": "2026-01-01",
        "machine": {"processor": "p", "cores": "2", "kernel": "k", "python": "3"},
        "pace": {"rounds": len(ours), "seconds": 1},
        "works": {"token": {"title": "`token` & more", "unit": "tokens/s", "entries": entries}},
        "starts": {"issuer": [0.5, 0.7, 0.6]},
        "servers": {name: {"idle_mb": 80.0, "peak_mb": 99.0} for name in entries},
        "titles": {"issuer": "issuer", "oidc-provider": "oidc-provider"},
    }


def test_what_wrk_prints_is_read() -> None:
    found = load.read("Running...\n" + json.dumps(LINE | ERRORS) + "\n", "", 2, 0.5, 0.25)
    assert (found.rate, found.p50, found.p99, found.slowest) == (75, 1.5, 9, 12)
    assert found.errors == 7


@pytest.mark.parametrize("output", ["", "wrk: no", json.dumps(LINE | ERRORS | {"requests": 0})])
def test_a_run_that_measured_nothing_is_none(output: str) -> None:
    with pytest.raises(load.LoadFailed):
        load.read(output, "why", 1, 0, 0)


def test_plans_are_lua() -> None:
    plan = {"a b": ['x"\\\n', 1, 2.5, True], "é": {}}
    assert load.lua(plan) == '{["a b"]={"x\\034\\092\\010",1,2.5,true},["\\195\\169"]={}}'


def test_a_ratio_is_of_rounds_and_not_of_medians() -> None:
    """The machine was slow in the second round: both sides were."""
    found = results([200, 20, 220], [100, 10, 110])
    entries = found["works"]["token"]["entries"]
    assert goals.ratio(entries["issuer"], entries["oidc-provider"], "rate") == 2
    assert goals.ratio(entries["issuer"], entries["oidc-provider"], "p99") == 0.4


def test_goals_are_judged_both_ways() -> None:
    def of(ours: list[float]) -> list[bool]:
        return [v.met for v in goals.judge(results(ours, [100, 100, 100])) if "p99" not in v.text and "/" in v.text]

    assert of([140, 140, 140]) == [True]
    assert of([120, 120, 120]) == [False]
    bounds = {v.text: v.met for v in goals.judge(results([1], [1]))}
    assert bounds["issuer: start to the first 200"]
    assert bounds["issuer: memory, idle"]
    assert not bounds["issuer: memory, at most"]


def test_every_goal_is_about_something_that_is_measured() -> None:
    assert {goal.work for goal in goals.GOALS} <= set(works.NAMES)
    measured = {work.name: {entry.candidate.name for entry in work.entries} for work in works.of_the_issuer()}
    for goal in goals.GOALS:
        if goal.work in measured:
            assert {goal.ours, goal.peer} <= measured[goal.work] | {works.LIMIT}, goal


def test_a_profile_counts_for_whose_code_was_at_work() -> None:
    folded = [
        "main (issuer/x.py:1);sign (issuer/keys.py:2);sign (jwt/algorithms.py:3) 6",
        "main (issuer/x.py:1);token (issuer/endpoints/token.py:2);dumps (json/__init__.py:3) 3",
        "run (threading.py:1) 1",
    ]
    assert profile.shares(folded) == {"RSA signature": 0.6, "issuer": 0.3, "the rest": 0.1}


def test_page_and_picture_are_made_of_the_results() -> None:
    found = results([200, 20, 220], [100, 10, 110])
    shown = {"token": {"title": "token", "before": {"issuer": 0.5}, "after": {"issuer": 0.25, "SQLite": 0.1}}}
    page = report.readme(found, shown)
    assert "| `token` & more: issuer / oidc-provider | 2.00 | ≥ 1.3 | met |" in page
    assert "stands in the way" not in page
    assert "- `token` & more: issuer / oidc-provider: the signature" in report.readme(results([1], [1]), shown)
    assert "| issuer | 50% | 25% |" in page
    assert "| SQLite |  | 10% |" in page
    root = ElementTree.fromstring(chart.svg(found))
    assert sum(element.tag.endswith("rect") for element in root.iter()) == 3


def test_what_a_goal_leaves_is_reckoned() -> None:
    """A token takes 500 us where signing takes 200 and a bare route 40; the peer's 390 and the goal leave 60."""
    found = results([2000], [1e6 / 390])
    found["works"]["token"]["entries"][works.LIMIT] = rounds.summary([sample(5000)])
    assert costs.costs(found) == [], "nothing is known of a bare route"
    found["works"]["jwks"] = {"title": "keys", "unit": "u", "entries": {"starlette": rounds.summary([sample(25_000)])}}
    (cost,) = costs.costs(found)
    assert [round(us) for us in (cost.whole, cost.signing, cost.http, cost.rest, cost.left)] == [500, 200, 40, 260, 60]
    found["titles"] |= {"starlette": "s", works.LIMIT: "l"}
    found["servers"] = {name: {"idle_mb": 80.0, "peak_mb": 99.0} for name in found["titles"]}
    assert "| `token` & more: issuer | 500 | 200 | 40 | 260 | 60 |" in report.readme(found, {})


def test_the_page_that_is_kept_is_made_of_the_results_that_are_kept() -> None:
    folder = ROOT / "bench"
    found = json.loads((folder / "results.json").read_text())
    shown = json.loads((folder / "profiles.json").read_text())
    assert (folder / "README.md").read_text() == report.readme(found, shown), "run ./dev bench --page"
    assert (folder / "chart.svg").read_text() == chart.svg(found), "run ./dev bench --page"


def test_peers_are_locked_without_their_registry() -> None:
    packages = json.loads((ROOT / "bench/peers/package-lock.json").read_text())["packages"]
    assert len(packages) > 50
    assert not [name for name, package in packages.items() if name and not package.get("integrity")]
    lock = (ROOT / "bench/peers/requirements.lock").read_text().splitlines()
    assert not [line for line in lock if "==" in line and not line.endswith("\\")]


def test_our_own_issuer_is_really_measured(tmp_path: Path) -> None:
    """Every script of the issuer's works, for a second each: answers are right, and no request fails."""
    for program in ("wrk", "taskset"):
        if shutil.which(program) is None:
            pytest.skip(f"there is no {program}")
    try:
        machine.cores()
    except machine.Unfit as error:
        pytest.skip(str(error))
    with ExitStack() as stack:
        measured = session.Session(stack, tmp_path, Pace(rounds=1, seconds=1, warm_up=0))
        for work in works.of_the_issuer():
            own = tuple(entry for entry in work.entries if entry.candidate is works.ISSUER)
            if work.name in ("token", "refresh", "code", "page"):
                entries = measured.compete(replace(work, entries=own, limit=False))["entries"]
                assert entries["issuer"]["rate"] > 0
                assert entries["issuer"]["errors"] == 0, work.name
        wrong = Entry(works.ISSUER, lambda server: replace(loads.fixed(server, "/healthz"), plan=NOWHERE))
        found = measured.compete(Work("wrong", "wrong", "documents/s", (wrong,)))["entries"]
        assert found["issuer"]["errors"] > 0, "errors are not counted"
        assert measured.servers()["issuer"]["peak_mb"] >= measured.servers()["issuer"]["idle_mb"] > 10


NOWHERE = {"requests": [{"method": "GET", "path": "/nowhere", "headers": {}, "body": ""}]}
