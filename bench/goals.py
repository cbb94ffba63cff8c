"""What the pair is held to, as ratios against others on the same machine, in the same rounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any, Literal

from bench.works import LIMIT

Results = Mapping[str, Any]


@dataclass(frozen=True)
class Goal:
    """`ours` against `peer` in a work: a rate at least, or a p99 at most, so many times the peer's. why: what stands in
    the way where it is not met."""

    work: str
    ours: str
    peer: str
    factor: float
    measure: Literal["rate", "p99"] = "rate"
    why: str = ""


@dataclass(frozen=True)
class Bound:
    """At most so much of a server: megabytes or seconds. peer: times what that one has."""

    server: str
    measure: Literal["idle_mb", "peak_mb", "start"]
    most: float
    peer: str | None = None
    why: str = ""


@dataclass(frozen=True)
class Verdict:
    """text: what was asked. value and wanted: as shown. met: whether it was reached."""

    text: str
    value: str
    wanted: str
    met: bool
    why: str = ""


_LEFT = "the signature and HTTP alone take most of what the goal allows: *What the goals leave* has the figures"
_ENGINE = "V8 compiles what Python interprets"
_ROW = f"here a row goes into a database and two limits are counted, there an object into memory; {_ENGINE}"
_PAGE = f"the page is 10 KB, bound to the browser; the one that the benchmark gives oidc-provider is a line; {_ENGINE}"

GOALS = (
    Goal("token", "issuer", "oidc-provider", 1.3, why=_LEFT),
    Goal(
        "token", "issuer", LIMIT, 0.55, why="the rest is HTTP, a form, two looks into the database and JSON, in Python"
    ),
    Goal("token", "issuer", "oidc-provider", 0.5, "p99"),
    Goal("es256", "issuer-es256", "oidc-provider-es256", 1.4, why=f"the signature is a tenth of RSA's, and {_ENGINE}"),
    Goal(
        "code",
        "issuer-normal",
        "oidc-provider",
        2,
        why="two runs a day differ by more than is missing",
    ),
    Goal("code", "issuer", "oidc-provider", 1.4),
    Goal("refresh", "issuer-normal", "oidc-provider", 2, why=_LEFT),
    Goal(
        "refresh", "issuer", "oidc-provider", 1.3, why="eight statements and a wait for the disk, which memory has not"
    ),
    Goal("register", "issuer-normal", "oidc-provider", 1, why=_ROW),
    Goal("register", "issuer", "oidc-provider", 0.6, why=_ROW),
    Goal("page", "issuer", "oidc-provider", 1.5, why=_PAGE),
    Goal("jwks", "issuer", "starlette", 0.7),
    Goal("metadata", "issuer", "starlette", 0.7),
    Goal("workers", "issuer-2", "issuer", 1.7),
    Goal("tool", "resource", "fastmcp-jwt", 2.3),
    Goal("tool", "resource", "fastmcp", 1.7),
    Goal("tool", "resource", "mcp-v2", 0.85, why="FastMCP and the MCP SDK take most of a call: see its profile"),
    Goal("tool", "resource", "mcp-v2", 0.5, "p99"),
    Goal("tools20", "resource-20", "resource-1", 0.92),
    Goal("tools20", "resource-20", "fastmcp-jwt-20", 3),
)
BOUNDS = (
    Bound("issuer", "start", 1.0),
    Bound("resource", "start", 1.1, "fastmcp", why="FastAPI is imported beside FastMCP, and keys are fetched"),
    Bound("up", "start", 4),
    Bound("issuer", "idle_mb", 85),
    Bound("issuer", "peak_mb", 95),
    Bound("resource", "idle_mb", 105),
    Bound("resource", "peak_mb", 115),
)
_BOUND_TEXTS = {"start": "start to the first 200", "idle_mb": "memory, idle", "peak_mb": "memory, at most"}


def ratio(ours: Mapping[str, Any], peer: Mapping[str, Any], measure: str) -> float:
    """Of a rate, the median of the rounds' ratios: both sides of a round saw the same machine. Of a p99, the ratio of
    the medians."""
    if measure == "rate":
        return float(median(a["rate"] / b["rate"] for a, b in zip(ours["rounds"], peer["rounds"], strict=True)))
    return float(ours[measure] / peer[measure])


def judge(results: Results) -> list[Verdict]:
    """A verdict for each goal that these results can tell about."""
    found = [verdict for goal in GOALS if (verdict := _of_goal(goal, results)) is not None]
    return found + [verdict for bound in BOUNDS if (verdict := _of_bound(bound, results)) is not None]


def _of_goal(goal: Goal, results: Results) -> Verdict | None:
    work, titles = results["works"].get(goal.work), results["titles"]
    if work is None or not {goal.ours, goal.peer} <= work["entries"].keys():
        return None
    value = ratio(work["entries"][goal.ours], work["entries"][goal.peer], goal.measure)
    text = f"{work['title']}: {titles[goal.ours]} / {titles[goal.peer]}"
    if goal.measure == "p99":
        return Verdict(f"{text}, p99", f"{value:.2f}", f"≤ {goal.factor:g}", value <= goal.factor, goal.why)
    return Verdict(text, f"{value:.2f}", f"≥ {goal.factor:g}", value >= goal.factor, goal.why)


def _of_bound(bound: Bound, results: Results) -> Verdict | None:
    value = _held(results, bound.server, bound.measure)
    other = _held(results, bound.peer, bound.measure) if bound.peer else 1.0
    if value is None or other is None:
        return None
    unit = "s" if bound.measure == "start" else "MB"
    text = f"{results['titles'].get(bound.server, bound.server)}: {_BOUND_TEXTS[bound.measure]}"
    if bound.peer:
        text, value, unit = f"{text} / {results['titles'][bound.peer]}", value / other, ""
    return Verdict(
        text, f"{value:.2f} {unit}".strip(), f"≤ {bound.most:g} {unit}".strip(), value <= bound.most, bound.why
    )


def _held(results: Results, server: str, measure: str) -> float | None:
    if measure == "start":
        starts = results["starts"].get(server)
        return median(starts) if starts else None
    # Memory is told of a server that worked: one that only lent its keys was hardly under load.
    worked = any(server in work["entries"] for work in results["works"].values())
    return float(results["servers"][server][measure]) if worked else None
