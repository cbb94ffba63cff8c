"""`mcp-issuer db`: the database of ISSUER_DATABASE brought to date, checked, backed up, restored, moved."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from issuer import app, setting_values, settings
from issuer.storage import inspection, schema, transfer


def add_to(commands: Any) -> None:
    actions = commands.add_parser("db", help="the database").add_subparsers(required=True, metavar="ACTION")
    upgrade = actions.add_parser("upgrade", help="run the migrations that are due, as a start does")
    upgrade.set_defaults(run=upgrade_schema)
    check = actions.add_parser("check", help="the schema's version, rows in each table, and whether all is sound")
    check.set_defaults(run=check_database)
    backup = actions.add_parser("backup", help="write all of it to a new file, while issuers go on")
    backup.add_argument("file", type=Path, help="an SQLite file, from PostgreSQL too")
    backup.set_defaults(run=write_backup)
    restore = actions.add_parser("restore", help="bring back a backup, into either kind of database")
    restore.add_argument("file", type=Path)
    restore.add_argument("--replace", action="store_true", help="delete what the database holds now")
    restore.add_argument(
        "--sign-everyone-out",
        action="store_true",
        help="end every session and grant: else what was revoked since the backup is alive again",
    )
    restore.set_defaults(run=restore_backup)
    copy = actions.add_parser("copy", help="copy all of it to another, empty database: SQLite to PostgreSQL or back")
    copy.add_argument("target", help="the path of an SQLite file, or postgresql://... (its password in PGPASSWORD)")
    copy.set_defaults(run=copy_to)


def _database() -> str:
    return settings.load().ISSUER_DATABASE


def upgrade_schema(_: argparse.Namespace) -> None:
    schema.upgrade(_database())
    print(f"schema {schema.HEAD}")


def check_database(_: argparse.Namespace) -> int:
    database = _database()
    found = schema.current(database)
    if found is not None and not schema.known(found):
        print(schema.too_new(found))
        return 1
    if found != schema.HEAD:
        print(f"schema {found or 'none'}, and this version has {schema.HEAD}: run `mcp-issuer db upgrade`")
        return 1
    for table, count in inspection.counts(database).items():
        print(f"{count:>9}  {table}")
    damages = inspection.damages(database)
    print("\n".join(damages) or f"schema {found}, sound")
    return 1 if damages else 0


def write_backup(arguments: argparse.Namespace) -> None:
    transfer.backup(_database(), arguments.file)
    print(f"wrote {arguments.file}: it holds everything but the signing keys")


def restore_backup(arguments: argparse.Namespace) -> None:
    revoked_at = app.now() if arguments.sign_everyone_out else None
    rows = transfer.restore(arguments.file, _database(), replace=arguments.replace, revoked_at=revoked_at)
    print(f"restored {rows} rows")
    if revoked_at is None:
        print("what was revoked since the backup is alive again; --sign-everyone-out would have ended it")


def copy_to(arguments: argparse.Namespace) -> None:
    try:
        target = setting_values.database(arguments.target)
    except ValueError as error:
        raise settings.SettingsError(f"the target {error}") from error
    database = _database()
    schema.holds(database)
    schema.upgrade(database)
    schema.upgrade(target)
    rows = transfer.copy(database, target)
    print(f"copied {rows} rows; now set ISSUER_DATABASE to the target and restart the issuers")
    print("what issuers wrote meanwhile is not in the copy: stop them first to lose nothing")
