"""Rows REG-01 to REG-13, REG-38 and REG-39: redirect URIs at dynamic registration, and its answer."""

from __future__ import annotations

import hashlib
import re
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.hostile.rows import row
from tests.hostile.target import Target
from tests.hostile.test_net import HELD
from tests.support.oauth import Client, Person

LOOPBACK = ["http://127.0.0.1/cb"]
GOOD = "https://app.test/cb"
BAD_URIS = {
    "REG-01": r"""
        javascript:alert(1) JaVaScRiPt:alert(1) vbscript:msgbox(1) data:text/html,<script>alert(1)</script> mailto:a@b
        data:text/html;base64,PHNjcmlwdD4= file:///etc/passwd blob:https://a/uuid about:blank view-source:https://a
        intent://x#Intent;end ws://a wss://a ftp://a/cb tel:1 javascript://127.0.0.1/%0aalert(1) jar:https://a!/
        filesystem:https://a/temporary/x chrome://settings ms-settings:x x-javascript:alert(1) feed:a
    """,
    "REG-03": """
        https://app.test/cb#frag https://app.test/cb# http://127.0.0.1/cb# com.example.app:/cb#x
        https://app.test/cb?a=b# https://app.test/cb#/
    """,
    "REG-05": """
        https://app.test@evil.test/cb https://app.test:443@evil.test/ http://localhost:80@evil.test/cb
        https://@evil.test/ https://a:b@evil.test/cb http://127.0.0.1@evil.test/ https://a%40b@evil.test/
        http://user@127.0.0.1/cb http://:@localhost/cb https://app.test%2f@evil.test/cb
    """,
    "REG-06": r"""
        https://app.test\@evil.test/cb https:\\evil.test https:///evil.test/cb https:evil.test //evil.test/cb /cb cb
        https://app.test\.evil.test/ \\evil.test\cb https:/\evil.test https:// https:/evil.test/cb https://?x
        https://:443/cb http://localhost\@evil.test/ ://evil.test : ?
    """,
    "REG-08": "https://аpp.test/cb https://app。test/cb https://ａpp.test/cb https://app.tést/cb https://app.test/é",
    "REG-09": """
        http://app.test/cb http://192.168.1.5/cb http://0.0.0.0/cb http://[fe80::1]/cb http://10.0.0.1/ http://a
        http://127.0.0.2/cb http://[::]/cb http://169.254.169.254/ http://host.docker.internal/
    """,
    "REG-10": """
        http://127.0.0.1.evil.test/cb http://localhost.evil.test/cb http://127.1/cb http://0x7f.1/cb
        http://2130706433/cb http://[::ffff:127.0.0.1]/cb http://[::1%25lo]/cb http://LOCALHOST./cb
        http://localhost./cb http://127.0.0.1./cb http://0177.0.0.1/cb http://127.0.0.01/cb http://127.0.1
        http://[0:0:0:0:0:0:0:1]/cb http://[::127.0.0.1]/cb http://notlocalhost/cb http://localhost%2e/cb
        http://127.0.0.1%00.evil.test/cb http://localhost:80:80/cb http://127.0.0.1:99999/cb http://[::1/cb
    """,
    "REG-13": """
        myapp:cb myapp://cb urn:ietf:wg:oauth:2.0:oob urn:ietf:wg:oauth:2.0:oob:auto oob app.:/
    """,
}
OPEN_SCHEMES = set("http https cursor vscode vscode-insiders claude windsurf goose zed warp raycast".split())


def refused(issuer: Target, error: str = "invalid_client_metadata", /, **metadata: Any) -> None:
    """A registration with this metadata is refused, and nothing is stored."""
    answer = issuer.send("POST", "/register", expect=400, error=error, json={"redirect_uris": LOOPBACK, **metadata})
    assert answer.headers["cache-control"] == "no-store"


def registered(issuer: Target, **metadata: Any) -> dict[str, Any]:
    """What the answer says of a registration with this metadata."""
    document = {"redirect_uris": LOOPBACK, "token_endpoint_auth_method": "none", **metadata}
    answer = issuer.send("POST", "/register", expect=201, changes=True, json=document)
    found: dict[str, Any] = answer.json()
    return found


