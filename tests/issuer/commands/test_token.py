"""`mcp-issuer token`: a development token without a running issuer, which the issuer's keys verify."""

from __future__ import annotations

import json
import time

import pytest
from joserfc import jwk, jwt
from tests.issuer.commands.conftest import Shell

from issuer import key_files

pytestmark = pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
MCP = "http://127.0.0.1:8000/mcp"


def test_it_prints_one_token_and_nothing_else(shell: Shell):
    shell.ok("key", "init")
    printed = shell.ok("token")
    (key,) = key_files.read_keys(shell.folder / "keys")
    decoded = jwt.decode(printed.removesuffix("\n"), jwk.import_key(key.jwk), algorithms=["EdDSA"])
    claims = decoded.claims
    assert (claims["sub"], claims["aud"], claims["scope"], claims["dev"]) == ("dev", MCP, "mcp:tools", True)
    assert claims["exp"] - claims["iat"] == 900
    assert abs(claims["iat"] - time.time()) < 30


def test_every_option_and_the_whole_response(shell: Shell):
    shell.ok("key", "init")
    options = ["--sub", "alice", "--scope", "a b", "--expires-in", "60", "--client-id", "c", "--resource", MCP]
    response = json.loads(shell.ok("token", "--json", *options))
    assert {name: response[name] for name in ("token_type", "expires_in", "scope")} == {
        "token_type": "Bearer",
        "expires_in": 60,
        "scope": "a b",
    }


@pytest.mark.parametrize(
    "options",
    [
        ("--expires-in", "3601"),
        ("--expires-in", "soon"),
        ("--resource", "https://other.test"),
        ("--scope", 'a"b'),
        ("--sub", "a\nb"),
        ("--sub", "\udc80"),
    ],
)
def test_what_it_refuses_is_one_line(shell: Shell, options: tuple[str, ...]):
    assert options[1] not in shell.fails("token", *options)


def test_it_is_for_development(shell: Shell):
    shell.setenv("ISSUER", "https://id.example.com")
    assert "loopback" in shell.fails("token")
    assert shell.left() == set()


def test_a_key_that_it_makes_is_told(shell: Shell):
    """In the wrong folder its token would be one that no resource accepts."""
    told = f"mcp-issuer: made a new key, {shell.folder / 'keys'}"
    assert told in shell.process("token").stderr
    assert shell.process("token").stderr == ""


def test_settings_that_make_no_sense_end_a_real_process_in_a_line_each(shell: Shell):
    ended = shell.process("token", ISSUER_PORT="secret-value", ISSUER="ftp://secret-value")
    assert (ended.returncode, ended.stdout) == (1, "")
    first, second = ended.stderr.strip().splitlines()
    assert all(line.startswith("mcp-issuer: ISSUER") for line in (first, second))
    assert "ISSUER " in first
    assert "ISSUER_PORT" in second
    assert "secret-value" not in ended.stderr
    assert shell.left() == set()


def test_a_real_process_prints_a_token(shell: Shell):
    shell.ok("key", "init")
    ended = shell.process("token", ISSUER_SIGNING_ALG="ES256")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count(".") == 2
    assert ended.stdout.count("\n") == 1
