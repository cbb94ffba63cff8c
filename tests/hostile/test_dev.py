"""Rows DEV and NET-10: what development makes easy is not there in production, and out of reach of web pages."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.hostile.rows import row
from tests.hostile.target import Target
from tests.hostile.test_net import HELD
from tests.support import servers

from issuer.settings import SettingsError, load

COMMANDS = (["serve"], ["token"], ["client", "add"], ["key", "new"])
DEVELOPMENT_PATHS = ("/dev/token", "/docs", "/redoc", "/openapi.json", "/docs/oauth2-redirect", "/swagger-ui.css")


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Service]:
    """The issuer of https://auth.example, as behind a proxy that ends TLS."""
    port = str(servers.free_port())
    settings = {"ISSUER": "https://auth.example", "ISSUER_RESOURCES": "https://mcp.example/mcp"}
    folder = tmp_path_factory.mktemp("production")
    with servers.running("issuer", folder, ISSUER_PORT=port, **settings) as service:
        yield service


def ask(service: servers.Service, method: str, path: str, **more: Any) -> httpx.Response:
    headers = {"host": "auth.example", **more.pop("headers", {})}
    return httpx.request(method, service.origin + path, headers=headers, follow_redirects=False, **more)


@row("NET-10")
@row("DEV-01")
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "OPTIONS", "PUT"])
def test_production_has_no_development_routes(production: servers.Service, method: str) -> None:
    assert ask(production, "GET", "/.well-known/jwks.json").status_code == 200
    for path in DEVELOPMENT_PATHS:
        assert ask(production, method, path).status_code == 404, path


@row("DEV-01")
@pytest.mark.parametrize(
    "path", ["/dev%2Ftoken", "/dev/token/", "//dev/token", "/DEV/token", "/dev/./token", "/dev;/token"]
)
def test_no_spelling_of_the_route_finds_it(production: servers.Service, path: str) -> None:
    assert ask(production, "POST", path).status_code == 404


@row("DEV-01")
def test_production_refuses_the_settings_of_development() -> None:
    for name, value in {"ISSUER_DEV": "1", "ISSUER_AUTO_APPROVE": "alice"}.items():
        with pytest.raises(SettingsError, match=name):
            load({"ISSUER": "https://auth.example", name: value})


FROM_A_PAGE: dict[str, dict[str, str]] = {
    "a form elsewhere": {"origin": "https://evil.example", "sec-fetch-site": "cross-site"},
    "fetch without CORS": {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"},
    "a page on another port": {"origin": "http://127.0.0.1:3000", "sec-fetch-site": "same-site"},
    "an origin alone": {"origin": "http://localhost"},
    "an opaque origin": {"origin": "null"},
    "a same-site page": {"sec-fetch-site": "same-site"},
    "https instead of http": {"origin": "https://{host}"},
    "a proxy": {"x-forwarded-for": "203.0.113.9"},
    "a proxy, RFC 7239": {"forwarded": "for=203.0.113.9"},
    "a proxy that names itself": {"via": "1.1 proxy"},
    "a proxy's host": {"x-forwarded-host": "auth.example"},
    "a proxy's address": {"x-real-ip": "203.0.113.9"},
    **{header: {header: "1.2.3.4"} for header in ("x-forwarded-port", "x-forwarded", "x-original-host")},
    **{header: {header: "1.2.3.4"} for header in ("cf-connecting-ip", "true-client-ip", "x-client-ip")},
}


@row("DEV-03")
@pytest.mark.parametrize("name", FROM_A_PAGE)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_no_page_reaches_development_tokens(issuer: Target, name: str, method: str) -> None:
    headers = {key: value.format(host=issuer.host) for key, value in FROM_A_PAGE[name].items()}
    answer = issuer.send(method, "/dev/token", expect=403, error="access_denied", headers=headers)
    assert "access_token" not in answer.text
    assert not [header for header in answer.headers if header.startswith("access-control")]


@row("DEV-03")
@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "127.0.0.1.nip.io:9000", "[::1]:9000"])
def test_a_rebound_name_does_not_reach_them(issuer: Target, host: str) -> None:
    issuer.send("POST", "/dev/token", expect={403, 421}, headers={"host": host})


