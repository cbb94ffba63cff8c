"""The schema's version: brought to date before the store opens, by one process at a time."""

from __future__ import annotations

import fcntl
import logging
import sqlite3
from contextlib import closing
from pathlib import Path

from issuer.storage.sqlite import private_file

HEAD = "0002"
"""The newest migration (a test holds it against the folder), known without importing Alembic."""

_MIGRATIONS = Path(__file__).parent / "migrations"


class SchemaError(Exception):
    """The database's schema is not one that this version can use."""


def version(path: str) -> str | None:
    """The schema's version, None for an empty database."""
    with closing(sqlite3.connect(path)) as raw:
        if not raw.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone():
            return None
        row = raw.execute("SELECT version_num FROM alembic_version").fetchone()
        return str(row[0]) if row else None


def upgrade(path: str) -> None:
    """Run the migrations that are due. Replicas that start together wait for each other here."""
    try:
        private_file(path)
        with open(path, "rb") as lock:
            # SQLite locks ranges of bytes by fcntl; flock is another lock on the same file, and no file of its own.
            fcntl.flock(lock, fcntl.LOCK_EX)
            found = version(path)
            if found == HEAD:
                return
            if found is not None and found > HEAD:
                raise SchemaError(
                    f"the database has schema {found} and this version knows {HEAD}: start the newer version again"
                )
            _run(path)
    except (sqlite3.Error, OSError) as error:
        raise SchemaError(f"the database cannot be brought to date: {error}") from error


def _run(path: str) -> None:
    # Imported here: they take a second, and a start on a schema that is up to date needs neither.
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import create_engine

    logging.getLogger("alembic").setLevel(logging.WARNING)
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    # One transaction of ours around all of it, which the driver would otherwise end at the first CREATE.
    engine = create_engine(f"sqlite:///{path}", isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        config.attributes["connection"] = connection
        command.upgrade(config, HEAD)
        connection.exec_driver_sql("COMMIT")
    engine.dispose()
