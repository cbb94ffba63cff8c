"""`mcp-issuer key`: first files, the next key, what each key does now, and files that nobody else can read."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import pytest
from tests.issuer.commands.conftest import Shell

from issuer import key_files, keys


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777


def test_first_files_are_made_once_and_for_the_owner_alone(shell: Shell):
    shell.ok("key", "init")
    folder = shell.folder / "keys"
    (key,) = folder.glob("*.pem")
    secret = folder / "mcp-client.secret"
    assert (mode(folder), mode(key), mode(secret)) == (0o700, 0o600, 0o600)
    assert re.fullmatch(r"mcp_cs_[A-Za-z0-9_-]{43}\n", secret.read_text())
    before = {path: path.read_bytes() for path in folder.iterdir()}
    shell.ok("key", "init")
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files to a group it is not in")
def test_a_group_may_read_and_not_write(shell: Shell):
    shell.ok("key", "init", "--group", "12345")
    folder = shell.folder / "keys"
    assert {path.stat().st_gid for path in (folder, *folder.iterdir())} == {12345}
    assert mode(folder) == 0o2750
    assert {mode(path) for path in folder.iterdir()} == {0o640}


def test_a_secret_of_the_settings_is_not_written_down(shell: Shell):
    shell.setenv("CLIENT_SECRET", "0123456789abcdef")
    shell.ok("key", "init")
    assert not (shell.folder / "keys" / "mcp-client.secret").exists()


def test_what_each_key_does_now(shell: Shell):
    assert "key folder" in shell.fails("key", "list")
    assert shell.left() == set()
    folder, now = shell.folder / "keys", int(time.time())
    for age in (10_000, 8_000, 100):
        key_files.make_key(folder, "EdDSA", now - age)
    printed = shell.ok("key", "new")
    assert re.match(r"\d{8}T\d{6}Z\.eddsa\.pem is published now and signs from \d\d:\d\d:\d\dZ on\n$", printed)
    lines = [line.split() for line in shell.ok("key", "list").splitlines()]
    assert [line[3] for line in lines] == ["retired", "published", "signs", "next"]
    assert [line[4] for line in lines] == [key.kid for key in key_files.read_keys(folder)]
    assert "PRIVATE" not in str(lines)


@pytest.mark.parametrize(("options", "ahead"), [((), keys.PUBLISHED_AHEAD), (("--now",), keys.URGENT_AHEAD)])
def test_the_next_key_signs_later(shell: Shell, options: tuple[str, ...], ahead: int):
    shell.ok("key", "init")
    before = int(time.time())
    shell.ok("key", "new", *options)
    _, following = key_files.read_keys(shell.folder / "keys")
    assert before + ahead <= following.starts_at <= int(time.time()) + ahead
    assert mode(shell.folder / "keys" / f"{key_files.stamp(following.starts_at)}.eddsa.pem") == 0o600


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("20260101T000000Z.rs256.pem", b"junk", "20260101T000000Z.rs256.pem: not an unencrypted PEM private key"),
        ("20261301T000000Z.rs256.pem", b"", "20261301T000000Z.rs256.pem"),
        ("old.pem", b"", "old.pem: a key is named like"),
    ],
)
@pytest.mark.parametrize("command", [("key", "list"), ("key", "init"), ("token",)])
def test_a_bad_key_ends_every_start_and_stays_as_it_is(
    shell: Shell, command: tuple[str, ...], name: str, content: bytes, said: str
):
    """KEY-04: nothing is ever made in the place of a key that cannot be read."""
    path = shell.folder / "keys" / name
    path.parent.mkdir()
    path.write_bytes(content)
    assert said in shell.fails(*command)
    assert path.read_bytes() == content
    assert [one for one in shell.left() if one.startswith("keys/")] == [f"keys/{name}"]


@pytest.mark.parametrize("content", [b"", b"\n", b"short", b"\xff" * 40, b"with a blank inside it"])
def test_a_spoilt_secret_file_is_no_secret(shell: Shell, content: bytes):
    shell.ok("key", "init")
    path = shell.folder / "keys" / "mcp-client.secret"
    path.write_bytes(content)
    assert "mcp-client.secret" in shell.fails("key", "init")
    assert path.read_bytes() == content


def test_a_folder_that_cannot_be_made_is_one_line(shell: Shell):
    (shell.folder / "keys").write_text("a file")
    for command in (("key", "init"), ("key", "new"), ("key", "list")):
        shell.fails(*command)
    assert (shell.folder / "keys").read_text() == "a file"


def test_errors_of_a_real_process_are_one_line_and_exit_code_1(shell: Shell):
    (shell.folder / "keys").mkdir()
    (shell.folder / "keys" / "20260101T000000Z.rs256.pem").write_bytes(b"")
    ended = shell.process("serve", "--port", "0")
    assert (ended.returncode, ended.stdout) == (1, "")
    last = ended.stderr.strip().splitlines()[-1]
    assert last.startswith("mcp-issuer: 20260101T000000Z.rs256.pem: ")
    assert "Traceback" not in ended.stderr
