"""The schema's version: brought to date before the store opens, by one process at a time."""

from __future__ import annotations

import fcntl
import logging
import os
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loguru import logger

from issuer.setting_values import is_postgres
from issuer.storage.sqlite import not_a_folder, private_file

if TYPE_CHECKING:
    import psycopg
    from sqlalchemy import Engine

HEAD = "0003"
"""The newest migration (a test holds it against the folder), known without importing Alembic."""

_MIGRATIONS = Path(__file__).parent / "migrations"
_PATIENCE = 30.0
_LOCK = 7_236_837_526_133
"""The advisory lock that replicas wait for each other on; the number means nothing."""
_OLDEST = 14
# What libpq says of certificates, once the server has answered.
_DISTRUST = re.compile("certificate (file|verify|for|present)|private key file|SSL was required")


class SchemaError(Exception):
    """The database cannot be reached, or its schema is not one that this version can use."""


def version(database: str) -> str | None:
    """The schema's version, None for an empty database."""
    if is_postgres(database):
        with closing(_reach(database)) as raw:
            return _version(raw, "SELECT 1 WHERE to_regclass('alembic_version') IS NOT NULL")
    not_a_folder(database)
    with closing(sqlite3.connect(database)) as raw:
        return _version(raw, "SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'")


def current(database: str) -> str | None:
    """`version`, of a database that must be there; nothing is made or changed."""
    if not is_postgres(database) and not Path(database).exists():
        raise SchemaError(
            f"there is no database {Path(database).absolute()}: run it where the issuer runs, or set ISSUER_DATABASE; "
            "`mcp-issuer db upgrade` makes one, as does a start"
        )
    with plainly("the database cannot be read"):
        return version(database)


def holds(database: str) -> str:
    """`current`, of a database that must be an issuer's."""
    found = current(database)
    if found is None:
        raise SchemaError("the database holds nothing of an issuer: is ISSUER_DATABASE the right one?")
    return found


def known(revision: str) -> bool:
    """Whether this version has that migration; a newer version may have others."""
    return bool(list((_MIGRATIONS / "versions").glob(f"{revision}_*.py")))


def _version(raw: Any, has_one: str) -> str | None:
    if not raw.execute(has_one).fetchone():
        return None
    row = raw.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(row[0]) if row else None


def upgrade(database: str, to: str = HEAD) -> bool:
    """Run the migrations that are due; whether any was. Replicas that start together wait for each other here."""
    with plainly("the database cannot be brought to date"), _alone(database):
        found = version(database)
        if found == to:
            return False
        if found is not None and not known(found):
            raise SchemaError(too_new(found))
        _run(database, to)
        return True


def too_new(found: str) -> str:
    return f"the database has schema {found} and this version knows {HEAD}: start the newer version again"


@contextmanager
def plainly(what: str) -> Iterator[None]:
    """Errors of either driver as one line."""
    try:
        yield
    except OSError as error:
        raise SchemaError(f"{what}: {': '.join(filter(None, (error.filename, error.strerror))) or error}") from error
    except sqlite3.Error as error:
        raise SchemaError(f"{what}: {error}") from error
    except Exception as error:
        # Named by their modules: neither is imported where it is not needed.
        if type(error).__module__.partition(".")[0] not in ("psycopg", "sqlalchemy", "alembic"):
            raise
        raise SchemaError(f"{what}: {str(getattr(error, 'orig', error)).partition(chr(10))[0]}") from error


@contextmanager
def _alone(database: str) -> Iterator[None]:
    """One process at a time."""
    if is_postgres(database):
        with closing(_reach(database)) as raw:
            raw.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
            yield
        return
    private_file(database)
    # The folder, not the file: closing any handle of a file drops the locks that SQLite holds on it.
    folder = os.open(Path(database).parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        with closing(sqlite3.connect(database)) as raw:
            # The one change that SQLite waits for no lock to make: of two who open the file one would fail.
            raw.execute("PRAGMA journal_mode = WAL")
        yield
    finally:
        os.close(folder)


def _reach(url: str) -> psycopg.Connection[tuple[Any, ...]]:
    """A connection to PostgreSQL, which may be starting just now too."""
    import psycopg

    deadline = time.monotonic() + _PATIENCE
    waits = False
    while True:
        try:
            raw = psycopg.connect(url, autocommit=True, connect_timeout=5, application_name="mcp-issuer")
            break
        except psycopg.OperationalError as error:
            if _for_good(str(error)) or time.monotonic() > deadline:
                raise
        if not waits:
            logger.warning("PostgreSQL does not answer yet: waiting up to {:.0f} s", _PATIENCE)
            waits = True
        time.sleep(0.2)
    if raw.info.server_version < _OLDEST * 10_000:
        raw.close()
        raise SchemaError(f"PostgreSQL {_OLDEST} or newer is needed")
    return raw


def _for_good(said: str) -> bool:
    """Whether it is there and will not have us, or we not it: nothing to wait for."""
    # It says FATAL when it has no such database, and also when it "is starting up" or "shutting down".
    refused = "FATAL:" in said and "the database system is" not in said
    return refused or _DISTRUST.search(said) is not None


def engine(database: str) -> Engine:
    """SQLAlchemy's way to the database, for migrations and copies; it leaves transactions to its callers."""
    # Imported here: it takes half a second, and a start on a schema that is up to date needs none of it.
    from sqlalchemy import create_engine

    if not is_postgres(database):
        return create_engine(f"sqlite:///{database}", isolation_level="AUTOCOMMIT")
    import psycopg

    # libpq reads more URLs than SQLAlchemy does.
    return create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(database), isolation_level="AUTOCOMMIT"
    )


def _run(database: str, to: str) -> None:
    from alembic import command
    from alembic.config import Config

    logging.getLogger("alembic").setLevel(logging.WARNING)
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    migrating = engine(database)
    # One transaction of ours around all of it, which SQLite's driver would otherwise end at the first CREATE.
    with migrating.connect() as connection:
        connection.exec_driver_sql("BEGIN" if is_postgres(database) else "BEGIN IMMEDIATE")
        config.attributes["connection"] = connection
        command.upgrade(config, to)
        connection.exec_driver_sql("COMMIT")
    migrating.dispose()
