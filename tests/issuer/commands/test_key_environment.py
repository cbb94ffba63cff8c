"""`mcp-issuer key` where the keys come from ISSUER_KEYS: it says so, and never pretends to have changed what signs."""

from __future__ import annotations

import json
import os
from base64 import urlsafe_b64decode
from pathlib import Path

import httpx
import pytest
from tests.issuer.commands.conftest import Shell
from tests.support import servers


@pytest.fixture
def document(shell: Shell) -> str:
    """The keys of a folder that is gone."""
    shell.ok("key", "init")
    printed = shell.ok("key", "export")
    for path in (shell.folder / "keys").iterdir():
        path.unlink()
    (shell.folder / "keys").rmdir()
    return printed.strip()


def test_commands_say_where_the_keys_are(shell: Shell, document: str):
    shell.setenv("ISSUER_KEYS", document)
    shell.setenv("CLIENT_SECRET", "0123456789abcdef")
    first, line = shell.ok("key", "list").splitlines()
    assert first == "from ISSUER_KEYS:"
    kid = line.split()[-1]
    for command in (("key", "new"), ("key", "new", "--now"), ("key", "revoke", kid), ("key", "export")):
        said = shell.fails(*command)
        assert "the keys come from ISSUER_KEYS" in said
        assert "PRIVATE" not in said
    assert "nothing to make" in shell.ok("key", "init")
    assert shell.left() == set(), "nothing is written anywhere"
    assert kid in header_of(shell.ok("token"))


def header_of(token: str) -> str:
    """The JOSE header of a token."""
    head = token.split(".")[0]
    return urlsafe_b64decode(head + "=" * (-len(head) % 4)).decode()


def test_the_keys_alone_are_not_enough(shell: Shell, document: str):
    shell.setenv("ISSUER_KEYS", document)
    said = shell.fails("key", "list")
    assert "ISSUER_KEYS needs CLIENT_SECRET" in said
    assert "PRIVATE" not in said


def test_two_replicas_without_any_file_sign_with_the_same_key(document: str, tmp_path: Path):
    """They share a text and a database, nothing else, and no log names a key."""
    port = servers.free_port()
    settings = {
        "ISSUER": f"http://127.0.0.1:{port}",
        "ISSUER_KEYS": document,
        "CLIENT_SECRET": "0123456789abcdef",
        "ISSUER_DATABASE": str(tmp_path / "issuer.db"),
        "ISSUER_LOG_LEVEL": "trace",
    }
    with (
        servers.running("issuer", tmp_path / "one", ISSUER_PORT=str(port), **settings) as one,
        servers.running(
            "issuer",
            tmp_path / "two",
            ISSUER_PORT=str(other := servers.free_port()),
            ISSUER_ALLOWED_HOSTS=f"127.0.0.1:{other}",
            **settings,
        ) as two,
    ):
        sets = [httpx.get(f"{service.origin}/.well-known/jwks.json").json() for service in (one, two)]
        tokens = [httpx.post(f"{service.origin}/dev/token").json()["access_token"] for service in (one, two)]
    assert sets[0] == sets[1]
    assert {json.loads(header_of(token))["kid"] for token in tokens} == {key["kid"] for key in sets[0]["keys"]}
    for service in (one, two):
        assert "PRIVATE KEY" not in service.log()
        assert not list(service.folder.rglob("*.pem"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes files for others")
def test_what_root_makes_belongs_to_the_owner_of_the_folder(shell: Shell):
    """As `docker compose run --rm keys key new` does, which runs as root."""
    shell.ok("key", "init")
    folder = shell.folder / "keys"
    os.chown(folder, 12345, 12346)
    folder.chmod(0o2750)
    shell.ok("key", "new")
    newest = max(folder.glob("*.pem"))
    found = newest.stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (12345, 12346, 0o640)
