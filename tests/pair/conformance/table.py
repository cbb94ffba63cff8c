"""README's conformance tables, from outcomes.json."""

from __future__ import annotations

from collections import defaultdict

from tests.pair.conformance.suite import AUTHORIZATION, NOT_SCORED, REQUIRED, Outcome, known

_GROUPS = {
    REQUIRED: "server, required",
    NOT_SCORED: "server, not scored",
    AUTHORIZATION: AUTHORIZATION,
}


def passed(outcome: Outcome) -> bool:
    """No check failed or warned, and one at least was made."""
    return outcome["passed"] > 0 and not outcome.keys() & {"failed", "warned"}


def conformance() -> str:
    """How many scenarios passed in each protocol version, then what did not and why."""
    rows = [f"| MCP | scenarios (suite {known()['suite']}) | run | passed |", "|---|---|---|---|"]
    left: dict[tuple[str, str], list[str]] = defaultdict(list)
    for version, groups in known()["outcomes"].items():
        for group, scenarios in groups.items():
            good = sum(passed(outcome) for outcome in scenarios.values())
            rows.append(f"| {version} | {_GROUPS[group]} | {len(scenarios)} | {good} |")
            for name, outcome in scenarios.items():
                if "because" in outcome:
                    left[version, outcome["because"]].append(_named(name, outcome))
    rows += ["", "| MCP | what did not pass | why |", "|---|---|---|"]
    for (version, why), those in left.items():
        rows.append(f"| {version} | {', '.join(those)} | {known()['reasons'][why]} |")
    return "\n".join(rows)


def _named(name: str, outcome: Outcome) -> str:
    """A scenario; with the number of checks, where it passed but for some that were skipped."""
    return f"{len(outcome['skipped'])} checks of `{name}`" if passed(outcome) else f"`{name}`"
