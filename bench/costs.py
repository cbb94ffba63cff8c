"""What a unit of work costs, in microseconds of one core, beside what no server on this stack could spare."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.goals import GOALS, Goal
from bench.works import BARE, LIMIT

# Requests and RSA signatures in a unit of each work.
PARTS = {"token": (1, 1), "refresh": (1, 1), "code": (2, 1), "register": (1, 0), "page": (1, 0)}


@dataclass(frozen=True)
class Cost:
    """Microseconds. whole: what a unit takes. signing and http: the least that its signatures and its requests take,
    as `openssl speed` and a bare route have it. goal: what a unit may take to meet its goal."""

    goal: Goal
    whole: float
    signing: float
    http: float
    wanted: float

    @property
    def rest(self) -> float:
        """All that the issuer does beside signing and speaking HTTP."""
        return self.whole - self.signing - self.http

    @property
    def left(self) -> float:
        """What the goal leaves for that."""
        return self.wanted - self.signing - self.http


def costs(results: Mapping[str, Any]) -> list[Cost]:
    """A cost for each goal of a rate that these results can tell about."""
    works = results["works"]
    try:
        signature = _microseconds(works["token"]["entries"][LIMIT])
        request = _microseconds(works["jwks"]["entries"][BARE.name])
    except KeyError:
        return []
    found = []
    for goal in GOALS:
        entries = works.get(goal.work, {}).get("entries", {})
        if (
            goal.work in PARTS
            and goal.measure == "rate"
            and goal.peer != LIMIT
            and {goal.ours, goal.peer} <= set(entries)
        ):
            requests, signatures = PARTS[goal.work]
            whole, wanted = _microseconds(entries[goal.ours]), _microseconds(entries[goal.peer]) / goal.factor
            found.append(Cost(goal, whole, signatures * signature, requests * request, wanted))
    return found


def _microseconds(entry: Mapping[str, Any]) -> float:
    return 1e6 / float(entry["rate"])
