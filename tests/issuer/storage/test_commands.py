"""`mcp-issuer db`: each command on each kind of database, and from one kind to the other."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection
from tests.issuer.storage.conftest import build
from tests.issuer.storage.examples import NOW, client, code, family, refresh_token, session, user

from issuer.__main__ import main
from issuer.model import Document
from issuer.setting_values import is_postgres
from issuer.storage import inspection, schema
from issuer.store import Transaction

Run = Callable[..., str]


def everything(tx: Transaction) -> None:
    """A row of every table, some that are hard to carry."""
    tx.clients.add(client(name="😀 %s :name \\ '\"", metadata={"a": [1.5, None, "\0"]}))
    tx.documents.keep(client("https://c.example/c", origin="document"), Document(NOW, NOW + 1), 10)
    tx.users.add(user(disabled=True, name="Zoë"))
    tx.sessions.add(session())
    tx.codes.add(code())
    tx.families.add(family(sid="s"))
    tx.families.revoke("family", NOW)
    tx.families.add(family("living"))
    tx.refresh_tokens.add(refresh_token())
    tx.refresh_tokens.spend("refresh", bytes(range(256)), NOW)
    tx.consents.add("u-1", "client", "https://a.example", "https://r.example", ("a", "b"), NOW)
    tx.once.spend("key", 2**62)
    tx.limits.hit("key", 60, NOW)
    tx.denied.add("jti", NOW)
    tx.shared_secret("seal", os.urandom(32))
    for number in range(2500):  # more than are copied at a time
        tx.once.spend(f"key-{number}", NOW)


@contextlib.contextmanager
def reach(database: str) -> Iterator[Connection]:
    made = schema.engine(database)
    with made.connect() as connection:
        yield connection
    made.dispose()


def rows(database: str) -> dict[str, list[tuple[object, ...]]]:
    from sqlalchemy import select

    from issuer.storage.tables import metadata

    with reach(database) as connection:
        return {
            table.name: sorted((tuple(row) for row in connection.execute(select(table))), key=repr)
            for table in metadata.sorted_tables
        }


async def fill(database: str) -> None:
    store = build(database)
    await store.open()
    await store.write(everything)
    await store.close()


@pytest.fixture
async def full(database: str) -> str:
    await fill(database)
    assert all(inspection.counts(database).values())
    return database


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command on a database: what it prints, or with `fails` why it does not."""

    def run(database: str, *arguments: str, fails: bool = False) -> str:
        monkeypatch.setenv("ISSUER_DATABASE", database)
        with pytest.raises(SystemExit) as ended:
            main(["db", *arguments])
        printed = capsys.readouterr().out
        assert (ended.value.code != 0) == fails, (ended.value.code, printed)
        return str(ended.value.code) if isinstance(ended.value.code, str) else printed

    return run


def test_upgrade_makes_what_is_missing_and_check_says_so(empty: str, run: Run) -> None:
    run(empty, "check", fails=True)
    assert run(empty, "upgrade") == f"schema {schema.HEAD}\n"
    checked = run(empty, "check")
    assert f"schema {schema.HEAD}, sound" in checked
    assert "0  refresh_tokens" in checked


def test_check_finds_what_is_wrong(sqlite: str, run: Run) -> None:
    with sqlite3.connect(sqlite) as raw:
        raw.execute("INSERT INTO refresh_tokens (digest, family, expires_at) VALUES ('d', 'nobody', 1)")
    assert "a row of refresh_tokens refers to one of families" in run(sqlite, "check", fails=True)


def test_check_of_a_newer_schema_sends_to_the_newer_version(database: str, run: Run) -> None:
    with reach(database) as raw:
        raw.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    said = run(database, "check", fails=True)
    assert "start the newer version again" in said
    assert "upgrade" not in said


