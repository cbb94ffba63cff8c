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
CALLS = "fsync,fdatasync,recvfrom,recvmsg,read,sendto,sendmsg,write,writev"
WAIT = re.compile(r"\bf(?:data)?sync\(\d+\) += 0|<\.\.\. f(?:data)?sync resumed>.* = 0")
REQUEST = re.compile(r'\b(?:recvfrom|recvmsg|read)\(.*"POST /token ')
ANSWER = re.compile(r'\b(?:sendto|sendmsg|writev?)\(.*"HTTP/1\.1 200 ')


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
        waits, early = in_order((tmp_path / "trace").read_text().splitlines())
    record_property("ISSUER_SQLITE_SYNCHRONOUS", synchronous)
    record_property("refreshes", REFRESHES)
    record_property("waits for the disk", waits)
    if per_commit:
        assert waits >= REFRESHES
        assert not early, "answers that came before the disk had what they tell"
    else:
        assert waits < REFRESHES / 5, "the log is brought into the database now and then"


def in_order(trace: list[str]) -> tuple[int, int]:
    """How often the disk was waited for, and how many answers left without a wait since their request had come."""
    waits, answers, early, waited = 0, 0, 0, False
    for line in trace:
        if WAIT.search(line):
            waits, waited = waits + 1, True
        elif REQUEST.search(line):
            waited = False
        elif ANSWER.search(line):
            answers, early = answers + 1, early + (not waited)
    assert answers == REFRESHES, "one client asks for one thing after another"
    return waits, early


@contextlib.contextmanager
def traced(issuer: Replicas, file: Path) -> Iterator[None]:
    """`file` gets a line for each time that a thread of the issuer waits for the disk, or reads or writes anything."""
    process = issuer.running[0].process
    assert process
    command = ["strace", "-f", "-s", "24", "-e", f"trace={CALLS}", "-o", str(file), "-p", str(process.pid)]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as watching:
        assert watching.stderr
        assert b"attached" in watching.stderr.readline()
        try:
            yield
            time.sleep(0.2)
        finally:
            watching.send_signal(signal.SIGINT)
            watching.wait(30)
