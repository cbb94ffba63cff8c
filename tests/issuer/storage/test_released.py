"""Schemas as they were released, in `released/`: migrations still make them, and bring them to date with their rows.

A migration that was released is never changed: databases out there have run it as it was. With a new one comes a dump
of what it makes, for each kind of database, with a row in every table.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import MetaData, inspect, select
from tests.issuer.storage.conftest import build

from issuer.model import Client, Secret
from issuer.setting_values import is_postgres
from issuer.storage import inspection, schema
from issuer.store import Transaction

_FOLDER = Path(__file__).parent / "released"
_REVISIONS = sorted({path.name.partition(".")[0] for path in _FOLDER.glob("*.sql")})
Rows = dict[str, list[dict[str, Any]]]


def load(database: str, revision: str) -> None:
    kind = "postgres" if is_postgres(database) else "sqlite"
    script = (_FOLDER / f"{revision}.{kind}.sql").read_text(encoding="utf-8")
    if is_postgres(database):
        with psycopg.connect(database) as connection:
            connection.execute(script.encode())
    else:
        Path(database).parent.mkdir(exist_ok=True)
        with closing(sqlite3.connect(database)) as raw:
            raw.executescript(script)


def wipe(database: str) -> None:
    if is_postgres(database):
        with psycopg.connect(database) as connection:
            connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    else:
        Path(database).unlink()


def described(database: str) -> dict[str, object]:
    """All that there is to say about the tables."""
    engine = schema.engine(database)
    found, where = inspect(engine), f"{engine.dialect.name}_where"
    said: dict[str, object] = {}
    for table in found.get_table_names():
        columns = [(c["name"], str(c["type"]), c["nullable"], c["default"]) for c in found.get_columns(table)]
        keys = [found.get_pk_constraint(table), *found.get_foreign_keys(table), *found.get_unique_constraints(table)]
        indexes = [
            (index["name"], index["column_names"], index["unique"], str(index.get("dialect_options", {}).get(where)))
            for index in found.get_indexes(table)
        ]
        said[table] = columns, sorted(map(str, keys)), sorted(map(str, indexes))
    engine.dispose()
    return said


def rows(database: str) -> Rows:
    engine, found = schema.engine(database), MetaData()
    found.reflect(engine)
    with engine.connect() as connection:
        read = {
            name: [dict(row) for row in connection.execute(select(table)).mappings()]
            for name, table in found.tables.items()
            if name != "alembic_version"
        }
    engine.dispose()
    return read


def test_every_migration_has_its_dumps() -> None:
    migrations = Path(schema.__file__).parent / "migrations" / "versions"
    numbers = sorted(path.name.partition("_")[0] for path in migrations.glob("0*.py"))
    assert numbers == _REVISIONS
    for kind in ("sqlite", "postgres"):
        assert len(list(_FOLDER.glob(f"*.{kind}.sql"))) == len(numbers)


@pytest.mark.parametrize("revision", _REVISIONS)
def test_a_released_migration_still_makes_what_it_made(empty: str, revision: str) -> None:
    load(empty, revision)
    released = described(empty)
    wipe(empty)
    schema.upgrade(empty, revision)
    assert described(empty) == released


@pytest.mark.parametrize("revision", _REVISIONS)
async def test_a_released_schema_is_brought_to_date_with_its_rows(empty: str, revision: str) -> None:
    load(empty, revision)
    before = rows(empty)
    assert all(before.values()), "there is a row in every table"
    assert schema.upgrade(empty) == (revision != schema.HEAD)
    assert schema.version(empty) == schema.HEAD
    assert inspection.damages(empty) == []
    after = rows(empty)
    for table, kept in before.items():
        assert [{name: row[name] for name in kept[0]} for row in after[table]] == kept, table

    store = build(empty)
    await store.open()
    try:
        await store.read(understood)
    finally:
        await store.close()


def understood(tx: Transaction) -> None:
    """What the rows say to this version."""
    id = "https://app.example/client.json"
    assert tx.clients.get(id) == Client(
        id=id,
        origin="document",
        created_at=1_800_000_000,
        redirect_uris=("https://app.example/cb",),
        grant_types=("authorization_code", "refresh_token"),
        auth_method="client_secret_basic",
        name="Zoë's app",
        scope=("mcp:tools",),
        secrets=(Secret("b2"), Secret("b3", 1_800_003_600)),
        registration="a1" * 32,
        introspects=("http://127.0.0.1:8000/mcp",),
        metadata={"client_uri": "https://app.example"},
    )
    person, session, family = tx.users.named("zoe"), tx.sessions.get("c3" * 32), tx.families.get("family-1")
    assert person is not None
    assert (person.subject, person.name, person.disabled) == ("u-1", "Zoë", True)
    assert session is not None
    assert session.subject == "u-1"
    assert family is not None
    assert (family.scope, family.revoked_at) == (("mcp:tools", "offline_access"), 1_800_000_120)
    code, token = tx.codes.get("d4" * 32), tx.refresh_tokens.get("e5" * 32)
    assert code is not None
    assert (code.family, code.failures) == ("family-1", 1)
    assert token is not None
    assert (token.parent, token.salt) == ("e4" * 32, b"\x00\xff\x10\xab")
    assert tx.consents.covers("u-1", id, "https://app.example/cb", "http://127.0.0.1:8000/mcp", ("mcp:tools",))
    assert tx.limits.count("login:zoe:192.0.2.1", 1_800_000_000) == (3, 1_800_000_300)
    assert tx.denied.has("family-1.jti")
