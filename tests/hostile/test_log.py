"""Rows LOG and DEV-07: what the log says of hostile requests, and what it never says."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.hostile.rows import row
from tests.hostile.target import Target
from tests.hostile.test_net import HELD
from tests.support import oauth, overheard, servers

CREDENTIALS = (
    *("client_secret", "code", "code_verifier", "refresh_token", "access_token", "token", "client_assertion"),
    *("assertion", "password", "state", "nonce", "id_token_hint", "registration_access_token", "csrf", "jwt"),
)
PATHS = ("/token", "/register", "/authorize", "/login", "/consent", "/revoke", "/introspect", "/userinfo", "/logout")
ANSWERED = {200, 302, 303, 400, 401, 403, 404, 405, 413, 415, 422}


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@row("LOG-01")
@pytest.mark.parametrize("path", [*PATHS, "/mcp", "/nothing/here"])
def test_no_credential_reaches_the_log(either: Target, path: str) -> None:
    """A canary in every field that takes a secret; the harness looks for each in the answer and in the log."""
    canaries = {name: either.canary() for name in CREDENTIALS}
    form = {"grant_type": "authorization_code", "client_id": "mcp-client", **canaries}
    sent: list[dict[str, Any]] = [
        {"data": form},
        {"json": form},
        {"content": json.dumps(form)[:-20].encode(), "headers": {"content-type": "application/json"}},
        {"data": {"client_id": "mcp-client"}, "headers": {"authorization": basic("mcp-client", either.canary())}},
        {"headers": {"authorization": f"Bearer {either.canary()}"}},
        {"headers": {"authorization": f"DPoP {either.canary()}", "dpop": either.canary()}},
        {"headers": {"cookie": f"session={either.canary()}; __Host-session={either.canary()}"}},
        {"headers": {"x-api-key": either.canary(), "proxy-authorization": basic("a", either.canary())}},
        {"params": canaries},
        {"params": {name.upper(): value for name, value in canaries.items()}},
        {"params": {f"{name}[]": value for name, value in canaries.items()}},
        {"content": either.canary().encode(), "headers": {"content-type": either.canary()}},
    ]
    for request in sent:
        either.send("POST", path, expect=ANSWERED, json_error=False, **request)
    either.send("GET", f"{path}?{either.canary()}", expect=ANSWERED, json_error=False)


@pytest.fixture(scope="module")
def walked(issuer: Target) -> set[str]:
    """The secrets of a walk in which all is right, and of steps behind it in which one thing is wrong.

    What is wrong is a canary, and so in no answer either; the rest is overheard, as whatever other tests send.
    """
    form = {"username": "dora", "password": issuer.command("user", "add", "dora", "--generate").split()[-1]}
    client = oauth.Client.register(issuer.client, token_endpoint_auth_method="client_secret_post", scope="mcp:tools")
    person = oauth.Person(issuer.origin)
    sign_in = oauth.form_of(person.open(client))
    assert "Sign in" in person.post(sign_in, **{**form, "password": issuer.canary()}).text
    moved = person.post(sign_in, **form)
    question = person.http.get(moved.headers["location"])
    code = oauth.answer_of(person.approve(question))["code"]
    verifier = issuer.canary() + issuer.canary()
    for bent in ({"code": issuer.canary()}, {"code_verifier": verifier}, {"client_secret": issuer.canary()}):
        refused = {**client.redemption(code), **bent}
        issuer.send("POST", "/token", expect={400, 401}, changes=True, data=refused)
    tokens = client.redeem(code).json()
    guessed = client.form(grant_type="refresh_token", refresh_token=issuer.canary())
    issuer.send("POST", "/token", expect=400, error="invalid_grant", data=guessed)
    for path in ("/introspect", "/revoke"):
        issuer.send("POST", path, expect=200, data=client.form(token=issuer.canary()))
        issuer.client.post(path, data=client.form(token=tokens["refresh_token"]))
    headers = {"authorization": f"Bearer {tokens['access_token']}"}
    issuer.client.get("/userinfo", headers=headers)
    secret = str(client.secret)
    issuer.client.post("/token", data={"grant_type": "x"}, headers={"authorization": basic(client.id, secret)})
    cookies = set(person.http.cookies.values())
    assert len(cookies) == 2
    return {code, client.verifier, secret, form["password"], tokens["refresh_token"], tokens["access_token"], *cookies}


@row("LOG-01")
def test_no_credential_that_was_used_reaches_the_log(issuer: Target, walked: set[str]) -> None:
    """Not one that was right, nor one that was tried behind all the doors: the harness looks after each test."""
    assert not [value for value in walked if not overheard.knows(value)]
    issuer.keeps_secrets()


@row("LOG-01")
def test_no_credential_is_stored_in_clear(issuer: Target, walked: set[str]) -> None:
    """After everything above: no canary in any file of the service but the pages of memory it lives in."""
    secret = (issuer.pair.keys / "mcp-client.secret").read_text().strip()
    written = {path: path.read_bytes() for path in issuer.service.folder.rglob("*") if path.is_file()}
    for value in (*issuer.canaries, *walked, secret):
        found = [str(path) for path, content in written.items() if value.encode() in content]
        assert found == [str(path) for path in written if value == secret and path.name == "mcp-client.secret"]


@row("LOG-02")
@pytest.mark.parametrize(
    "query",
    [
        "code={c}&state={c}",
        "client_id=x&code={c}&scope=mcp:tools",
        "access_token={c}",
        "Access_Token={c}",
        "access%5Ftoken={c}",
        "token[]={c}",
        "&&&{c}",
        "{c}",
        "{c}=1",
        "a=b;token={c}",
        "request={c}&request_uri=https://a.test/{c}",
        "id_token_hint={c}&login_hint={c}",
        "code={c}" + "&x=y" * 3000,
    ],
)
def test_query_values_are_masked(either: Target, query: str) -> None:
    canary = either.canary()
    path = "/authorize" if either.service.name == "issuer" else "/mcp"
    either.send("GET", f"{path}?{query.format(c=canary)}", expect={400, 401, 404, 405}, json_error=False)
    assert either.log_since()[-1]["path"].startswith(path)


@row("LOG-02")
def test_harmless_parameters_are_shown(issuer: Target) -> None:
    """A log that masks everything helps nobody."""
    issuer.send("GET", "/nothing?client_id=abc&scope=mcp:tools&code=xyz", expect=404)
    assert issuer.log_since()[-1]["path"] == "/nothing?client_id=abc&scope=mcp:tools&code=***"


HOSTILE_TEXT = {
    "new lines": "a\r\nINFO forged line status=200",
    "escapes": "\x1b[31mred\x1b[0m\x1b]0;title\x07",
    "one-byte escapes": "\x9b31m",
    "percent": "%s%n%d%(client_id)s",
    "braces": "{0} {message} {record[extra]} {{}}",
    "markup": "<red>loguru</red>",
    "bidi": "\u202egnp.exe\u2066",
    "line separators": "a\u2028b\u2029c\x85d",
    "a megabyte": "A" * 60_000,
    "lone NUL": "a\0b",
}


@row("LOG-03")
@pytest.mark.parametrize("name", HOSTILE_TEXT)
def test_text_from_requests_cannot_forge_or_flood_the_log(issuer: Target, name: str) -> None:
    text = HOSTILE_TEXT[name]
    document = {"client_name": text, "redirect_uris": ["http://127.0.0.1/cb"], "software_id": text}
    issuer.send("POST", "/register", expect={201, 400, 413}, changes=True, json=document)
    check_lines(issuer)
    issuer.send("POST", "/dev/token", expect={200, 400, 413}, data={"sub": text, "client_id": text})
    check_lines(issuer)
    issuer.send("GET", "/nothing", expect=404, params={"client_id": text[:2000], text[:40]: "x"})
    check_lines(issuer)
    agent = text[:4000].encode("utf-8").translate(None, b"\r\n\0\x1b\x07")
    issuer.send("GET", "/.well-known/jwks.json", expect=200, headers={"user-agent": agent, "x-request-id": "no good"})
    check_lines(issuer)


@row("LOG-03")
@HELD
@given(
    text=st.text(min_size=1, max_size=300),
    field=st.sampled_from(["sub", "client_id", "scope", "resource", "expires_in"]),
)
def test_no_text_breaks_a_line(issuer: Target, text: str, field: str) -> None:
    issuer.send("POST", "/dev/token", expect={200, 400}, data={field: text}, may_echo={text})
    check_lines(issuer)


@row("LOG-03")
@pytest.mark.parametrize("identity", ["", "a b", "a\tb", "é", "x" * 65, "x" * 9000, "{0}", '"', "<script>", "a,b"])
def test_an_ill_formed_request_id_is_replaced(either: Target, identity: str) -> None:
    with either.holds():
        answer = either.client.get("/nowhere", headers=[(b"x-request-id", identity.encode())])
    assert answer.headers["x-request-id"] not in ("", identity)
    assert either.log_since()[-1]["request_id"] == answer.headers["x-request-id"]


def check_lines(target: Target) -> None:
    """Every line since is one JSON object, printable, of values no longer than 256 characters."""
    text = target.text_since()
    assert text.isascii()
    for line in text.splitlines():
        record = json.loads(line)
        for value in record.values():
            assert not isinstance(value, str) or (len(value) <= 256 and value.isprintable()), line[:400]


BOOM = """
import subprocess
import sys
from issuer import log, settings, wire
from issuer.app import create_app
from issuer.storage import schema

