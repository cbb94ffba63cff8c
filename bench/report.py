"""results.json as a README: one table of verdicts, one of figures, one of where a request spends its time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from statistics import median
from typing import Any

from bench import costs, goals

_HEAD = """\
# Benchmark

`./dev bench` measures the pair beside others in one run on one machine, in turns, and writes everything below: this
page, `results.json` and `chart.svg`. `./dev bench --quick` takes two minutes, `--only token,tool` picks. It needs Linux
with two cores, `wrk` and npm (Debian packages); the others are installed into `bench/peers` as the lock files there
say.

Each server runs in one process on one core, two workers on two. The load generator (wrk, 16 connections, or 8 where
each goes on with what its last answer held) has a core too, on a machine of two cores the second worker's. Everything
that is on by default is on, the issuer stores in SQLite with `synchronous=FULL` unless a line says otherwise, the
access log is off. The others run as their documentation shows them and keep everything in memory. A ratio is the
median of the ratios of single rounds: both sides of a round saw the same machine. Compare ratios, not figures: another
machine has others.
"""


def readme(results: Mapping[str, Any], profiles: Mapping[str, Any]) -> str:
    parts = [_HEAD, _about(results), "![Units of work a second](chart.svg)\n", "## Goals\n", _goals(results)]
    parts += ["\n## Figures\n", _figures(results), "\n## Memory and start\n", _servers(results)]
    if of_units := costs.costs(results):
        parts += ["\n## What the goals leave\n", _COSTS, _costs(results, of_units)]
    if profiles:
        parts += ["\n## Where a request spends its time\n", _profiles(profiles)]
    return "\n".join(parts).replace("\n\n\n", "\n\n")


_COSTS = """\
Microseconds of one core for a unit of work. Its RSA signatures (as `openssl speed` makes them) and its requests (as a
bare route of the same framework and HTTP server answers them) are what nobody on this stack can go below; the rest is
the issuer's: OAuth, storage, counting, logging. The last column is what the goal would leave for that rest.
"""


def _costs(results: Mapping[str, Any], of_units: Iterable[costs.Cost]) -> str:
    rows = []
    for cost in of_units:
        work = f"{results['works'][cost.goal.work]['title']}: {results['titles'][cost.goal.ours]}"
        figures = (cost.whole, cost.signing, cost.http, cost.rest, cost.left)
        rows.append((work, *(f"{figure:,.0f}" for figure in figures)))
    return _table(("", "a unit", "signing", "HTTP alone", "the rest", "the goal leaves"), rows)


def _table(head: Iterable[str], rows: Iterable[Iterable[object]], right: int = 1) -> str:
    names = list(head)
    lines = [f"| {' | '.join(names)} |", "|" + "---|" * right + "--:|" * (len(names) - right)]
    lines += [f"| {' | '.join(map(str, row))} |" for row in rows]
    return "\n".join(lines) + "\n"


def _about(results: Mapping[str, Any]) -> str:
    machine, pace = results["machine"], results["pace"]
    return (
        f"Measured on {results['date']}: {machine['processor']}, {machine['cores']} cores, Linux {machine['kernel']}, "
        f"Python {machine['python']}; {pace['rounds']} rounds of {pace['seconds']} s after a warm-up that is not "
        f"counted.{_busy(results)}\n"
    )


def _busy(results: Mapping[str, Any]) -> str:
    """Whether the servers had their core for themselves: the first work's are bound by nothing but that core."""
    entries = [entry for work in results["works"].values() for entry in work["entries"].values()][:1]
    if not entries or entries[0]["server_cpu"] > 0.9:
        return ""
    return (
        f" **The machine was busy with other things:** the first server got {entries[0]['server_cpu']:.0%} of its core "
        "under full load. These figures are preliminary."
    )


def _goals(results: Mapping[str, Any]) -> str:
    verdicts = goals.judge(results)
    table = _table(
        ("", "is", "goal", ""), [(v.text, v.value, v.wanted, "met" if v.met else "**not met**") for v in verdicts]
    )
    reasons = [f"- {v.text}: {v.why}." for v in verdicts if v.why and not v.met]
    return "\n".join([table, "What stands in the way of those that are not met:\n", *reasons, ""]) if reasons else table


def _figures(results: Mapping[str, Any]) -> str:
    rows = []
    for work in results["works"].values():
        for name, entry in work["entries"].items():
            percent = [f"{entry[side]:.0%}" for side in ("server_cpu", "load_cpu")]
            rate = f"{entry['rate']:,.0f} ({entry['least']:,.0f} to {entry['most']:,.0f})"
            times = [entry["p50"], entry["p99"]] if entry["p99"] else ["", ""]
            cells = [work["title"], results["titles"][name], f"{rate} {work['unit']}", *times]
            rows.append([*cells, " / ".join(percent), entry["errors"]])
    head = ("work", "server", "median (least to most)", "p50, ms", "p99, ms", "CPU of server / load", "errors")
    return _table(head, rows, right=2)


def _servers(results: Mapping[str, Any]) -> str:
    rows = []
    for name in sorted({*results["servers"], *results["starts"]}):
        known, starts = results["servers"].get(name, {}), results["starts"].get(name, [])
        start = f"{median(starts):.2f}" if starts else ""
        rows.append((results["titles"][name], start, known.get("idle_mb", ""), known.get("peak_mb", "")))
    return _table(("server", "start to the first 200, s", "idle, MB", "at most, MB"), rows)


def _profiles(profiles: Mapping[str, Any]) -> str:
    """Shares of samples that py-spy took while the work was done; before the pair was made fast too, where known."""
    parts = ["Shares of the samples that `py-spy` took under load; of two works also before they were made fast.\n"]
    for work in profiles.values():
        told = {name: work[name] for name in ("before", "after") if name in work}
        names = {name for found in told.values() for name in found}
        by_size = sorted(names, key=lambda name: -max(found.get(name, 0) for found in told.values()))
        rows = [(name, *(f"{found[name]:.0%}" if name in found else "" for found in told.values())) for name in by_size]
        parts.append(_table((work["title"], *(told if len(told) > 1 else ("share",))), rows))
    return "\n".join(parts)


def ratios(results: Mapping[str, Any]) -> str:
    """The verdicts for a terminal."""
    return "\n".join(
        f"{'   ' if verdict.met else 'NOT'} {verdict.value:>8} ({verdict.wanted:<8}) {verdict.text}"
        for verdict in goals.judge(results)
    )
