"""What is wrong with a database, and how much it holds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from issuer.setting_values import is_postgres
from issuer.storage import schema

if TYPE_CHECKING:
    from sqlalchemy import Connection


@contextmanager
def _reading(database: str) -> Iterator[Connection]:
    engine = schema.engine(database)
    try:
        with schema.plainly("the database cannot be read"), engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def damages(database: str) -> list[str]:
    """What is wrong with a database that has the newest schema; nothing, if all is well."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from issuer.storage.tables import metadata

    with _reading(database) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        found = [
            f"the schema is not the one of this version: {change}" for change in compare_metadata(context, metadata)
        ]
        if not is_postgres(database):  # PostgreSQL finds broken pages as it reads them, and no row breaks a reference
            rows = connection.exec_driver_sql("PRAGMA integrity_check").fetchall()
            found += [str(row[0]) for row in rows if row[0] != "ok"]
            rows = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
            found += [f"a row of {row[0]} refers to one of {row[2]} that is not there" for row in rows]
    return found


def counts(database: str) -> dict[str, int]:
    """How many rows each table has."""
    from sqlalchemy import func, select

    from issuer.storage.tables import metadata

    with _reading(database) as connection:
        return {
            name: connection.scalar(select(func.count()).select_from(table)) or 0
            for name, table in sorted(metadata.tables.items())
        }
