"""Settings: read once, refused when they make no sense, by name and never by value."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issuer import settings
from issuer.settings import Settings, SettingsError
from resource_server import settings as resource_settings


def load(**environ: str) -> Settings:
    return settings.load(environ)


def complaint(**environ: str) -> str:
    with pytest.raises(SettingsError) as refused:
        load(**environ)
    return str(refused.value)


def test_without_any_there_is_a_pair_on_loopback_to_develop_with():
    found = load()
    assert (found.ISSUER, found.ISSUER_HOST, found.ISSUER_PORT) == ("http://127.0.0.1:9000", "127.0.0.1", 9000)
    assert found.resources == {"http://127.0.0.1:8000/mcp": "http://127.0.0.1:8000/mcp"}
    assert found.default_scope == ("mcp:tools",)
    assert (found.development, found.docs, found.metrics, found.registration) == (True, True, True, "open")
    assert found.quick_people == ("alice", "bob")
    assert found.allowed_hosts == {"127.0.0.1:9000"}
    assert (found.path, found.longest_token_seconds) == ("", 3600)


def test_elsewhere_everything_of_development_is_off():
    found = load(ISSUER="https://id.example.com/tenant", ISSUER_HOST="0.0.0.0")
    assert (found.development, found.docs, found.metrics, found.registration) == (False, False, False, "off")
    assert found.quick_people == ()
    assert found.allowed_hosts == {"id.example.com"}
    assert (found.path, found.longest_token_seconds) == ("/tenant", 900)
    asked = load(ISSUER="https://id.example.com", ISSUER_DOCS="1", ISSUER_METRICS="1", ISSUER_REGISTRATION="token")
    assert (asked.docs, asked.metrics, asked.registration) == (True, True, "token")


@pytest.mark.parametrize(
    "issuer",
    ["https://id.example.com", "https://id.example.com:8443/a/b", "http://localhost:9000", "http://[::1]:9000/x"],
)
def test_an_issuer_is_kept_byte_for_byte(issuer: str):
    assert issuer == load(ISSUER=issuer).ISSUER


@pytest.mark.parametrize(
    "issuer",
    [
        "http://id.example.com",
        "http://127.0.0.1.evil.test",
        "http://10.0.0.1:9000",
        "http://0.0.0.0:9000",
        "https://id.example.com/",
        "http://127.0.0.1:9000/",
        "https://id.example.com?x=1",
        "https://id.example.com?",
        "https://id.example.com#x",
        "https://id.example.com#",
        "https://user:hunter2@id.example.com",
        "https://ID.example.com",
        "HTTPS://id.example.com",
        "https://id.example.com:443",
        "Http://127.0.0.1:9000",
        "http://127.0.0.1:80",
        "https://id.example.com:hunter2",
        "https://id.example.com:99999",
        "https://[hunter2]",
        "https://[::1",
        "https:id.example.com",
        "https://",
        "id.example.com",
        "ftp://id.example.com",
        "https://id.exämple.com",
        "https://id.example.com/a b",
        " https://id.example.com",
        "https://id.example.com\n",
        "https://id.example.com\\x",
    ],
)
def test_an_issuer_that_clients_could_not_compare_is_refused(issuer: str):
    """KEY-12."""
    told = complaint(ISSUER=issuer)
    assert re.fullmatch(r"ISSUER must [^\n]+", told)
    assert "hunter2" not in told
    assert issuer not in told


NONSENSE = {
    "ISSUER_PORT": ["x", "-1", "65536", "1.5"],
    "ISSUER_LOG_LEVEL": ["loud"],
    "ISSUER_LOG_FORMAT": ["xml"],
    "ISSUER_DEV": ["perhaps"],
    "ISSUER_DOCS": ["2"],
    "ISSUER_RESOURCES": [
        "not-a-url",
        "ftp://x.test",
        "https://x.test/#f",
        "https://u:p@x.test",
        "https://[zz]/",
        ";",
        "https://x.test/mcp?t=1",
    ],
    "ISSUER_SCOPES": [";", 'a"b=x', "é=x", "a b=x"],
    "ISSUER_DEFAULT_SCOPE": ["unknown"],
    "ISSUER_DATABASE": ["mysql://user:secret@host/database"],
    "ISSUER_SQLITE_SYNCHRONOUS": ["OFF"],
    "ISSUER_SIGNING_ALG": ["HS256", "none", "rs256"],
    "ISSUER_ALLOWED_HOSTS": ["https://x.test", "x.test/path"],
    "ISSUER_TRUSTED_PROXIES": ["proxy.test", "10.0.0.0/33", "10.0.0.1/8"],
    "ISSUER_ACCESS_TOKEN_SECONDS": ["0", "86401", "fifteen"],
    "ISSUER_CODE_SECONDS": ["4", "601"],
    "ISSUER_REFRESH_IDLE_SECONDS": ["59"],
    "ISSUER_SESSION_IDLE_SECONDS": ["0"],
    "ISSUER_REGISTRATION": ["closed"],
    "ISSUER_REGISTRATIONS_PER_MINUTE": ["0"],
    "CLIENT_ID": ["a b", "a:b", "x" * 65, "é", "usr_0123456789", "alice"],
    "CLIENT_SECRET": ["short", "x" * 257, "sixteen characters", "päßwörter-päßwörter"],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in NONSENSE.items() for value in values])
def test_nonsense_is_named_and_not_repeated(name: str, value: str):
    told = complaint(**{name: value})
    assert told.startswith(name)
    assert "\n" not in told
    assert len(value) < 4 or value not in told


def test_every_mistake_is_told_at_once():
    told = complaint(ISSUER="id.example.com", ISSUER_PORT="x", ISSUER_DEV="perhaps")
    assert sorted(line.split()[0] for line in told.split("\n")) == ["ISSUER", "ISSUER_DEV", "ISSUER_PORT"]


def test_a_misspelt_name_is_told_with_the_near_one():
    assert complaint(ISSUER_PROT="1") == "ISSUER_PROT is no setting. Did you mean ISSUER_PORT?"
    assert complaint(ISSUER_QUUX="secret-value").startswith("ISSUER_QUUX is no setting. ")
    assert complaint(ISSUER_A="1", ISSUER_B="2").count("\n") == 1
    assert load(PATH="/bin", HOME="/", RESOURCE_X="1") == load()


PUBLIC = "https://id.example.com"


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"ISSUER": PUBLIC, "ISSUER_DEV": "1"}, "ISSUER_DEV"),
        ({"ISSUER": PUBLIC, "ISSUER_AUTO_APPROVE": "alice"}, "ISSUER_AUTO_APPROVE"),
        ({"ISSUER": PUBLIC, "ISSUER_CIMD_LOOPBACK": "1"}, "ISSUER_CIMD_LOOPBACK"),
        ({"ISSUER_HOST": "0.0.0.0"}, "ISSUER_DEV=1"),
        ({"ISSUER_HOST": "192.0.2.1"}, "ISSUER_HOST"),
        ({"AUDIENCE": "x", "ISSUER_RESOURCES": "https://a.test,https://b.test"}, "AUDIENCE"),
    ],
)
def test_what_does_not_go_together(environ: dict[str, str], named: str):
    assert named in complaint(**environ)


def test_development_beyond_loopback_is_a_decision():
    assert load(ISSUER_HOST="0.0.0.0", ISSUER_DEV="1").development
    assert load(ISSUER_HOST="::1").ISSUER_HOST == "::1"


names = st.text("abcdefghijklmnop:", min_size=1, max_size=8)


@given(st.dictionaries(names, st.text("abc XYZ,.", min_size=1, max_size=20).map(str.strip), min_size=1, max_size=4))
def test_scopes_are_names_with_sentences(scopes: dict[str, str]):
    written = "; ".join(f"{name}={text}" if text else name for name, text in scopes.items())
    assert {name: text or name for name, text in scopes.items()} == load(ISSUER_SCOPES=written).ISSUER_SCOPES


def test_resources_with_and_without_an_audience():
    found = load(ISSUER_RESOURCES="https://a.test/mcp, https://b.test=urn:b", ISSUER_SCOPES="x=X;y=Y")
    assert found.resources == {"https://a.test/mcp": "https://a.test/mcp", "https://b.test": "urn:b"}
    assert found.default_scope == ("x",)
    assert load(ISSUER_SCOPES="x;y", ISSUER_DEFAULT_SCOPE="y x").default_scope == ("y", "x")
    assert load(AUDIENCE="api").resources == {"http://127.0.0.1:8000/mcp": "api"}


def test_empty_is_unset_and_a_flag_wins():
    assert load(ISSUER="", ISSUER_PORT="", CLIENT_SECRET="") == load()
    assert settings.load({"ISSUER_PORT": "1"}, ISSUER_PORT="2", ISSUER_HOST=None).ISSUER_PORT == 2


def test_the_environment_wins_over_the_file_of_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    for name in ("ISSUER_PORT", "ISSUER_LOG_LEVEL"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / ".env").write_text("ISSUER_PORT=1234\nISSUER_LOG_LEVEL=debug\n")
    monkeypatch.setenv("ISSUER_LOG_LEVEL", "error")
    found = settings.load()
    assert (found.ISSUER_PORT, found.ISSUER_LOG_LEVEL) == (1234, "error")
    (tmp_path / ".env").write_text("ISSUER_PROT=1234\n")
    with pytest.raises(SettingsError, match="ISSUER_PORT"):
        settings.load()


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        ({"ISSUER_PORT": "9100"}, "http://127.0.0.1:9100"),
        ({"ISSUER_PORT": "80"}, "http://127.0.0.1"),
        ({"ISSUER_HOST": "localhost"}, "http://localhost:9000"),
        ({"ISSUER_HOST": "::1", "ISSUER_PORT": "9100"}, "http://[::1]:9100"),
        ({"ISSUER_HOST": "0.0.0.0", "ISSUER_PORT": "9100", "ISSUER_DEV": "1"}, "http://127.0.0.1:9100"),
        ({"ISSUER_PORT": "9100", "ISSUER": ""}, "http://127.0.0.1:9100"),
        ({"ISSUER_PORT": "9100", "ISSUER": PUBLIC}, PUBLIC),
        ({"ISSUER_PORT": "0"}, "http://127.0.0.1:9000"),
    ],
)
def test_an_issuer_without_a_name_has_that_of_its_address(environ: dict[str, str], name: str):
    found = load(**environ)
    assert name == found.ISSUER
    assert found.allowed_hosts == {name.partition("//")[2]}
    assert list(found.resources) == ["http://127.0.0.1:8000/mcp"]


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({"ISSUER_PORT": "x"}, "ISSUER_PORT must be a whole number from 0 to 65535"),
        ({"ISSUER_PORT": "65536"}, "ISSUER_PORT must be a whole number from 0 to 65535"),
        ({"ISSUER_PORT": "1" * 5000}, "ISSUER_PORT must be a whole number from 0 to 65535"),
        ({"ISSUER_MOST_CLIENTS": "0"}, "ISSUER_MOST_CLIENTS must be a whole number, 1 or more"),
        ({"ISSUER_DOCS": "perhaps"}, "ISSUER_DOCS must be 1 or 0"),
        ({"ISSUER_LOG_LEVEL": "loud"}, "ISSUER_LOG_LEVEL must be trace, debug, info, warning or error"),
        ({"ISSUER": "HTTPS://id.example.com"}, "ISSUER must be written in lower case and without the default port"),
    ],
)
def test_what_a_value_must_be_is_said_in_plain_words(environ: dict[str, str], told: str):
    assert complaint(**environ) == told


def test_a_level_may_be_written_in_capitals():
    assert load(ISSUER_LOG_LEVEL="INFO").ISSUER_LOG_LEVEL == "info"


@pytest.mark.parametrize("load_settings", [settings.load, resource_settings.load], ids=["issuer", "resource"])
@pytest.mark.parametrize(
    ("written", "told"),
    [
        (b"ISSUER_PORT=1\nCLIENT_ID=hunter2\xe9\n", "line 2"),
        (b'# ours\n\n\nISSUER="http://hunter2\nISSUER_PORT=1234\n', "line 4"),
        (b"ISSUER='https://hunter2'x\n", "line 1"),
    ],
    ids=["not UTF-8", "an open quote", "more after a quote"],
)
def test_a_line_of_the_file_that_makes_no_sense_is_told_and_not_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, load_settings: Callable[[], object], written: bytes, told: str
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_bytes(written)
    with pytest.raises((SettingsError, resource_settings.SettingsError), match=rf"^\.env .*\b{told}\b") as refused:
        load_settings()
    assert "hunter2" not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_may_begin_with_a_mark_and_a_folder_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ISSUER_PORT", raising=False)
    (tmp_path / ".env").mkdir()
    assert settings.load().ISSUER_PORT == 9000
    (tmp_path / ".env").rmdir()
    (tmp_path / ".env").write_bytes(b"\xef\xbb\xbfISSUER_PORT=1234\n")
    assert settings.load().ISSUER_PORT == 1234


def test_settings_do_not_change_and_do_not_show_secrets():
    found = load(CLIENT_SECRET="0123456789abcdef", ISSUER_DATABASE="postgresql://u:0123456789abcdef@h/d")
    with pytest.raises(ValueError, match="frozen"):
        found.ISSUER_PORT = 1
    assert "0123456789abcdef" not in repr(found)


def test_every_setting_has_a_description():
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []
