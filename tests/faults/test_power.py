"""What a power cut may take: with FULL, the default, no commit is acknowledged before the disk has it."""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.faults.database import Database
from tests.faults.replicas import Replicas, replicas
from tests.faults.scale import Record, fault, size
from tests.hostile.rows import row
from tests.support import oauth

REFRESHES = size(50, 500)


@row("FLT-07")
@pytest.mark.tracing
@pytest.mark.parametrize(
    ("synchronous", "per_commit"), [("FULL", 1), ("NORMAL", 0)], ids=["sqlite-FULL", "sqlite-NORMAL"]
)
@fault("the power goes: how often the issuer waits for the disk")
def test_each_commit_is_on_the_disk_before_its_answer(
    tmp_path: Path, synchronous: str, per_commit: int, record_property: Record
) -> None:
    settings = {"ISSUER_SQLITE_SYNCHRONOUS": synchronous}
    with replicas(tmp_path, Database(str(tmp_path / "issuer.db")), 1, **settings) as issuer:
        client = oauth.Client.register(issuer.http())
        token = client.tokens()["refresh_token"]
        with traced(issuer, tmp_path / "trace"):
            for _ in range(REFRESHES):
                token = client.refresh(token).json()["refresh_token"]
        waits = len(re.findall(r"\bf(?:data)?sync\(\d+\) += 0", (tmp_path / "trace").read_text()))
    record_property("ISSUER_SQLITE_SYNCHRONOUS", synchronous)
    record_property("refreshes", REFRESHES)
    record_property("waits for the disk", waits)
    if per_commit:
        assert waits >= REFRESHES
    else:
        assert waits < REFRESHES / 5, "the log is brought into the database now and then"


@contextlib.contextmanager
def traced(issuer: Replicas, file: Path) -> Iterator[None]:
    """`file` gets a line for each time that any thread of the issuer waits for the disk."""
    process = issuer.running[0].process
    assert process
    command = ["strace", "-f", "-e", "trace=fsync,fdatasync", "-o", str(file), "-p", str(process.pid)]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as watching:
        assert watching.stderr
        assert b"attached" in watching.stderr.readline()
        try:
            yield
            time.sleep(0.2)
        finally:
            watching.send_signal(signal.SIGINT)
            watching.wait(30)
