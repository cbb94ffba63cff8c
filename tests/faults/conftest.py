"""Each fault on both databases, the PostgreSQL being one that no other test uses."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.faults.database import Database
from tests.support import postgres, servers

ON_POSTGRES = pytest.param("postgres", marks=pytest.mark.postgres)


@pytest.fixture(scope="session")
def own_cluster() -> Iterator[postgres.Cluster]:
    with postgres.cluster(servers.free_port()) as started:
        yield started


@pytest.fixture(params=["sqlite", ON_POSTGRES])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An empty one."""
    if request.param == "sqlite":
        yield Database(str(tmp_path / "issuer.db"))
        return
    cluster: postgres.Cluster = request.getfixturevalue("own_cluster")
    url = cluster.create()
    yield Database(url, cluster)
    cluster.drop(url)
