"""Migrations: what they make is what the tables say, once, by one process at a time, and whole or not at all."""

from __future__ import annotations

import shutil
import socket
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from tests.support import disk
from tests.support.postgres import Cluster

from issuer import settings
from issuer.setting_values import is_postgres
from issuer.storage import inspection, schema
from issuer.storage.schema import SchemaError

_FOLDER = Path(schema.__file__).parent / "migrations"
_REVISIONS = [script.revision for script in ScriptDirectory(str(_FOLDER)).walk_revisions()][::-1]


def execute(database: str, *statements: str) -> None:
    engine = schema.engine(database)
    with engine.connect() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    engine.dispose()


def test_migrations_make_what_the_tables_say(empty: str) -> None:
    schema.upgrade(empty)
    assert inspection.damages(empty) == []


def test_a_missing_index_is_found(database: str) -> None:
    execute(database, "DROP INDEX ix_families_subject")
    assert any("ix_families_subject" in damage for damage in inspection.damages(database))


def test_head_is_the_newest_migration() -> None:
    assert _REVISIONS[-1] == schema.HEAD


def test_an_upgrade_of_what_is_new_already_changes_nothing(database: str) -> None:
    before = inspection.counts(database)
    schema.upgrade(database)
    assert schema.version(database) == schema.HEAD
    assert inspection.counts(database) == before


def test_a_newer_schema_is_refused_and_left_alone(database: str) -> None:
    execute(database, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(SchemaError, match=r"9999.*newer version"):
        schema.upgrade(database)
    assert schema.version(database) == "9999"


def test_an_interrupted_migration_leaves_nothing(empty: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from alembic import command

    def interrupted(*arguments: object) -> None:
        whole(*arguments)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    whole = command.upgrade
    with monkeypatch.context() as patch:
        patch.setattr(command, "upgrade", interrupted)
        with pytest.raises(KeyboardInterrupt):
            schema.upgrade(empty)
    assert schema.version(empty) is None
    schema.upgrade(empty)
    assert inspection.damages(empty) == []


def test_processes_that_start_together_migrate_once(empty: str) -> None:
    script = (
        "import asyncio, sys; from tests.issuer.storage.conftest import build; from issuer.storage import schema;"
        "schema.upgrade(sys.argv[1]); asyncio.run(build(sys.argv[1]).open())"
    )
    starting = [
        subprocess.Popen([sys.executable, "-c", script, empty], stderr=subprocess.PIPE, text=True) for _ in range(4)
    ]
    ends = [(process.communicate()[1], process.returncode) for process in starting]
    assert ends == [("", 0)] * 4
    assert inspection.damages(empty) == []


def test_the_file_is_for_its_user_alone(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "issuer.db"
    schema.upgrade(str(path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("content", [b"not a database at all" * 100, b"SQLite format 3\0" + bytes(4000)])
def test_a_file_that_is_no_database_is_refused_and_kept(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "issuer.db"
    path.write_bytes(content)
    with pytest.raises(SchemaError, match="the database cannot be brought to date"):
        schema.upgrade(str(path))
    assert path.read_bytes() == content


@pytest.mark.mounts
def test_a_file_that_may_not_be_written_is_refused(sqlite: str, tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    with disk.small(folder) as small:
        path = shutil.copy(sqlite, folder)
        small.protect()
        with pytest.raises(SchemaError, match="this user may not read and write it"):
            schema.upgrade(str(path))


@pytest.mark.postgres
class TestUnreachable:
    """What a start says when PostgreSQL will not have it; no message holds the password."""

    def test_who_is_refused_learns_it_at_once(self, cluster: Cluster) -> None:
        with pytest.raises(SchemaError, match='database "nowhere" does not exist') as refusal:
            schema.upgrade(cluster.url("nowhere"))
        assert "unused" not in str(refusal.value)

    def test_one_who_is_not_there_is_waited_for(self, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(schema, "_PATIENCE", 1.0)
        nobody = cluster.url().replace(str(cluster.port), "1")
        with pytest.raises(SchemaError, match="port 1 failed: Connection refused") as refusal:
            schema.upgrade(nobody)
        assert "unused" not in str(refusal.value)

    @pytest.mark.parametrize(
        ("answer", "parameters", "said"),
        [
            (b"S", "sslmode=verify-full&sslrootcert=/absent.crt", 'root certificate file "/absent.crt" does not exist'),
            (b"N", "sslmode=require", "SSL was required"),
        ],
    )
    def test_trust_that_will_not_come_is_not_waited_for(self, answer: bytes, parameters: str, said: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:

            def answer_once() -> None:
                accepted, _ = server.accept()
                with accepted:
                    accepted.recv(8)  # SSLRequest
                    accepted.sendall(answer)
                    accepted.recv(1)

            threading.Thread(target=answer_once, daemon=True).start()
            began = time.monotonic()
            with pytest.raises(SchemaError, match=said):
                schema.current(f"postgresql://issuer:unused@127.0.0.1:{server.getsockname()[1]}/issuer?{parameters}")
        assert time.monotonic() - began < schema._PATIENCE / 2

    def test_a_server_too_old_is_refused(self, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(schema, "_OLDEST", 99)
        with pytest.raises(SchemaError, match="PostgreSQL 99 or newer is needed"):
            schema.upgrade(cluster.url())


def test_only_urls_of_postgres_are_urls() -> None:
    assert is_postgres("postgresql://host/db")
    assert is_postgres("postgres://host/db")
    assert not is_postgres(".data/postgresql.db")


@pytest.mark.parametrize(
    "place", ["postgresql://u:hidden%zz@host/db", "postgresql://u:hidden@host/db?no=1", "mysql://u:hidden@host/db"]
)
def test_a_setting_that_names_no_database_is_refused_without_its_password(place: str) -> None:
    with pytest.raises(settings.SettingsError, match="ISSUER_DATABASE must be") as refusal:
        settings.load({"ISSUER_DATABASE": place})
    assert "hidden" not in str(refusal.value)
    assert "hidden" not in repr(settings.load({"ISSUER_DATABASE": "postgresql://u:hidden@host/db"}))
