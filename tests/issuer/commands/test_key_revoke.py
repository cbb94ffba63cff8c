"""`mcp-issuer key revoke`: a leaked key goes at once, and there is always one that signs."""

import time
from pathlib import Path

import pytest

from issuer import key_files, keys
from issuer.__main__ import main


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ISSUER_SIGNING_ALG", "ES256")  # quick to make
    key_files.make_key(tmp_path / "keys", "ES256", int(time.time()) - 100)
    return tmp_path / "keys"


def ends(*arguments: str) -> object:
    with pytest.raises(SystemExit) as end:
        main(["key", *arguments])
    return end.value.code


def test_the_key_that_signs_is_followed_by_a_new_one(folder: Path) -> None:
    (leaked,) = key_files.read_keys(folder)
    assert ends("revoke", leaked.kid) == 0
    (left,) = key_files.read_keys(folder)
    assert left.kid != leaked.kid
    assert keys.signing([left], int(time.time())) is left
    assert left.starts_at <= time.time()


def test_a_key_that_is_not_needed_goes_alone(folder: Path) -> None:
    key_files.make_key(folder, "ES256", int(time.time()) - 50)
    old, current = key_files.read_keys(folder)
    assert ends("revoke", old.kid) == 0
    assert [key.kid for key in key_files.read_keys(folder)] == [current.kid]


def test_an_unknown_kid_changes_nothing(folder: Path) -> None:
    before = sorted(folder.iterdir())
    assert "key list" in str(ends("revoke", "nope"))
    assert sorted(folder.iterdir()) == before


def test_a_kid_that_begins_as_an_option_does_is_a_kid(folder: Path) -> None:
    moment = int(time.time())
    while not (odd := [key for key in key_files.read_keys(folder) if key.kid.startswith("-")]):
        moment += 1
        if len(list(folder.glob("*.pem"))) > 1:
            key_files.revoke_key(folder, key_files.read_keys(folder)[-1].kid)
        key_files.make_key(folder, "ES256", moment)
    assert ends("revoke", odd[0].kid) == 0
    assert odd[0].kid not in [key.kid for key in key_files.read_keys(folder)]
