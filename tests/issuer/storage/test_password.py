"""The password of PostgreSQL outside the URL, as libpq reads it: any sign may be in it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support import postgres
from tests.support.servers import clean_environment, free_port, running

pytestmark = pytest.mark.postgres
PASSWORD = "p@ss/w#rd:%"


@pytest.fixture
def strict() -> Iterator[postgres.Cluster]:
    """A server that wants a password of whoever comes over the network."""
    with postgres.cluster(free_port()) as started:
        started.run(f"CREATE ROLE issuer LOGIN PASSWORD '{PASSWORD}'")
        started.run("CREATE DATABASE issuer OWNER issuer")
        started.stop()
        (started.folder / "data" / "pg_hba.conf").write_text("host all all 127.0.0.1/32 scram-sha-256\n")
        started.start()
        yield started


def test_the_issuer_and_its_commands_take_pgpassword(strict: postgres.Cluster, tmp_path: Path) -> None:
    port = str(free_port())
    settings = {"ISSUER_PORT": port, "ISSUER_DATABASE": f"postgresql://issuer@127.0.0.1:{strict.port}/issuer"}
    with running("issuer", tmp_path, **settings, PGPASSWORD=PASSWORD) as service:  # migrates, then serves
        log = service.log()
    assert PASSWORD not in log
    for password, code in (PASSWORD, 0), ("wrong", 1):
        done = subprocess.run(
            [sys.executable, "-m", "issuer", "db", "check"],
            cwd=tmp_path,
            env=clean_environment(**settings, PGPASSWORD=password),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == code, done.stderr
        assert password not in done.stdout + done.stderr
