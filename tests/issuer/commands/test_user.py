"""`mcp-issuer user` as an operator runs it: a real database, a real process and terminal for the prompt."""

from __future__ import annotations

import contextlib
import io
import os
import pty
import sqlite3
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.support.servers import clean_environment

from issuer import people
from issuer.__main__ import main
from issuer.model import User

PASSWORD = "correct horse battery"


@dataclass
class Operator:
    """Runs `mcp-issuer user` in a folder of its own, as an operator who pipes the password in."""

    folder: Path
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def done(self, *arguments: str, typed: str = "") -> str:
        """What it printed; it must succeed."""
        self.monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        with pytest.raises(SystemExit) as ended:
            main(["user", *arguments])
        assert ended.value.code == 0
        return self.capsys.readouterr().out

    def refused(self, *arguments: str, typed: str = "") -> str:
        """What it said in one line; it must refuse."""
        self.monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        with pytest.raises(SystemExit) as ended:
            main(["user", *arguments])
        assert self.capsys.readouterr().out == ""
        said = str(ended.value.code)  # text: Python prints it to stderr and exits with 1
        assert said.startswith("mcp-issuer: ")
        assert "\n" not in said
        return said

    def user(self, username: str) -> User:
        columns = "subject, username, created_at, password_hash, name, email, disabled"
        with contextlib.closing(sqlite3.connect(self.folder / ".data" / "issuer.db")) as database:
            found = database.execute(f"SELECT {columns} FROM users WHERE username = ?", (username,)).fetchone()
        return User(*found)

    def written(self) -> bytes:
        return b"".join(path.read_bytes() for path in (self.folder / ".data").iterdir())


@pytest.fixture
def operator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Operator:
    monkeypatch.chdir(tmp_path)
    for name in os.environ.keys() - clean_environment().keys():
        monkeypatch.delenv(name)
    return Operator(tmp_path, monkeypatch, capsys)


@pytest.fixture
def alice(operator: Operator) -> Operator:
    operator.done("add", "alice", "--password-stdin", typed=PASSWORD + "\n")
    return operator


def test_add(operator: Operator) -> None:
    told = operator.done(
        "add", "Alice", "--name", "Alice A", "--email", "a@b.example", "--password-stdin", typed=PASSWORD
    )
    alice = operator.user("alice")
    assert told == "added alice\n"
    assert (alice.name, alice.email) == ("Alice A", "a@b.example")
    assert people.check_password(alice, PASSWORD).ok
    assert operator.done("list") == f"alice  {alice.subject}  active  Alice A\n"
    assert PASSWORD.encode() not in operator.written()


def test_add_with_a_generated_password(operator: Operator) -> None:
    said, password = operator.done("add", "bob", "--generate").strip().rsplit(maxsplit=1)
    assert said == "added bob\npassword:"
    assert people.check_password(operator.user("bob"), password).ok


@pytest.mark.parametrize(
    ("arguments", "typed", "reason"),
    [
        (("alice", "--password-stdin"), "another password", "taken"),
        (("ALICE", "--generate"), "", "taken"),
        (("al ice", "--generate"), "", "a-z 0-9"),
        (("bob", "--password-stdin"), "short", "at least 8"),
        (("bob", "--password-stdin"), "", "at least 8"),
        (("bob", "--password-stdin"), "password1", "guess"),
        (("bob", "--generate", "--email", "nowhere"), "", "e-mail"),
        (("bob",), "typed blindly\ntyped blindly\n", "no terminal"),
    ],
)
def test_add_refused(alice: Operator, arguments: tuple[str, ...], typed: str, reason: str) -> None:
    before = alice.done("list")
    told = alice.refused("add", *arguments, typed=typed)
    assert reason in told
    assert not typed or typed not in told
    assert alice.done("list") == before
    assert people.check_password(alice.user("alice"), PASSWORD).ok


def test_passwd(alice: Operator) -> None:
    subject = alice.user("alice").subject
    told = alice.done("passwd", "alice", "--password-stdin", typed="quite another one\n")
    assert "sign in again" in told
    changed = alice.user("alice")
    assert changed.subject == subject
    assert people.check_password(changed, "quite another one").ok
    assert not people.check_password(changed, PASSWORD).ok


def test_disable_and_enable(alice: Operator) -> None:
    alice.done("disable", "alice")
    assert "disabled" in alice.done("list")
    assert not people.check_password(alice.user("alice"), PASSWORD).ok
    alice.done("enable", "alice")
    assert people.check_password(alice.user("alice"), PASSWORD).ok


def test_remove(alice: Operator) -> None:
    alice.done("remove", "alice")
    assert alice.done("list") == ""


@pytest.mark.parametrize("action", ["passwd", "disable", "enable", "remove"])
def test_nobody_of_that_name(alice: Operator, action: str) -> None:
    assert "no such person" in alice.refused(action, "bob")


@pytest.mark.parametrize(
    ("answers", "code"), [((PASSWORD, PASSWORD), 0), ((PASSWORD, "something else"), 1)], ids=["same", "different"]
)
def test_add_asks_on_a_terminal(operator: Operator, answers: tuple[str, str], code: int) -> None:
    child, terminal = pty.fork()
    if child == 0:
        os.execve(sys.executable, [sys.executable, "-m", "issuer", "user", "add", "alice"], clean_environment())
    prompts = iter(zip(("Password (", "Once more"), answers, strict=True))
    prompt, answer = next(prompts)
    screen = ""
    with contextlib.suppress(OSError):  # Linux says so when the other end is closed
        while chunk := os.read(terminal, 1024):
            screen += chunk.decode()
            if prompt in screen:
                os.write(terminal, answer.encode() + b"\n")
                prompt, answer = next(prompts, ("nothing more is asked", ""))
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == code, screen
    assert ("added alice" if code == 0 else "the two passwords differ") in screen
    assert PASSWORD not in screen


def test_who_ends_the_prompt_is_told_in_a_line(operator: Operator) -> None:
    child, terminal = pty.fork()
    if child == 0:
        os.execve(sys.executable, [sys.executable, "-m", "issuer", "user", "add", "alice"], clean_environment())
    screen = ""
    with contextlib.suppress(OSError):
        while chunk := os.read(terminal, 1024):
            screen += chunk.decode()
            if screen.endswith("): "):
                os.write(terminal, b"\x04")  # Ctrl-D
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
    assert "mcp-issuer: no password was given" in screen
    assert "Traceback" not in screen
    assert list(operator.folder.iterdir()) == []
