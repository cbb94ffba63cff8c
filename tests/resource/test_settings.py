"""Settings: what nonsense is refused, by name and without repeating it; what follows from what."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.servers import clean_environment

from resource_server.settings import Settings, SettingsError, load

BAD: dict[str, dict[str, str]] = {
    "a query": {"ISSUER": "https://issuer.example?x=secret"},
    "a fragment": {"ISSUER": "https://issuer.example#secret"},
    "user information": {"ISSUER": "https://user:secret@issuer.example"},
    "http elsewhere": {"ISSUER": "http://issuer.example"},
    "another loopback name": {"ISSUER": "http://127.0.0.1.evil.test"},
    "another scheme": {"ISSUER": "ftp://issuer.example"},
    "no scheme": {"ISSUER": "issuer.example"},
    "no host": {"ISSUER": "https://"},
    "upper case": {"ISSUER": "https://Issuer.example"},
    "a scheme in upper case": {"ISSUER": "HTTPS://issuer.example"},
    "the default port": {"ISSUER": "https://issuer.example:443"},
    "a bad port": {"ISSUER": "https://issuer.example:99999"},
    "a blank": {"ISSUER": "https://issuer.example/ secret"},
    "base with a slash": {"BASE_URL": "http://127.0.0.1:8000/"},
    "base with a path": {"BASE_URL": "https://mcp.example/secret"},
    "base over http": {"BASE_URL": "http://mcp.example"},
    "keys in a file": {"JWKS_URL": "file:///etc/secret"},
    "a port that is none": {"RESOURCE_PORT": "secret"},
    "a port too high": {"RESOURCE_PORT": "70000"},
    "a transport": {"RESOURCE_TRANSPORT": "secret"},
    "a level": {"RESOURCE_LOG_LEVEL": "secret"},
    "a scope": {"RESOURCE_SCOPES": 'sec"ret'},
    "an algorithm": {"RESOURCE_ALGORITHMS": "none"},
    "no algorithm": {"RESOURCE_ALGORITHMS": ","},
    "a symmetric algorithm": {"RESOURCE_ALGORITHMS": "HS256"},
    "an origin": {"RESOURCE_ALLOWED_ORIGINS": "secret.example"},
    "a proxy": {"RESOURCE_TRUSTED_PROXIES": "secret"},
    "a rule without a scope": {"RESOURCE_TOOL_SCOPES": "secret"},
    "a rule with nothing": {"RESOURCE_TOOL_SCOPES": "secret="},
    "a rule for a kind that is none": {"RESOURCE_TOOL_SCOPES": "tools:secret=a"},
    "introspection of a kind that is none": {"RESOURCE_INTROSPECT": "Tool:secret"},
    "a hierarchy of nonsense": {"RESOURCE_SCOPE_HIERARCHY": 'a=sec"ret'},
    "a profile": {"RESOURCE_TOKEN_PROFILE": "secret"},
    "introspection by nobody": {"RESOURCE_INTROSPECT": "secret*"},
    "a host with a scheme": {"RESOURCE_ALLOWED_HOSTS": "https://secret/"},
    "a host with a path": {"RESOURCE_ALLOWED_HOSTS": "mcp.example/secret"},
    "a short secret": {"RESOURCE_UPSTREAM_SECRET": "secret"},
}


@pytest.mark.parametrize("environ", BAD.values(), ids=BAD)
def test_nonsense_is_refused_by_name(environ: dict[str, str]) -> None:
    with pytest.raises(SettingsError) as told:
        load(environ)
    assert next(iter(environ)) in str(told.value)
    assert "secret" not in str(told.value).replace("_SECRET", "")


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({"RESOURCE_PORT": "-1"}, "RESOURCE_PORT must be a whole number from 0 to 65535"),
        ({"RESOURCE_UPSTREAM_SHARED": "perhaps"}, "RESOURCE_UPSTREAM_SHARED must be 1 or 0"),
        ({"RESOURCE_ALGORITHMS": "none"}, "RESOURCE_ALGORITHMS must be RS256, ES256 or EdDSA"),
        ({"RESOURCE_ALGORITHMS": ","}, "RESOURCE_ALGORITHMS must have at least 1 entry"),
        ({"RESOURCE_UPSTREAM_SECRET": "short"}, "RESOURCE_UPSTREAM_SECRET must have at least 32 characters"),
    ],
)
def test_what_a_value_must_be_is_said_in_plain_words(environ: dict[str, str], told: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load(environ)
    assert str(refused.value) == told


def test_a_level_may_be_written_in_capitals() -> None:
    assert load({"RESOURCE_LOG_LEVEL": "INFO"}).RESOURCE_LOG_LEVEL == "info"


def test_an_unknown_name_is_refused_and_the_near_one_named() -> None:
    with pytest.raises(SettingsError, match=r"RESOURCE_TRANSPROT is no setting.*RESOURCE_TRANSPORT"):
        load({"RESOURCE_TRANSPROT": "both"})
    assert load({"ISSUER_PORT": "1", "PATH": "x"}).RESOURCE_PORT == 8000, "the other service's are not ours to judge"


def test_defaults() -> None:
    settings = load({})
    assert settings.resource == settings.audience == "http://127.0.0.1:8000/mcp"
    assert settings.allowed_hosts == {"127.0.0.1:8000"}
    assert settings.docs
    assert load({"AUDIENCE": "api"}).audience == "api"
    assert load({"AUDIENCE": ""}).audience == settings.resource, "empty is unset"


def test_without_names_both_have_those_of_their_addresses() -> None:
    settings = load({"RESOURCE_PORT": "8100", "ISSUER_PORT": "9100", "ISSUER_HOST": "::1"})
    assert (settings.BASE_URL, settings.ISSUER) == ("http://127.0.0.1:8100", "http://[::1]:9100")
    assert settings.resource == settings.audience == "http://127.0.0.1:8100/mcp"
    assert settings.allowed_hosts == {"127.0.0.1:8100"}
    named = load({"RESOURCE_PORT": "8100", "BASE_URL": "https://mcp.example", "ISSUER": "https://issuer.example"})
    assert (named.BASE_URL, named.ISSUER) == ("https://mcp.example", "https://issuer.example")
    assert load({"ISSUER_PORT": "none of ours"}).ISSUER == "http://127.0.0.1:9000"


def test_in_production() -> None:
    settings = load({"BASE_URL": "https://mcp.example", "RESOURCE_ALLOWED_HOSTS": "Inner:8000, other"})
    assert not settings.docs
    assert settings.allowed_hosts == {"mcp.example", "inner:8000", "other"}
    assert settings.resource == "https://mcp.example/mcp"


def test_flags_come_before_the_environment() -> None:
    settings = load({"RESOURCE_PORT": "1", "RESOURCE_HOST": "::1"}, RESOURCE_PORT="2", RESOURCE_HOST=None)
    assert (settings.RESOURCE_PORT, settings.RESOURCE_HOST) == (2, "::1")


def test_rules_are_written_in_one_line() -> None:
    settings = load({"RESOURCE_TOOL_SCOPES": " delete_*=a b ; resource:x://y?z=1=c;"})
    assert settings.RESOURCE_TOOL_SCOPES == {"delete_*": ("a", "b"), "resource:x://y?z=1": ("c",)}


def test_what_is_said_of_a_name_twice_adds_up() -> None:
    """One of the two alone would let a caller in who lacks the other."""
    settings = load({"RESOURCE_TOOL_SCOPES": "slow=a; slow=b", "RESOURCE_SCOPE_HIERARCHY": "x=y; x=z"})
    assert settings.RESOURCE_TOOL_SCOPES == {"slow": ("a", "b")}
    assert settings.RESOURCE_SCOPE_HIERARCHY == {"x": ("y", "z")}


@pytest.mark.parametrize("blank", ["", " ", "\t"])
def test_blank_is_unset(blank: str) -> None:
    assert load({"RESOURCE_SCOPES": blank}).RESOURCE_SCOPES == ("mcp:tools",)
    settings = load({"BASE_URL": blank, "RESOURCE_PORT": "8100", "ISSUER": blank, "ISSUER_PORT": blank})
    assert (settings.BASE_URL, settings.ISSUER) == ("http://127.0.0.1:8100", "http://127.0.0.1:9000")


def test_secrets_are_in_no_representation() -> None:
    values = {"RESOURCE_CLIENT_SECRET": "s3cr3t", "RESOURCE_UPSTREAM_SECRET": "s3cr3t" * 6}
    assert "s3cr3t" not in repr(load(values))


def test_every_knob_says_what_it_is_for() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description, name


def start(folder: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "resource_server", "serve", *arguments]
    return subprocess.run(
        command, cwd=folder, env=clean_environment(**environ), capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize(
    ("written", "told", "where"),
    [
        ("import helper\n", "ModuleNotFoundError: No module named 'absent'", ("server.py", "helper.py")),
        ("def broken(:\n", "SyntaxError: ", ("server.py",)),
        ("raise ValueError('no\\nway')\n", "ValueError: no", ("server.py",)),
    ],
)
def test_a_server_that_cannot_be_loaded_shows_its_author_his_own_lines(
    tmp_path: Path, written: str, told: str, where: tuple[str, ...]
) -> None:
    (tmp_path / "server.py").write_text(written)
    (tmp_path / "helper.py").write_text("import absent\n")
    done = start(tmp_path, "server.py:mcp")
    assert done.returncode == 1
    assert f"mcp-resource: server.py cannot be loaded: {told}" in done.stderr
    files = re.findall(r'^  File "(.+)", line', done.stderr, re.MULTILINE)
    assert tuple(Path(file).name for file in files) == where


MISTAKES: dict[str, tuple[tuple[str, ...], dict[str, str], str]] = {
    "a setting": ((), {"ISSUER": "http://x/"}, "ISSUER"),
    "a file that is not there": (("nowhere.py:mcp",), {}, "There is no file nowhere.py"),
    "a file without a server": (("empty.py",), {}, "no FastMCP server"),
    "a name that is no server": (("empty.py:thing",), {}, "no FastMCP server named thing"),
    "two servers": (("empty.py", "--upstream", "http://127.0.0.1:1/mcp"), {}, "Name one server"),
    "no command": (("--upstream", "'"), {}, "RESOURCE_UPSTREAM"),
}


@pytest.mark.parametrize(("arguments", "environ", "told"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_line_and_exit_code_one(
    tmp_path: Path, arguments: tuple[str, ...], environ: dict[str, str], told: str
) -> None:
    (tmp_path / "empty.py").write_text("thing = 1\n")
    done = start(tmp_path, *arguments, **environ)
    assert done.returncode == 1
    assert told in done.stderr
    assert done.stderr.startswith("mcp-resource: ")
    assert done.stderr.count("\n") == 1