@pytest.mark.parametrize("command", [("backup", "to.db"), ("copy", "to.db")])
def test_what_is_not_there_is_neither_copied_nor_made(
    empty: str, tmp_path: Path, run: Run, command: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = run(empty, *command, fails=True)
    assert ("nothing of an issuer" if is_postgres(empty) else f"there is no database {empty}") in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("revision", ["0001", schema.HEAD])
def test_a_backup_changes_nothing_and_keeps_the_schema(empty: str, tmp_path: Path, run: Run, revision: str) -> None:
    """It is what one goes back to when an upgrade went wrong."""
    schema.upgrade(empty, revision)
    with reach(empty) as raw:
        raw.exec_driver_sql("INSERT INTO once (key, expires_at) VALUES ('spent', 9)")
    backup = str(tmp_path / "backup")
    run(empty, "backup", backup)
    assert (schema.version(empty), schema.version(backup)) == (revision, revision)
    with reach(backup) as raw:
        assert raw.exec_driver_sql("SELECT key, expires_at FROM once").all() == [("spent", 9)]


async def test_a_copy_is_whole_on_either_kind(full: str, empty: str, run: Run) -> None:
    said = run(full, "copy", empty)
    assert f"copied {sum(inspection.counts(full).values())} rows" in said
    assert rows(empty) == rows(full)
    assert inspection.damages(empty) == []


async def test_a_copy_into_rows_is_refused_and_changes_none(full: str, sqlite: str, tmp_path: Path, run: Run) -> None:
    other = str(tmp_path / "other.db")
    schema.upgrade(other)
    store = build(other)
    await store.open()
    await store.write(lambda tx: tx.clients.add(client("of the target")))
    await store.close()
    before = rows(other)
    assert "the target already has rows (clients)" in run(full, "copy", other, fails=True)
    assert rows(other) == before


def test_a_copy_to_nowhere_is_refused_without_naming_it(sqlite: str, run: Run) -> None:
    said = run(sqlite, "copy", "mysql://user:hidden@host/db", fails=True)
    assert "must be the path of an SQLite file, or postgresql://" in said
    assert "hidden" not in said


async def test_a_backup_comes_back_into_either_kind(full: str, empty: str, tmp_path: Path, run: Run) -> None:
    backup = tmp_path / "backup"
    run(full, "backup", str(backup))
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    assert "is alive again" in run(empty, "restore", str(backup))
    assert rows(empty) == rows(full)


async def test_a_backup_while_another_writes_is_of_one_moment(full: str, tmp_path: Path, run: Run) -> None:
    store = build(full)
    await store.open()
    before = rows(full)

    def work(tx: Transaction) -> None:
        tx.clients.add(client("not yet committed"))
        run(full, "backup", str(tmp_path / "backup"))

    await store.write(work)
    await store.close()
    assert rows(str(tmp_path / "backup")) == before
    assert rows(full) != before


async def test_a_backup_never_replaces_a_file(full: str, tmp_path: Path, run: Run) -> None:
    (tmp_path / "backup").write_text("precious")
    assert "is there already" in run(full, "backup", str(tmp_path / "backup"), fails=True)
    assert (tmp_path / "backup").read_text() == "precious"
    assert sorted(path.name for path in tmp_path.iterdir() if "backup" in path.name) == ["backup"]


async def test_restore_replaces_only_when_told(full: str, tmp_path: Path, run: Run) -> None:
    backup = str(tmp_path / "backup")
    run(full, "backup", backup)
    before = rows(full)
    store = build(full)
    await store.open()
    await store.write(lambda tx: tx.clients.add(client("since the backup")))
    after = rows(full)
    assert "already has rows" in run(full, "restore", backup, fails=True)
    assert rows(full) == after
    run(full, "restore", backup, "--replace")
    assert rows(full) == before
    # The issuer that runs meanwhile goes on, with what was restored.
    assert await store.read(lambda tx: tx.clients.get("since the backup")) is None
    assert await store.write(lambda tx: tx.once.spend("fresh", NOW))
    await store.close()


async def test_a_restore_can_end_all_that_was_granted(full: str, empty: str, tmp_path: Path, run: Run) -> None:
    run(full, "backup", str(tmp_path / "backup"))
    run(empty, "restore", str(tmp_path / "backup"), "--sign-everyone-out")
    store = build(empty)
    await store.open()
    assert await store.read(lambda tx: tx.families.of("u-1")) == []
    assert await store.read(lambda tx: tx.sessions.get("session")) is None
    assert await store.read(lambda tx: tx.codes.get("code")) is None
    assert await store.read(lambda tx: tx.users.get("u-1")) == user(disabled=True, name="Zoë")
    await store.close()


@pytest.mark.parametrize("spoil", ["absent", "text", "truncated", "foreign"])
async def test_what_is_no_backup_changes_nothing(sqlite: str, tmp_path: Path, run: Run, spoil: str) -> None:
    await fill(sqlite)
    backup = tmp_path / "backup"
    run(sqlite, "backup", str(backup))
    content = backup.read_bytes()
    backup.unlink()
    if spoil == "text":
        backup.write_bytes(b"no database" * 1000)
    elif spoil == "truncated":
        backup.write_bytes(content[: len(content) // 2])
    elif spoil == "foreign":
        with sqlite3.connect(backup) as raw:
            raw.execute("CREATE TABLE clients (id TEXT)")
    before = rows(sqlite)
    assert "nothing was restored" in run(sqlite, "restore", str(backup), "--replace", fails=True)
    assert rows(sqlite) == before
