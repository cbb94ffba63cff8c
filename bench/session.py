"""One run of the benchmark: starts what takes part, lets it compete, and gathers what is known of each."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Collection
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench import load, machine, profile, rounds, servers, works
from bench.load import Sample
from bench.rounds import Pace, Turn
from bench.servers import Candidate, Running
from bench.works import LIMIT, Work


class Session:
    """Servers are started when they first take part, and end with the session. folder: where each has its own."""

    def __init__(self, stack: ExitStack, folder: Path, pace: Pace) -> None:
        self.stack, self.folder, self.pace = stack, folder, pace
        self.cores = machine.cores()
        self.running: dict[str, Running] = {}
        self.titles: dict[str, str] = {}

    def start(self, candidate: Candidate) -> Running:
        known = self.running.get(candidate.name)
        if known is None:
            say(f"   starting {candidate.title}")
            core = self.cores.both if candidate.workers > 1 else self.cores.server
            server = servers.running(candidate, self.folder / candidate.name, core)
            known = self.running[candidate.name] = self.stack.enter_context(server)
            self.titles[candidate.name] = candidate.title
        return known

    def compete(self, work: Work) -> dict[str, Any]:
        say(f"-- {work.title}")
        turns = {entry.candidate.name: self._turn(entry) for entry in work.entries}
        if work.limit:
            self.titles[LIMIT] = "one core that does nothing but sign (`openssl speed`)"
            turns[LIMIT] = self._signing
        found = {name: rounds.summary(samples) for name, samples in rounds.run(turns, self.pace).items()}
        for name, entry in found.items():
            say(f"   {entry['rate']:>9} {work.unit:<12} p99 {entry['p99']:>7} ms  errors {entry['errors']}  {name}")
        return {"title": work.title, "unit": work.unit, "entries": found}

    def _turn(self, entry: works.Entry) -> Turn:
        server = self.start(entry.candidate)
        first = entry.make(server)
        make: Callable[[], Any] = (lambda: entry.make(server)) if entry.fresh else (lambda: first)
        return rounds.wrk(make, server.port, self.cores.load, server.process.pid)

    def _signing(self, seconds: int) -> Sample:
        rate = machine.rsa_signatures(self.cores.server, max(1, round(seconds / 2)))
        return Sample(rate, 0, 0, 0, 0, 1.0, 0)

    def servers(self) -> dict[str, Any]:
        """What is known of every server that took part: how it started, and its memory."""
        return {
            name: {
                "start_seconds": round(server.start_seconds, 2),
                "idle_mb": round(server.idle_memory, 1),
                "peak_mb": round(machine.memory(server.process.pid), 1),
                "answers": server.notes.get("answer"),
            }
            for name, server in self.running.items()
        }

    def starts(self, candidates: Collection[Candidate]) -> dict[str, list[float]]:
        """Seconds from the start to the first 200, in turns."""
        found: dict[str, list[float]] = {candidate.name: [] for candidate in candidates}
        say("-- starting")
        for number in range(1 + self.pace.rounds):
            for candidate in candidates:
                self.titles[candidate.name] = candidate.title
                core = self.cores.both if candidate.workers > 1 else self.cores.server
                with servers.running(candidate, self.folder / f"start-{candidate.name}", core) as server:
                    if number:  # the first start makes keys and a database
                        found[candidate.name].append(round(server.start_seconds, 3))
        return found


def profiles(stack: ExitStack, folder: Path) -> dict[str, Any]:
    """Where the first competitor of a work, which is ours, spends its time."""
    session = Session(stack, folder, rounds.QUICK)
    every = [*works.of_the_issuer(), *works.of_the_resource(session.start(works.ISSUER))]
    found = {}
    for work in every:
        if work.name in profile.WORKS:
            server = session.start(work.entries[0].candidate)
            make = work.entries[0].make
            load.run(make(server), server.port, 3, session.cores.load, server.process.pid)
            found[work.name] = {"title": work.title, "after": profile.take(server, make(server), session.cores.load)}
    return found


def run(stack: ExitStack, folder: Path, pace: Pace, only: Collection[str]) -> dict[str, Any]:
    """The results of the works that are named in `only`, or of all."""
    session = Session(stack, folder, pace)

    def wanted(name: str) -> bool:
        return not only or name in only

    found = {work.name: session.compete(work) for work in works.of_the_issuer() if wanted(work.name)}
    lender = session.start(works.ISSUER) if any(map(wanted, works.WITH_TOKENS)) else None
    if lender is not None:
        found |= {w.name: session.compete(w) for w in works.of_the_resource(lender) if wanted(w.name)}
    starts = session.starts(works.starting(lender)) if lender is not None and wanted("start") else {}
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "machine": machine.description(),
        "pace": {"rounds": pace.rounds, "seconds": pace.seconds},
        "works": found,
        "starts": starts,
        "servers": session.servers(),
        "titles": session.titles,
    }


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
