"""Rows TOK: the token endpoint and authorization codes."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.hostile.rows import row
from tests.hostile.target import Target
from tests.hostile.test_net import HELD
from tests.support.oauth import Client, claims

FORM = {"content-type": "application/x-www-form-urlencoded"}
GARBAGE = {
    "one character": "x",
    "10 KB": "A" * 10_240,
    "unicode": "ключ-от-двери-🔑",
    "SQL": "' OR '1'='1' --",
    "a path": "../../../../etc/passwd",
    "a format": "%s%s%n{0}{{",
    "a JWT": "eyJhbGciOiJub25lIn0.e30.",
    "blanks": "   ",
}


def still_redeems(client: Client, code: str) -> dict[str, Any]:
    answer = client.redeem(code)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@row("TOK-02")
@pytest.mark.parametrize(
    ("bent", "error"),
    [
        ({"code_verifier": "w" * 43}, "invalid_grant"),
        ({"code_verifier": None}, "invalid_request"),
        ({"redirect_uri": "http://127.0.0.1/other"}, "invalid_grant"),
        ({"client_id": None}, "invalid_client"),
        ({"client_id": "nobody"}, "invalid_client"),
        ({"client_secret": "wrong-secret-of-a-public-client"}, "invalid_client"),
    ],
)
def test_a_faulty_replay_is_no_kill_switch(issuer: Target, client: Client, bent: dict[str, Any], error: str) -> None:
    """Whoever found a used code but cannot prove the rest must not be able to end the grant."""
    code = client.code()
    tokens = still_redeems(client, code)
    issuer.send("POST", "/token", expect={400, 401}, error=error, changes=True, data=client.redemption(code, **bent))
    assert client.refresh(tokens["refresh_token"]).status_code == 200


@row("TOK-02")
def test_a_replay_that_is_right_in_everything_else_ends_the_grant(issuer: Target, client: Client) -> None:
    code = client.code()
    tokens = still_redeems(client, code)
    again = client.redemption(code)
    issuer.send("POST", "/token", expect=400, error="invalid_grant", changes=True, data=again)
    assert client.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"


@row("TOK-04")
def test_a_code_of_another_client(issuer: Target, client: Client) -> None:
    other = Client.register(issuer.client)
    code = client.code()
    theft = {**other.redemption(code), "code_verifier": client.verifier}
    issuer.send("POST", "/token", expect=400, error="invalid_grant", data=theft)
    still_redeems(client, code)


@row("TOK-10")
@pytest.mark.parametrize("verifier", ["x", "x" * 42, "x" * 129, "v" * 43 + "=", "é" * 43, "a b" * 20, "\u0131" * 43])
def test_verifiers_that_are_none(issuer: Target, client: Client, verifier: str) -> None:
    code = client.code()
    bent = client.redemption(code, code_verifier=verifier)
    issuer.send("POST", "/token", expect=400, error={"invalid_grant", "invalid_request"}, changes=True, data=bent)
    still_redeems(client, code)


@row("TOK-10")
def test_the_challenge_is_not_its_own_verifier(issuer: Target, client: Client) -> None:
    """A server that fell back to the method `plain` would take it."""
    challenge = client.parameters()["code_challenge"]
    code = client.code()
    bent = client.redemption(code, code_verifier=challenge)
    issuer.send("POST", "/token", expect=400, error="invalid_grant", changes=True, data=bent)


@row("TOK-08")
@pytest.mark.parametrize("seconds", [61, 601, 10**8])
def test_an_expired_code(issuer: Target, client: Client, later: Callable[[int], None], seconds: int) -> None:
    code = client.code()
    later(seconds)
    issuer.send("POST", "/token", expect=400, error="invalid_grant", changes=True, data=client.redemption(code))


@row("TOK-09")
@pytest.mark.parametrize("name", GARBAGE)
def test_garbage_for_a_code(issuer: Target, client: Client, name: str) -> None:
    bent = client.redemption(GARBAGE[name])
    issuer.send("POST", "/token", expect=400, error={"invalid_grant", "invalid_request"}, data=bent)


@row("TOK-09")
@HELD
@given(text=st.text(max_size=200))
def test_no_text_is_a_code(issuer: Target, client: Client, text: str) -> None:
    errors = {"invalid_grant", "invalid_request"}
    issuer.send("POST", "/token", expect=400, error=errors, data=client.redemption(text), may_echo={text})


@row("TOK-09")
def test_a_code_that_is_nearly_right(issuer: Target, client: Client) -> None:
    code = client.code()
    other = "A" if code[-1] != "A" else "B"
    for near in (code[:-1], code[:-1] + other, code + "A", code + "=", code.swapcase(), " " + code, code + "\n"):
        issuer.send("POST", "/token", expect=400, error="invalid_grant", data=client.redemption(near))
    still_redeems(client, code)


@row("TOK-10")
def test_honest_mistakes_leave_the_code_usable(issuer: Target, client: Client) -> None:
    code = client.code()
    for bent, error in (
        ({"resource": "https://elsewhere.example/"}, "invalid_target"),
        ({"redirect_uri": "http://127.0.0.1:99/callback"}, "invalid_grant"),
        ({"code_verifier": "w" * 50}, "invalid_grant"),
        ({"redirect_uri": None}, "invalid_request"),
    ):
        data = client.redemption(code, **bent)
        issuer.send("POST", "/token", expect=400, error=error, changes=True, data=data)
    still_redeems(client, code)


@row("TOK-10")
def test_guessing_the_verifier_ends_with_the_fifth_failure(issuer: Target, client: Client) -> None:
    code = client.code()
    for attempt in range(5):
        bent = client.redemption(code, code_verifier=f"{attempt}" * 43)
        issuer.send("POST", "/token", expect=400, error="invalid_grant", changes=True, data=bent)
    issuer.send("POST", "/token", expect=400, error="invalid_grant", changes=True, data=client.redemption(code))


BAD_TARGETS: dict[str, Any] = {
    "unknown": "https://elsewhere.example/mcp",
    "trailing slash": "{mcp}/",
    "fragment": "{mcp}#x",
    "empty fragment": "{mcp}#",
    "query": "{mcp}?a=b",
    "relative": "/mcp",
    "javascript": "javascript:alert(1)",
    "upper case": "{upper}",
    "the origin": "{origin}",
    "one right, one wrong": ["{mcp}", "https://elsewhere.example/mcp"],
    "fifty": [f"https://elsewhere.example/{n}" for n in range(50)],
    "10 KB": "https://elsewhere.example/" + "a" * 10_240,
}


def targets(issuer: Target, name: str) -> list[str]:
    mcp = issuer.pair.mcp
    values = {"mcp": mcp, "upper": mcp.replace("http://", "HTTP://"), "origin": issuer.pair.resource}
    bad = BAD_TARGETS[name]
    return [value.format(**values) for value in ([bad] if isinstance(bad, str) else bad)]


@row("TOK-11")
@pytest.mark.parametrize("name", BAD_TARGETS)
def test_resources_outside_the_grant(issuer: Target, client: Client, name: str) -> None:
    code = client.code()
    bent = client.redemption(code, resource=targets(issuer, name))
    issuer.send("POST", "/token", expect=400, error={"invalid_target", "invalid_request"}, changes=True, data=bent)
    still_redeems(client, code)


@row("TOK-11")
def test_the_audience_is_what_was_asked(issuer: Target, client: Client) -> None:
    for asked in ([], [issuer.pair.mcp], [issuer.pair.mcp] * 2):
        token = client.redeem(client.code(), resource=asked).json()["access_token"]
        assert claims(token)["aud"] == issuer.pair.mcp


@row("TOK-12")
@pytest.mark.parametrize("scope", ["mcp:tools admin", "openid offline_access admin", "", "*"])
def test_scope_is_never_widened_at_redemption(issuer: Target, client: Client, scope: str) -> None:
    answer = client.redeem(client.code(scope="mcp:tools"), scope=scope)
    assert answer.status_code in (200, 400)
    if answer.status_code == 200:
        assert answer.json()["scope"] == claims(answer.json()["access_token"])["scope"] == "mcp:tools"


@row("TOK-13")
@pytest.mark.parametrize("name", ["grant_type", "code", "client_id", "code_verifier", "redirect_uri", "scope"])
@pytest.mark.parametrize("same", [True, False])
def test_a_parameter_twice(issuer: Target, client: Client, name: str, same: bool) -> None:
    code = client.code()
    form = {**client.redemption(code), "scope": "mcp:tools"}
    bent = {**form, name: [form[name], form[name] if same else "other"]}
    issuer.send("POST", "/token", expect=400, error="invalid_request", changes=True, data=bent)
    still_redeems(client, code)


@row("TOK-14")
def test_the_query_is_not_read(issuer: Target, client: Client) -> None:
    form = client.redemption(client.code())
    issuer.canaries.add(form["code"])
    issuer.send("POST", "/token", expect={400, 415}, params=form)
    issuer.send("POST", "/token", expect={400, 415}, params=form, headers=FORM, content=b"")
    half = {"grant_type": form.pop("grant_type")}
    issuer.send("POST", "/token", expect={400, 401}, params=form, data=half)
    issuer.canaries.discard(form["code"])


@row("TOK-15")
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE"])
def test_only_post(issuer: Target, method: str) -> None:
    answer = issuer.send(method, "/token", expect=405)
    assert "POST" in answer.headers["allow"]


@row("TOK-16")
@pytest.mark.parametrize(
    "kind",
    [
        *(
            "application/json",
            "multipart/form-data; boundary=x",
            "text/plain",
            "",
            "application/x-www-form",
        ),
        *("application/json, application/x-www-form-urlencoded", "application/x-www-form-urlencoded, text/plain"),
        *("application/x-www-form-urlencoded; charset=utf-16", "application/x-www-form-urlencoded; charset=latin-1"),
        *("application/x-www-form-urlencoded; boundary=x", "x-www-form-urlencoded", "application/", "/", ";;;"),
        *("application/x-www-form-urlencoded; charset=utf-8; charset=utf-16", "APPLICATION/JSON"),
    ],
)
def test_other_media_types(issuer: Target, client: Client, kind: str) -> None:
    body = str(httpx.QueryParams(client.redemption(client.code()))).encode()
    headers = {"content-type": kind}
    issuer.send("POST", "/token", expect={400, 415}, error="invalid_request", content=body, headers=headers)


@row("TOK-16")
@pytest.mark.parametrize("kind", [f"{FORM['content-type']}; charset=UTF-8", "Application/X-WWW-Form-Urlencoded"])
def test_spellings_that_real_clients_send(client: Client, kind: str) -> None:
    body = str(httpx.QueryParams(client.redemption(client.code()))).encode()
    assert client.http.post("/token", content=body, headers={"content-type": kind}).status_code == 200


@row("TOK-17")
@pytest.mark.parametrize("field", ["%", "%zz", "scope=%", "scope=%zz", "scope=%4", "x=%u0041", "state=100%"])
def test_an_escape_that_is_none(issuer: Target, client: Client, field: str) -> None:
    """In a form that is good otherwise, and in a field that nobody reads too."""
    code = client.code()
    body = f"{httpx.QueryParams(client.redemption(code))}&{field}".encode()
    issuer.send("POST", "/token", expect=400, error="invalid_request", content=body, headers=FORM)
    still_redeems(client, code)


@row("TOK-17")
@pytest.mark.parametrize("odd", ["{}&&a=b", "&{}", "{}&", "{}&=x", "{}&=", "{}&a", "{}&scope=mcp:tools+openid"])
def test_odd_fields_that_mean_nothing(client: Client, odd: str) -> None:
    body = odd.format(httpx.QueryParams(client.redemption(client.code(scope="mcp:tools openid")))).encode()
    answer = client.http.post("/token", content=body, headers=FORM)
    assert (answer.status_code, answer.json()["scope"]) == (200, "mcp:tools openid")


@row("TOK-17")
def test_only_an_ampersand_parts_fields(issuer: Target, client: Client) -> None:
    body = "&".join(f"{k}={v}" for k, v in client.redemption(client.code()).items()).replace("&", ";", 1)
    issuer.send("POST", "/token", expect=400, content=body.encode(), headers=FORM)


@row("TOK-18")
@pytest.mark.parametrize(
    "body",
    [b"a=1&" * 1001, b"a=1&bb=22&" * 1_000_000, b"x=" + b"A" * 50_000_000, b"a;" * 500_000, b"&" * 9_000_000],
    ids=["1001 fields", "2 million fields", "50 MB", "a; 500000 times", "ampersands"],
)
def test_huge_forms_cost_nothing(issuer: Target, body: bytes) -> None:
    waits: list[float] = []
    stop = threading.Event()

    def probe() -> None:
        with httpx.Client(base_url=issuer.origin) as http:
            while not (waits and stop.is_set()):
                started = time.perf_counter()
                assert http.get("/healthz", headers={"x-request-id": "harness-check-probe"}).status_code == 200
                waits.append(time.perf_counter() - started)
                stop.wait(0.01)

    with ThreadPoolExecutor(1) as pool:
        probing = pool.submit(probe)
        issuer.send("POST", "/token", expect={400, 413}, error="invalid_request", content=body, headers=FORM)
        stop.set()
        probing.result()
    assert max(waits) < 1, f"others waited {max(waits):.2f} s"


@row("TOK-19")
@pytest.mark.parametrize("name", ["client_id", "code", "client_secret", "code_verifier", "redirect_uri", "grant_type"])
@pytest.mark.parametrize("raw", ["%00", "%ff%fe", "%c0%af", "%ed%a0%80", "\xff"])
def test_bytes_that_are_no_text(issuer: Target, client: Client, name: str, raw: str) -> None:
    body = str(httpx.QueryParams(client.redemption("x", **{name: "MARK"}))).replace("MARK", raw).encode("latin-1")
    issuer.send("POST", "/token", expect=400, error="invalid_request", content=body, headers=FORM)


@row("TOK-20")
@pytest.mark.parametrize(
    "grant",
    [
        *(None, "", "password", "implicit", "urn:ietf:params:oauth:grant-type:device_code", "AUTHORIZATION_CODE"),
        *("x" * 10_240, "__init__", "authorization_code ", "grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
    ],
)
def test_grants_there_are_not(issuer: Target, client: Client, grant: str | None) -> None:
    errors = {"invalid_request", "unsupported_grant_type"}
    issuer.send("POST", "/token", expect=400, error=errors, data=client.form(grant_type=grant))


@row("TOK-22")
def test_a_good_answer(client: Client, issuer: Target) -> None:
    answer = client.redeem(client.code(scope="mcp:tools openid"))
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"] == "application/json"
    tokens = answer.json()
    assert tokens["token_type"] == "Bearer"
    assert None not in tokens.values()
    assert re.fullmatch(r"[A-Za-z0-9_-]{43,}", tokens["refresh_token"])
    access = claims(tokens["access_token"])
    assert access.keys() >= {"jti", "iss", "aud", "sub", "client_id", "iat", "exp", "scope"}
    assert access["exp"] - access["iat"] == tokens["expires_in"]
    assert access["iss"] == issuer.pair.issuer
    assert claims(tokens["id_token"])["aud"] == client.id


@row("TOK-23")
def test_machines_need_a_registration_by_the_operator(issuer: Target, client: Client) -> None:
    errors = {"unauthorized_client", "invalid_client"}
    asked = client.form(grant_type="client_credentials", scope="openid offline_access")
    issuer.send("POST", "/token", expect={400, 401}, error=errors, data=asked)
    confidential = Client.register(issuer.client, token_endpoint_auth_method="client_secret_post")
    issuer.send("POST", "/token", expect=400, error=errors, data=confidential.form(grant_type="client_credentials"))


@row("TOK-23")
def test_a_machine_is_nobody(issuer: Target) -> None:
    """The configured client: no refresh token, no identity, and its subject is its own id."""
    secret = (issuer.pair.keys / "mcp-client.secret").read_text().strip()
    proof: dict[str, Any] = {"auth": ("mcp-client", secret)}
    grant = {"grant_type": "client_credentials"}
    for scope in ("openid", "offline_access", "openid offline_access"):
        asked = {**grant, "scope": scope}
        issuer.send("POST", "/token", expect=400, error="invalid_scope", data=asked, **proof)
    answer = issuer.client.post("/token", data=grant, auth=proof["auth"]).json()
    assert "refresh_token" not in answer
    assert "id_token" not in answer
    assert claims(answer["access_token"])["sub"] == "mcp-client"


@row("TOK-24")
@pytest.mark.parametrize("path", ["/token/", "//token", "/Token", "/token%2f", "/token;x", "/token/x"])
def test_paths_that_are_nearly_right(issuer: Target, client: Client, path: str) -> None:
    form = client.redemption(client.code())
    issuer.send("POST", path, expect={404, 405}, data=form)
    issuer.send("POST", path, expect={404, 421}, data=form, headers={"host": "evil.example"})


@row("TOK-26")
@HELD
@given(
    fields=st.dictionaries(
        st.one_of(
            st.sampled_from("grant_type code client_id client_secret refresh_token scope resource".split()),
            st.text(min_size=1, max_size=30),
        ),
        st.text(max_size=60),
        max_size=8,
    ),
    header=st.one_of(st.none(), st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=60)),
)
def test_every_error_keeps_to_its_alphabet(issuer: Target, fields: dict[str, str], header: str | None) -> None:
    headers = {**FORM, **({"authorization": header} if header else {})}
    body = str(httpx.QueryParams({k: v.encode("utf-8", "surrogatepass") for k, v in fields.items()})).encode()
    issuer.send("POST", "/token", expect={400, 401, 429}, content=body, headers=headers)