@row("DEV-03")
def test_a_preflight_promises_nothing(issuer: Target) -> None:
    asked = {"origin": "https://evil.example", "access-control-request-method": "POST"}
    answer = issuer.send("OPTIONS", "/dev/token", expect={403, 404, 405}, headers=asked)
    assert not [header for header in answer.headers if header.startswith("access-control")]


@row("DEV-03")
@HELD
@given(
    name=st.sampled_from(["origin", "sec-fetch-site"]),
    value=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40),
)
def test_only_known_good_values_pass(issuer: Target, name: str, value: str) -> None:
    good = {"origin": {issuer.origin}, "sec-fetch-site": {"none", "same-origin"}}[name]
    if value not in good:
        issuer.send("POST", "/dev/token", expect=403, headers={name: value})


@row("DEV-04")
@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"expires_in": "315360000"}, "invalid_request"),
        ({"expires_in": "3601"}, "invalid_request"),
        ({"expires_in": "-1"}, "invalid_request"),
        ({"expires_in": "0"}, "invalid_request"),
        ({"expires_in": "1e3"}, "invalid_request"),
        ({"expires_in": "1.5"}, "invalid_request"),
        ({"expires_in": "٣"}, "invalid_request"),
        ({"expires_in": "9" * 5000}, "invalid_request"),
        ({"resource": "https://elsewhere.example/mcp"}, "invalid_target"),
        ({"resource": "{resource}/mcp/"}, "invalid_target"),
        ({"resource": "{resource}"}, "invalid_target"),
        ({"resource": "javascript:alert(1)"}, "invalid_target"),
        ({"scope": 'a"b'}, "invalid_scope"),
        ({"scope": "a\nb"}, "invalid_scope"),
        ({"sub": "a\x1b[31m\nb"}, "invalid_request"),
        ({"sub": "s" * 201}, "invalid_request"),
        ({"sub": "s" * 100_000}, "invalid_request"),
        ({"sub": ["a", "b"]}, "invalid_request"),
        ({"client_id": "c\0d"}, "invalid_request"),
    ],
)
def test_development_tokens_are_bounded(issuer: Target, form: dict[str, Any], error: str) -> None:
    resource = issuer.pair.resource
    sent = {name: v.format(resource=resource) if isinstance(v, str) else v for name, v in form.items()}
    answer = issuer.send("POST", "/dev/token", expect={400, 413}, data=sent)
    assert answer.status_code == 413 or answer.json()["error"] == error
    if len(str(sent)) < 50_000:  # of an address a client sends no more
        answer = issuer.send("GET", "/dev/token", expect={400}, error=error, params=sent)
        assert answer.headers["cache-control"] == "no-store"


@row("DEV-04")
@HELD
@given(
    form=st.fixed_dictionaries(
        {},
        optional={
            "sub": st.text(max_size=300),
            "scope": st.text(max_size=80),
            "expires_in": st.one_of(st.integers().map(str), st.text(max_size=12)),
            "client_id": st.text(max_size=300),
            "aud": st.text(max_size=40),
            "exp": st.integers().map(str),
        },
    )
)
def test_whatever_is_asked_a_token_lives_an_hour_at_most(issuer: Target, form: dict[str, str]) -> None:
    answer = issuer.send("POST", "/dev/token", expect={200, 400}, data=form)
    if answer.status_code == 200:
        payload = answer.json()["access_token"].split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        assert claims["exp"] - claims["iat"] <= 3600
        assert claims["dev"] is True
        assert claims["aud"] == issuer.pair.mcp


