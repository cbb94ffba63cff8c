"""Commands where no issuer runs: none succeeds on nothing, and what is made is said."""

from __future__ import annotations

import pytest
from tests.issuer.commands.conftest import Shell


@pytest.mark.parametrize(
    "command",
    [
        ("user", "list"),
        ("user", "passwd", "x", "--generate"),
        ("user", "disable", "x"),
        ("user", "enable", "x"),
        ("user", "remove", "x"),
        ("client", "list"),
        ("client", "show", "x"),
        ("client", "rotate", "x"),
        ("client", "remove", "x"),
    ],
)
def test_what_reads_or_changes_makes_no_database(shell: Shell, command: tuple[str, ...]):
    said = shell.fails(*command)
    assert f"no database {shell.folder / '.data' / 'issuer.db'}: run it where the issuer runs" in said
    assert list(shell.folder.iterdir()) == []


@pytest.mark.parametrize("command", [("user", "add", "x", "--generate"), ("client", "add", "x"), ("client", "invite")])
def test_what_adds_may_make_one_and_says_so(shell: Shell, command: tuple[str, ...]):
    """As before a first start: the recipe of README begins with a person."""
    shell.setenv("ISSUER_REGISTRATION", "token")
    made = f"mcp-issuer: made a new database, {shell.folder / '.data' / 'issuer.db'}\n"
    first = shell.process(*command, ISSUER_REGISTRATION="token")
    assert (first.returncode, first.stderr) == (0, made)
    second = shell.process("client", "invite", ISSUER_REGISTRATION="token")
    assert (second.returncode, second.stderr) == (0, "")


def test_a_file_of_something_else_is_no_database(shell: Shell):
    (shell.folder / "other.db").touch()
    shell.setenv("ISSUER_DATABASE", "other.db")
    assert "holds nothing of an issuer" in shell.fails("user", "list")


@pytest.mark.parametrize("command", [("user", "list"), ("client", "add", "x"), ("db", "check"), ("db", "upgrade")])
def test_a_folder_as_the_database_is_named(shell: Shell, command: tuple[str, ...]):
    shell.setenv("ISSUER_DATABASE", str(shell.folder))
    said = shell.fails(*command)
    assert said.endswith(f"{shell.folder}: a folder, where the file of a database should be")
    assert "Errno" not in said


def test_what_commands_log_is_as_the_service_logs(shell: Shell):
    told = shell.process("key", "init").stderr.splitlines()
    assert len(told) == 2
    assert all(" INFO    " in line and "issuer." not in line for line in told)