def each(identity: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("uri", BAD_URIS[identity].split())


def no_redirect_uri(issuer: Target, uri: str) -> None:
    """Refused alone, and among good ones."""
    refused(issuer, "invalid_redirect_uri", redirect_uris=[uri])
    refused(issuer, "invalid_redirect_uri", redirect_uris=[GOOD, uri, *LOOPBACK])


@row("REG-01")
@each("REG-01")
def test_schemes_that_run_or_leak(issuer: Target, uri: str) -> None:
    no_redirect_uri(issuer, uri)


@row("REG-01")
@HELD
@given(
    scheme=st.from_regex(r"\A[A-Za-z][A-Za-z0-9+-]{0,15}\Z") | st.just(" javascript") | st.just("java\tscript"),
    rest=st.sampled_from(["alert(1)", "//a.test/cb", "/cb", "", "//127.0.0.1/cb", "text/html,x"]),
)
def test_schemes_are_allowed_one_by_one(issuer: Target, scheme: str, rest: str) -> None:
    if scheme not in OPEN_SCHEMES:
        refused(issuer, "invalid_redirect_uri", redirect_uris=[f"{scheme}:{rest}"])


@row("REG-03")
@each("REG-03")
def test_fragments(issuer: Target, uri: str) -> None:
    no_redirect_uri(issuer, uri)


@row("REG-05")
@each("REG-05")
def test_user_information(issuer: Target, uri: str) -> None:
    no_redirect_uri(issuer, uri)


@row("REG-06")
@each("REG-06")
def test_two_parsers_two_hosts(issuer: Target, uri: str) -> None:
    no_redirect_uri(issuer, uri)


@row("REG-06")
@HELD
@given(where=st.integers(0, len(GOOD)), what=st.sampled_from("\\\t\r\n \0\x7f<>\"^`{|}é\u2028\u3002"))  # fmt: skip
def test_no_character_that_somebody_reads_otherwise(issuer: Target, where: int, what: str) -> None:
    refused(issuer, "invalid_redirect_uri", redirect_uris=[GOOD[:where] + what + GOOD[where:]])


@row("REG-08")
@each("REG-08")
def test_hosts_are_ascii(issuer: Target, uri: str) -> None:
    no_redirect_uri(issuer, uri)


@row("REG-08")
def test_punycode_is_shown_as_punycode(issuer: Target) -> None:
    client = Client.register(issuer.client, redirect_uris=["https://xn--pp-7kc.test/cb"])
    page = Person(issuer.origin).consent_page(client)
    assert "xn--pp-7kc.test" in page.text
    assert "аpp" not in page.text


@row("REG-09")
@each("REG-09")
def test_plain_http_is_for_loopback(issuer: Target, uri: str) -> None:
    no_redirect_uri(issuer, uri)


@row("REG-09")
@HELD
@given(address=st.one_of(st.ip_addresses(v=4).map(str), st.ip_addresses(v=6).map(lambda found: f"[{found}]")))
def test_no_other_address_is_loopback(issuer: Target, address: str) -> None:
    if address not in ("127.0.0.1", "[::1]"):
        refused(issuer, "invalid_redirect_uri", redirect_uris=[f"http://{address}/cb"])


@row("REG-10")
@each("REG-10")
def test_what_only_looks_like_loopback(issuer: Target, uri: str) -> None:
    no_redirect_uri(issuer, uri)


@row("REG-11")
@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost"])
@pytest.mark.parametrize("port", ["", ":0", ":51004", ":65535"])
def test_loopback_is_for_native_clients(issuer: Target, host: str, port: str) -> None:
    uri = f"http://{host}{port}/cb"
    assert registered(issuer, redirect_uris=[uri])["redirect_uris"] == [uri]
    assert registered(issuer, redirect_uris=[uri], application_type="native")["application_type"] == "native"


@row("REG-13")
def test_a_private_use_scheme_has_a_dot(issuer: Target) -> None:
    assert registered(issuer, redirect_uris=["com.example.app:/cb"], application_type="native")


@row("REG-13")
@each("REG-13")
def test_a_scheme_that_anybody_could_claim(issuer: Target, uri: str) -> None:
    no_redirect_uri(issuer, uri)


@row("REG-13")
@pytest.mark.parametrize("uris", [None, [], {}, GOOD, [""], [None], [1], [[GOOD]], [GOOD] * 51, [{"uri": GOOD}]])
def test_redirect_uris_are_a_list_of_strings(issuer: Target, uris: Any) -> None:
    refused(issuer, "invalid_redirect_uri", redirect_uris=uris)


@row("REG-38")
@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_a_good_answer(issuer: Target, method: str) -> None:
    sent = {
        "client_name": "Good",
        "redirect_uris": [GOOD, *LOOPBACK],
        "grant_types": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_method": method,
        "scope": "mcp:tools",
        "client_uri": "https://app.test",
        "contacts": ["ops@app.test"],
    }
    answer = issuer.send("POST", "/register", expect=201, changes=True, json=sent)
    made = answer.json()
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["pragma"] == "no-cache"
    assert {name: made[name] for name in sent} == sent
    assert made["response_types"] == ["code"]
    assert made["client_secret_expires_at"] == 0
    assert re.fullmatch(r"(mcp_cs_)?[A-Za-z0-9_-]{43,}", made["client_secret"]), "256 bits at least"
    assert made["client_id_issued_at"] <= issuer.now()
    assert not [name for name, value in made.items() if value in (None, "", [])]
    state = str(issuer.state())
    for name in ("client_secret", "registration_access_token"):
        assert made[name] not in state
        assert hashlib.sha256(made[name].encode()).hexdigest() in state
        assert made[name] not in issuer.text_since()


@row("REG-38")
def test_a_public_client_gets_no_secret(issuer: Target) -> None:
    assert not registered(issuer).keys() & {"client_secret", "client_secret_expires_at"}


@row("REG-39")
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_only_post(issuer: Target, method: str) -> None:
    answer = issuer.send(method, "/register", expect=405)
    assert "POST" in answer.headers["allow"]


@row("REG-39")
@pytest.mark.parametrize("origin", ["https://evil.test", "http://localhost:6274", "null"])
def test_pages_may_register_without_credentials(issuer: Target, origin: str) -> None:
    ask = {"access-control-request-method": "POST", "access-control-request-headers": "content-type", "origin": origin}
    headers: list[httpx.Headers] = [issuer.send("OPTIONS", "/register", expect={200, 204}, headers=ask).headers]
    simple = {"origin": origin, "cookie": "a=b"}
    good = {"redirect_uris": LOOPBACK}
    headers.append(issuer.send("POST", "/register", expect=201, changes=True, json=good, headers=simple).headers)
    for found in headers:
        assert found["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in found
