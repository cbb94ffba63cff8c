"""`kill -9` while clients write: what was acknowledged is there, and nothing can be used twice."""

from __future__ import annotations

import random
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.faults.database import Database
from tests.faults.ledger import Ledger, Program
from tests.faults.replicas import replicas
from tests.faults.scale import Record, fault, size
from tests.hostile.rows import row

KILLS = size(10, 200)
PROGRAMS = 6


@row("FLT-01")
@fault("`kill -9` in mid-write", minutes=15)
def test_killed_in_mid_write(database: Database, tmp_path: Path, record_property: Record) -> None:
    ledger, moments, ready = Ledger(), random.Random(), []
    with replicas(tmp_path, database) as issuer, ThreadPoolExecutor(PROGRAMS) as pool:
        for kill in range(KILLS):
            programs = [Program(issuer.origins[0], ledger, kill * PROGRAMS + n) for n in range(PROGRAMS)]
            working = [pool.submit(program.work) for program in programs]
            time.sleep(moments.uniform(0.05, 0.5))
            issuer.kill()
            for each in working:
                each.result()
            ready.append(issuer.start())
            list(pool.map(Program.look_back, programs))
            if kill % 10 == 9 or kill == KILLS - 1:
                list(pool.map(Program.replay, programs))
            for program in programs:
                program.http.close()
        issuer.stop()
        assert "sound" in issuer.run("db", "check")
    record_property("kills", KILLS)
    for kind, count in ledger.acknowledged.items():
        record_property(f"acknowledged {kind}s", count)
    record_property("never answered", sum(ledger.under_way.values()))
    record_property("acknowledged and lost", len(ledger.lost))
    record_property("usable twice", len(ledger.twice))
    record_property("longest until ready again, s", round(max(ready), 1))
    assert not ledger.lost
    assert not ledger.twice
    assert not database.unsound()
    assert sum(ledger.under_way.values()) >= KILLS, "the kills hit nobody"
    assert ledger.acknowledged["rotation"] > KILLS
