"""Turn by turn: every competitor in every round, so that what disturbs the machine disturbs all of them alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from bench import load
from bench.load import Load, Sample


@dataclass(frozen=True)
class Pace:
    """rounds: how often each has its turn. seconds: of one turn. warm_up: seconds before the first, not counted."""

    rounds: int
    seconds: int
    warm_up: int


FULL = Pace(rounds=5, seconds=3, warm_up=3)
QUICK = Pace(rounds=2, seconds=1, warm_up=1)

Turn = Callable[[int], Sample]
"""One turn of a competitor, of so many seconds."""


def wrk(make: Callable[[], Load], port: int, core: int, server: int) -> Turn:
    """make: called before each turn, for work that uses up what it begins with."""
    return lambda seconds: load.run(make(), port, seconds, core, server)


def run(competitors: Mapping[str, Turn], pace: Pace) -> dict[str, list[Sample]]:
    for turn in competitors.values():
        if pace.warm_up:
            turn(pace.warm_up)
    found: dict[str, list[Sample]] = {name: [] for name in competitors}
    for _ in range(pace.rounds):
        for name, turn in competitors.items():
            found[name].append(turn(pace.seconds))
    return found


def summary(samples: list[Sample]) -> dict[str, Any]:
    """Median, least and most of all rounds; errors are added up."""
    rates = sorted(sample.rate for sample in samples)
    return {
        "rate": round(median(rates), 1),
        "least": round(rates[0], 1),
        "most": round(rates[-1], 1),
        "p50": round(median(sample.p50 for sample in samples), 2),
        "p99": round(median(sample.p99 for sample in samples), 2),
        "slowest": round(max(sample.slowest for sample in samples), 1),
        "errors": sum(sample.errors for sample in samples),
        "server_cpu": round(median(sample.server_cpu for sample in samples), 2),
        "load_cpu": round(median(sample.load_cpu for sample in samples), 2),
        "rounds": [asdict(sample) for sample in samples],
    }