async def boom(token: str = ""):
    password = "cnry-local"
    raise RuntimeError(f"cnry-message client_secret=cnry-secret\\nINFO forged {token!r} of {password!r}"[:60])

loaded = settings.load()
log.configure(loaded.ISSUER_LOG_LEVEL, loaded.ISSUER_LOG_FORMAT)
schema.upgrade(loaded.ISSUER_DATABASE)
app = create_app(loaded)
app.add_api_route("/boom", boom, methods=["GET", "POST"])
wire.serve(app, wire.listen(loaded.ISSUER_HOST, loaded.ISSUER_PORT))
"""


@pytest.fixture(scope="module", params=["text", "json"])
def booming(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Service]:
    """The production issuer with one more route, which fails as no route should."""
    folder = tmp_path_factory.mktemp("boom")
    settings = {"ISSUER": "https://auth.example", "ISSUER_LOG_FORMAT": request.param}
    settings |= {"ISSUER_PORT": str(servers.free_port()), "ISSUER_RESOURCES": "https://mcp.example/mcp"}
    with servers.running("issuer", folder, command=[sys.executable, "-c", BOOM], **settings) as service:
        yield service


@row("DEV-07")
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_exception_in_production_is_a_plain_500(booming: servers.Service, method: str) -> None:
    before = len(booming.log())
    url = f"{booming.origin}/boom?token=cnry-query"
    answer = httpx.request(method, url, headers={"host": "auth.example", "x-request-id": "find-me"})
    assert answer.status_code == 500
    assert answer.json()["error"] == "server_error"
    assert answer.json()["request_id"] == answer.headers["x-request-id"] == "find-me"
    assert "cnry" not in answer.text
    assert "Traceback" not in answer.text
    log = booming.log()[before:]
    assert "find-me" in log
    assert "RuntimeError" in log, "the operator finds the traceback"
    for secret in ("cnry-query", "cnry-secret", "cnry-local"):
        assert secret not in log
    assert not [line for line in log.splitlines() if line.startswith("INFO")], "a message forged a line"
    assert httpx.get(f"{booming.origin}/healthz").status_code == 200


@pytest.mark.parametrize("service", ["issuer", "resource_server"])
def test_a_warning_of_a_library_is_a_line_like_any(service: str) -> None:
    program = f"import warnings; from {service} import log; log.configure('INFO', 'json'); warnings.warn('old\\nthing')"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    records = [json.loads(line) for line in ran.stderr.splitlines()]
    assert len(records) == 1
    assert records[0]["level"] == "warning"
    assert r"old\nthing" in records[0]["event"]