@row("DEV-05")
def test_nothing_is_the_same_in_two_installations(tmp_path: Path) -> None:
    secrets_made: list[str] = []
    for name in ("first", "second"):
        folder = tmp_path / name
        with servers.running("issuer", folder, ISSUER_PORT=str(servers.free_port())) as service:
            made = {path.name: path.read_text().strip() for path in (folder / "keys").iterdir()}
            assert len(made) == 2, "a signing key and a client secret"
            assert all(path.stat().st_mode & 0o077 == 0 for path in (folder / "keys").iterdir())
            secret = made["mcp-client.secret"]
            assert len(secret) >= 43
            assert secret not in service.log()
            database = b"".join(path.read_bytes() for path in (folder / ".data").iterdir())
            assert secret.encode() not in database, "at rest only its hash"
            secrets_made += made.values()
    assert len(set(secrets_made)) == 4


def start(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `mcp-issuer serve` expecting it to end by itself."""
    settings = servers.clean_environment(**{"ISSUER_PORT": str(servers.free_port()), **environment})
    command = [sys.executable, "-m", "issuer", "serve"]
    return subprocess.run(command, cwd=folder, env=settings, capture_output=True, text=True, timeout=60, check=False)


NONSENSE: list[tuple[dict[str, str], list[str]]] = [
    ({"ISSUER_PROT": "9000"}, ["ISSUER_PROT", "ISSUER_PORT"]),
    ({"ISSUER_CANARY": "c4n4ry-value"}, ["ISSUER_CANARY"]),
    ({"ISSUER_PORT": "c4n4ry-value"}, ["ISSUER_PORT"]),
    ({"ISSUER": "http://c4n4ry-value.example"}, ["ISSUER"]),
    ({"ISSUER": "https://auth.example/c4n4ry-value/"}, ["ISSUER", "slash"]),
    ({"CLIENT_SECRET": "c4n4ry-value"}, ["CLIENT_SECRET"]),
    ({"ISSUER_HOST": "0.0.0.0"}, ["ISSUER_DEV"]),
    ({"ISSUER_ACCESS_TOKEN_SECONDS": "c4n4ry-value"}, ["ISSUER_ACCESS_TOKEN_SECONDS"]),
    ({"ISSUER_LOG_LEVEL": "c4n4ry-value"}, ["ISSUER_LOG_LEVEL"]),
    ({"ISSUER_RESOURCES": "c4n4ry-value"}, ["ISSUER_RESOURCES"]),
    ({"ISSUER_SCOPES": "c4n4ry\u00e9"}, ["ISSUER_SCOPES"]),
    ({"ISSUER_TRUSTED_PROXIES": "c4n4ry-value"}, ["ISSUER_TRUSTED_PROXIES"]),
    ({"ISSUER_ALLOWED_HOSTS": "https://c4n4ry-value/"}, ["ISSUER_ALLOWED_HOSTS"]),
]


@row("DEV-06")
@pytest.mark.parametrize(("environment", "named"), NONSENSE)
def test_nonsense_is_named_without_its_value(environment: dict[str, str], named: list[str]) -> None:
    with pytest.raises(SettingsError) as refused:
        load(environment)
    message = str(refused.value)
    assert all(name in message for name in named), message
    assert "c4n4ry" not in message, "a value is never printed: it may be a secret"


@row("DEV-06")
def test_nonsense_ends_the_start_in_one_line_each(tmp_path: Path) -> None:
    done = start(tmp_path, ISSUER_PORT="c4n4ry-value", ISSUER_PROT="9000", ISSUER_COLOUR="c4n4ry-value")
    assert done.returncode == 1
    assert "ISSUER_PROT" in done.stderr
    assert "ISSUER_COLOUR" in done.stderr
    assert "c4n4ry" not in done.stderr + done.stdout
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) <= 4


@row("DEV-06")
def test_no_secret_is_taken_from_the_command_line() -> None:
    """Every other user of a machine can read command lines."""
    for command in COMMANDS:
        usage = subprocess.run([sys.executable, "-m", "issuer", *command, "--help"], capture_output=True, text=True)
        assert usage.returncode == 0
        assert not re.search(r"--\S*(secret|password)", usage.stdout), usage.stdout
