"""Every backend for every test of the contract: a fresh database each, made from one that was migrated once."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.support.postgres import Cluster

from issuer import app, settings
from issuer.storage import schema
from issuer.store import Store


def build(database: str) -> Store:
    """The store as the issuer builds it."""
    return app.build_store(settings.load({"ISSUER_DATABASE": database}))


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "issuer.db"
    schema.upgrade(str(path))
    return path


@pytest.fixture(scope="session")
def postgres_template(cluster: Cluster) -> str:
    """The name of the database."""
    url = cluster.create()
    schema.upgrade(url)
    return url.rpartition("/")[2]


@pytest.fixture
def sqlite(sqlite_template: Path, tmp_path: Path) -> str:
    return str(shutil.copy(sqlite_template, tmp_path / "issuer.db"))


@pytest.fixture
def postgres(cluster: Cluster, postgres_template: str) -> Iterator[str]:
    url = cluster.create(postgres_template)
    yield url
    cluster.drop(url)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest) -> str:
    name: str = request.getfixturevalue(request.param)
    return name


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database before its first migration."""
    if request.param == "sqlite":
        yield str(tmp_path / "folder" / "issuer.db")
    else:
        cluster: Cluster = request.getfixturevalue("cluster")
        url = cluster.create()
        yield url
        cluster.drop(url)


@pytest.fixture
async def store(database: str) -> AsyncIterator[Store]:
    opened = build(database)
    await opened.open()
    yield opened
    await opened.close()
