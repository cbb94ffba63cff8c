"""The figures of docs/scale.md, from what `python -m bench.flows` measured: nothing is written by hand."""

from __future__ import annotations

import json
import textwrap
from typing import Any

from tests.house.tree import ROOT

from issuer.settings import Settings

FLOWS = ROOT / "bench" / "flows.json"
NAMES = {
    "registration": "registration of a client",
    "login": "a login: pages, consent, code, tokens",
    "refresh": "a refresh",
    "client_credentials": "a machine's token",
    "introspection": "an introspection",
    "revocation": "a revocation",
}
LIFE, DAY = 900, 8 * 3600
"""Seconds: an access token, and how long a program is used in a day."""


def _measured() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(FLOWS.read_text())
    return found


def _round(number: float) -> str:
    """Two digits count."""
    digits = len(str(int(number)))
    return f"{round(number, 2 - digits) if digits > 2 else round(number):,.0f}"


def flows_table(_: str) -> str:
    measured = _measured()
    head = ("", "issuer", "at most, one replica", "PostgreSQL", "commits", "flushes", "log", "kept")
    rows = [head, ("---",) * len(head)]
    for flow, name in NAMES.items():
        one = measured["flows"][flow]
        times = f"{one['issuer_ms']:.1f} ms", f"{_round(1000 / one['issuer_ms'])} /s", f"{one['postgresql_ms']:.1f} ms"
        counts = f"{one['commits']:.1f}", f"{one['flushes']:.1f}"
        rows.append((name, *times, *counts, _bytes(one["wal_bytes"]), _bytes(one["kept_bytes"])))
    note = (
        f"Measured {measured['made']} on {measured['machine']}, PostgreSQL {measured['postgresql']} beside it, "
        f"{measured['threads']} requests at a time: milliseconds of processor time, commits, flushes of the log, "
        "bytes of log and of tables before a vacuum, for one of each. A login is one click here; a password costs an "
        "argon2 beside it."
    )
    return "\n".join([*(_row(*row) for row in rows), "", textwrap.fill(note, 120)])


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _bytes(number: float) -> str:
    return f"{number / 1024:.1f} KiB" if number >= 1024 else f"{max(0, number):.0f} B"


def limits_table(_: str) -> str:
    flows = _measured()["flows"]
    refresh, login = flows["refresh"], flows["login"]
    own, its, flushes = refresh["issuer_ms"], refresh["postgresql_ms"], max(refresh["flushes"], 0.01)
    a_day = DAY // LIFE
    log = (a_day * refresh["wal_bytes"] + login["wal_bytes"]) * 1e6 / 2**30
    kept_days = Settings.model_fields["ISSUER_REFRESH_IDLE_SECONDS"].default // 86400
    spent = a_day * kept_days * refresh["kept_bytes"] * 1e6 / 2**30
    rows = [
        ("limit", "arithmetic", "so"),
        ("---",) * 3,
        (
            "a core of PostgreSQL",
            f"1,000 ms / {its:.2f} ms for a refresh, one in {LIFE} s for each program in use",
            f"{_round(1000 / its)} refreshes a second, for {_round(1000 / its * LIFE)} programs at once",
        ),
        ("replicas for such a core", f"{own:.2f} ms / {its:.2f} ms", f"{own / its:.1f} of them keep it busy"),
        (
            "a disk that flushes in 1 ms",
            f"1,000 / {flushes:.2f} flushes for a refresh",
            f"{_round(1000 / flushes)} refreshes a second, and more as flushes are shared",
        ),
        (
            "log in a day",
            f"{a_day} refreshes of {_bytes(refresh['wal_bytes'])} in 8 hours, a login of {_bytes(login['wal_bytes'])}",
            f"{log:,.0f} GiB for a million people with one program each",
        ),
        (
            "refresh tokens, the largest table",
            f"{a_day} refreshes a day, {_bytes(refresh['kept_bytes'])} kept of each for {kept_days} days",
            f"{spent:,.0f} GiB for a million people with one program each",
        ),
        (
            "all tables",
            f"a login keeps {_bytes(login['kept_bytes'])}, and its refreshes those; what has expired is swept",
            f"{spent + login['kept_bytes'] * 1e6 / 2**30:,.0f} GiB for them",
        ),
    ]
    return "\n".join(_row(*row) for row in rows)
