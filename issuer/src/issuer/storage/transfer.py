"""All rows of one database into another, whichever kind each is: copies, and backups, which are SQLite files."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from issuer.setting_values import is_postgres
from issuer.storage import inspection, schema
from issuer.storage.schema import SchemaError

if TYPE_CHECKING:
    from sqlalchemy import Connection, Table

_BATCH = 1000
_SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


def copy(source: str, target: str, *, replace: bool = False) -> int:
    """Copy every row in one transaction, and count them on both sides; how many there are.

    A target with rows is refused, or with `replace` emptied in the same transaction. Both have the same schema.
    """
    from sqlalchemy import func, insert, select

    tables = _tables(target)
    with (
        schema.plainly("nothing was copied"),
        _transaction(source, _SNAPSHOT if is_postgres(source) else "BEGIN") as old,
        _transaction(target, "BEGIN" if is_postgres(target) else "BEGIN IMMEDIATE") as new,
    ):
        if is_postgres(target):
            new.exec_driver_sql(f"LOCK TABLE {', '.join(table.name for table in tables)} IN EXCLUSIVE MODE")
        full = [table.name for table in tables if new.execute(select(1).select_from(table).limit(1)).first()]
        if full and not replace:
            raise SchemaError(
                f"nothing was copied: the target already has rows ({', '.join(full)});"
                " only `mcp-issuer db restore --replace` deletes them first"
            )
        for table in reversed(tables):
            new.execute(table.delete())
        total = 0
        for table in tables:
            count = select(func.count()).select_from(table)
            found = old.execute(select(table), execution_options={"stream_results": True})
            for rows in found.mappings().partitions(_BATCH):
                new.execute(insert(table), [dict(row) for row in rows])
            there, here = old.scalar(count), new.scalar(count)
            if there != here:
                raise SchemaError(
                    f"nothing was copied: {table.name} has {there} rows in the source, {here} in the target"
                )
            total += here or 0
    return total


def _tables(database: str) -> list[Table]:
    """Those of ours that the database has, referenced ones first, and as it has them: its schema may be an old one."""
    from sqlalchemy import MetaData

    from issuer.storage.tables import metadata

    found, engine = MetaData(), schema.engine(database)
    try:
        found.reflect(engine, only=lambda name, _: name in metadata.tables)
    finally:
        engine.dispose()
    return found.sorted_tables


@contextlib.contextmanager
def _transaction(database: str, begin: str) -> Iterator[Connection]:
    """One transaction of ours: committed at the end, and gone with its connection when something is raised."""
    engine = schema.engine(database)
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql(begin)
            yield connection
            connection.exec_driver_sql("COMMIT")
    finally:
        engine.dispose()


def backup(database: str, path: Path) -> None:
    """Write the database, as it is at one moment, to a new SQLite file for this user alone.

    It keeps its schema, and so does the backup: one is made before an upgrade, by the version that will do it.
    """
    found = schema.holds(database)
    with schema.plainly("no backup was written"), tempfile.TemporaryDirectory(dir=path.parent) as folder:
        made = Path(folder) / path.name
        if is_postgres(database):
            if not schema.known(found):
                raise SchemaError(schema.too_new(found))
            schema.upgrade(str(made), found)
            copy(database, str(made))
        else:
            _duplicate(database, made)
        # Unlike a rename, a link does not replace a file that is there.
        try:
            os.link(made, path)
        except FileExistsError:
            raise SchemaError(f"no backup was written: {path} is there already, and would be lost") from None


def restore(path: Path, database: str, *, replace: bool = False, revoked_at: int | None = None) -> int:
    """Bring back a backup, of this version or an older one, in one transaction; how many rows.

    With `revoked_at` everything that the backup grants ends then, and everybody has to sign in again.
    """
    if not path.is_file():
        raise SchemaError("nothing was restored: there is no such file")
    with schema.plainly("nothing was restored"), tempfile.TemporaryDirectory() as folder:
        made = str(Path(folder) / "backup")
        _duplicate(str(path), Path(made))
        if schema.version(made) is None:
            raise SchemaError("nothing was restored: the file is no backup of an issuer")
        schema.upgrade(made)
        if found := inspection.damages(made):
            raise SchemaError(f"nothing was restored: the backup is damaged ({found[0]})")
        if revoked_at is not None:
            with closing(sqlite3.connect(made)) as raw, raw:
                raw.execute("UPDATE families SET revoked_at = ? WHERE revoked_at IS NULL", (revoked_at,))
                raw.execute("DELETE FROM codes")
                raw.execute("DELETE FROM sessions")
        schema.upgrade(database)
        return copy(made, database, replace=replace)


def _duplicate(source: str, target: Path) -> None:
    """SQLite's online backup: whole, while others write; one file, without a log beside it."""
    os.close(os.open(target, os.O_CREAT | os.O_EXCL, 0o600))
    # Not made when missing, but opened for writing: a database in WAL mode is read through its log.
    address = f"{Path(source).absolute().as_uri()}?mode=rw"
    with closing(sqlite3.connect(address, uri=True)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)
        new.execute("PRAGMA journal_mode = DELETE")
