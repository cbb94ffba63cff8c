"""Rows AUZ: the authorization endpoint. Where nothing is verified there is a page, and never a redirect."""

from __future__ import annotations

import base64
import html
import time
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.hostile import raw
from tests.hostile.rows import row
from tests.hostile.target import Target
from tests.hostile.test_net import HELD
from tests.hostile.test_tok import BAD_TARGETS, targets
from tests.support.oauth import Client, Person, answer_of, challenge_of, claims

LONG = "A" * 10_240
NASTY = [
    "",
    "nobody",
    LONG,
    "a\0b",
    "' OR 1=1--",
    "<script>alert(1)</script>",
    "{{7*7}}",
    "\u202egnp",
    "../../x",
    "%s{0}",
]


def page(issuer: Target, query: str | bytes, expect: set[int] | None = None) -> httpx.Response:
    """A request that must end on an error page, without any redirect."""
    text = query if isinstance(query, str) else query.decode("latin-1")
    answer = issuer.send("GET", f"/authorize?{text}", expect=expect or {400}, json_error=False, may_echo=_shown(text))
    assert "location" not in answer.headers
    assert "<script" not in answer.text
    return answer


def _shown(query: str) -> set[str]:
    """In development the error page shows client_id and redirect_uri, escaped and cut: no other value."""
    return {field for field in query.split("&") if field.startswith(("client_id=", "redirect_uri="))}


def refused(issuer: Target, client: Client, error: str | set[str], **bent: Any) -> dict[str, str]:
    """A request that must go back to the client with an error, its state and the issuer (RFC 9207)."""
    query = urlencode(client.parameters(**bent), doseq=True)
    answer = issuer.send("GET", f"/authorize?{query}", expect={303}, json_error=False)
    assert answer.headers["location"].startswith(client.redirect_uri + "?")
    found = answer_of(answer)
    assert found["error"] in ({error} if isinstance(error, str) else error), found
    assert "code" not in found
    assert found["iss"] == issuer.pair.issuer
    doubled = isinstance(bent.get("state"), list)
    assert found.get("state") == (None if doubled else "the-state"), "of two states none is right"
    return found


@row("AUZ-01")
@pytest.mark.parametrize("value", NASTY)
def test_clients_there_are_not(issuer: Target, client: Client, value: str) -> None:
    answer = page(issuer, urlencode(client.parameters(client_id=value)))
    assert len(answer.content) < 20_000, "what is shown is cut"
    assert value.count("<") == 0 or value not in answer.text
    if "{" in value:
        shown = html.unescape(answer.text).replace(answer.headers["x-request-id"], "")
        assert "49" not in shown


@row("AUZ-01")
def test_no_client_at_all(issuer: Target, client: Client) -> None:
    page(issuer, urlencode(client.parameters(client_id=None)))
    page(issuer, "")


@row("AUZ-01")
@HELD
@given(client_id=st.text(max_size=300), uri=st.text(max_size=300))
def test_no_text_is_a_client(issuer: Target, client: Client, client_id: str, uri: str) -> None:
    page(issuer, urlencode(client.parameters(client_id=client_id, redirect_uri=uri)))


REGISTERED = "http://127.0.0.1/cb"
OTHER_ADDRESSES = [
    *(
        "http://127.0.0.1/CB",
        "http://127.0.0.1/cb/",
        "http://127.0.0.1/cb?x=y",
        "http://127.0.0.1/cb#x",
        "http://127.0.0.1",
    ),
    *(
        "https://127.0.0.1/cb",
        "http://localhost/cb",
        "http://[::1]:1/cb",
        "http://127.0.0.2/cb",
        "http://2130706433/cb",
    ),
    *("http://127.0.0.1.evil.example/cb", "http://evil.example/cb", "http://evil@127.0.0.1/cb", "http://127.1/cb"),
    *("http://127.0.0.1:99999/cb", "http://127.0.0.1:/cb", "http://127.0.0.1:0x50/cb", "http://127.0.0.1:80:80/cb"),
    *("http://127.0.0.1/cb/../x", "http://127.0.0.1/%63b", "http://127.0.0.1\\@evil.example/cb", "HTTP://127.0.0.1/cb"),
    *(
        "//127.0.0.1/cb",
        "javascript:alert(1)",
        "data:text/html,x",
        "http://127.0.0.1/cb\r\nSet-Cookie: a=b",
        " " + REGISTERED,
    ),
]


@row("AUZ-04")
@pytest.mark.parametrize("uri", OTHER_ADDRESSES)
def test_addresses_that_are_not_registered(issuer: Target, uri: str) -> None:
    client = Client.register(issuer.client, redirect_uris=[REGISTERED])
    page(issuer, urlencode(client.parameters(redirect_uri=uri)))


@row("AUZ-04")
@pytest.mark.parametrize(
    ("registered", "asked"),
    [
        ("http://127.0.0.1/cb", "http://127.0.0.1:51004/cb"),
        ("http://127.0.0.1:1234/cb", "http://127.0.0.1:5678/cb"),
        ("http://[::1]/cb", "http://[::1]:5678/cb"),
        ("http://localhost/cb", "http://localhost:33418/cb"),
        ("http://localhost:1/cb", "http://localhost/cb"),
    ],
)
def test_loopback_may_use_any_port(issuer: Target, registered: str, asked: str) -> None:
    client = Client.register(issuer.client, redirect_uris=[registered])
    answer = client.authorize(redirect_uri=asked)
    assert answer.headers["location"].startswith(asked + "?")
    code = answer_of(answer)["code"]
    assert client.redeem(code, redirect_uri=registered).json()["error"] == "invalid_grant", (
        "exact at the token endpoint"
    )
    assert client.redeem(code, redirect_uri=asked).status_code == 200


@row("AUZ-06")
@pytest.mark.parametrize("name", ["client_id", "redirect_uri"])
@pytest.mark.parametrize("same", [True, False])
def test_client_or_address_twice(issuer: Target, client: Client, name: str, same: bool) -> None:
    good = client.parameters()
    page(issuer, urlencode([*good.items(), (name, good[name] if same else "http://evil.example/")]))


@row("AUZ-06")
@pytest.mark.parametrize(
    "name", ["response_type", "scope", "state", "code_challenge", "code_challenge_method", "nonce", "prompt", "max_age"]
)
@pytest.mark.parametrize("same", [True, False])
def test_anything_else_twice(issuer: Target, client: Client, name: str, same: bool) -> None:
    good = {"scope": "mcp:tools", "nonce": "n", "prompt": "login", "max_age": "1"} | client.parameters()
    refused(issuer, client, "invalid_request", **{name: [good[name], good[name] if same else "other"]})


@row("AUZ-08")
@pytest.mark.parametrize("method", ["none", "client_secret_basic", "client_secret_post"])
def test_pkce_is_required_of_everybody(issuer: Target, method: str) -> None:
    client = Client.register(issuer.client, token_endpoint_auth_method=method)
    refused(issuer, client, "invalid_request", code_challenge=None, code_challenge_method=None)
    refused(issuer, client, "invalid_request", code_challenge=None)


@row("AUZ-09")
@pytest.mark.parametrize("method", ["plain", None, "s256", "S512", "", "S256 ", "none"])
def test_only_s256(issuer: Target, client: Client, method: str | None) -> None:
    refused(issuer, client, "invalid_request", code_challenge_method=method)


CHALLENGE = challenge_of("v" * 43)


@row("AUZ-10")
@pytest.mark.parametrize(
    "challenge",
    [
        *(
            CHALLENGE[:-1],
            CHALLENGE + "A",
            CHALLENGE + "=",
            "A" * 129,
            "+" + CHALLENGE[1:],
            "/" + CHALLENGE[1:],
            "",
            " ",
        ),
        *(CHALLENGE[:20] + " " + CHALLENGE[21:], CHALLENGE[:20] + "\0" + CHALLENGE[21:], "é" * 43, "Ａ" * 43),
        *("A" * 42 + "B", "v" * 43, LONG),
    ],
)
def test_challenges_that_are_no_sha256(issuer: Target, client: Client, challenge: str) -> None:
    query = urlencode(client.parameters(code_challenge=challenge))
    if "\0" in challenge:
        page(issuer, query)
    else:
        refused(issuer, client, "invalid_request", code_challenge=challenge)


@row("AUZ-12")
@pytest.mark.parametrize("nonce", ["n" * 64, "n" * 384, "ключ🔑", "a b", "<script>", "n" * 513, LONG])
def test_a_nonce_is_returned_whole_or_refused(issuer: Target, client: Client, nonce: str) -> None:
    answer = answer_of(client.authorize(nonce=nonce, scope="openid"))
    if "error" in answer:
        assert answer["error"] == "invalid_request"
        assert len(nonce) > 384
    else:
        assert claims(client.redeem(answer["code"]).json()["id_token"])["nonce"] == nonce


@row("AUZ-13")
@pytest.mark.parametrize("scope", ['a"b', "a\\b", "a\tb", "a\nb", "a\x7fb", "é", "mcp:tools\0", LONG])
def test_scopes_that_are_malformed(issuer: Target, client: Client, scope: str) -> None:
    query = urlencode(client.parameters(scope=scope))
    if "\0" in scope:
        page(issuer, query)
    else:
        refused(issuer, client, {"invalid_scope", "invalid_request"}, scope=scope)


@row("AUZ-13")
@pytest.mark.parametrize(
    ("asked", "granted"),
    [
        (None, {"mcp:tools"}),
        ("", {"mcp:tools"}),
        ("mcp:tools mcp:tools", {"mcp:tools"}),
        ("openid mcp:tools", {"mcp:tools", "openid"}),
        ("mcp:tools  openid", {"mcp:tools", "openid"}),
    ],
)
def test_what_a_scope_grants(client: Client, asked: str | None, granted: set[str]) -> None:
    answer = client.tokens(scope=asked)
    assert set(answer["scope"].split()) == granted
    assert answer["scope"].split() == list(dict.fromkeys(answer["scope"].split()))


@row("AUZ-15")
@pytest.mark.parametrize("age", ["-1", "abc", "1.5", "9" * 400, "1e3", "٣", " ", "0x1"])
def test_ages_that_are_no_number(issuer: Target, client: Client, age: str) -> None:
    refused(issuer, client, "invalid_request", max_age=age)


@row("AUZ-16")
@pytest.mark.parametrize("name", BAD_TARGETS)
def test_resources_there_are_not(issuer: Target, client: Client, name: str) -> None:
    query = urlencode(client.parameters(resource=targets(issuer, name)), doseq=True)
    answer = issuer.send("GET", f"/authorize?{query}", expect={303, 400}, json_error=False)
    if answer.status_code == 303:
        assert answer_of(answer)["error"] in ("invalid_target", "invalid_request")


@row("AUZ-16")
def test_the_code_is_for_the_resource(issuer: Target, client: Client) -> None:
    for asked in (None, issuer.pair.mcp, [issuer.pair.mcp, issuer.pair.mcp]):
        assert claims(client.tokens(resource=asked)["access_token"])["aud"] == issuer.pair.mcp


@row("AUZ-17")
@pytest.mark.parametrize("mode", ["fragment", "web_message", "jwt", "query.jwt", "foo", "QUERY"])
def test_response_modes_there_are_not(issuer: Target, client: Client, mode: str) -> None:
    refused(issuer, client, "invalid_request", response_mode=mode)


@row("AUZ-17")
def test_form_post_is_a_bare_page(client: Client) -> None:
    answer = client.authorize(response_mode="form_post")
    assert answer.status_code == 200
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"
    assert 'name="code"' in answer.text
    assert 'name="iss"' in answer.text


@row("AUZ-18")
def test_request_objects_are_neither_read_nor_fetched(issuer: Target, client: Client) -> None:
    unsigned = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=") + ".e30."
    with raw.listener() as (url, hits):
        for asked, error in (
            ({"request": unsigned}, "request_not_supported"),
            ({"request_uri": url}, "request_uri_not_supported"),
            ({"request_uri": "http://169.254.169.254/latest/meta-data"}, "request_uri_not_supported"),
            ({"request_uri": "urn:ietf:params:oauth:request_uri:x"}, "request_uri_not_supported"),
        ):
            refused(issuer, client, error, **asked)
        time.sleep(0.2)
        assert not hits


@row("AUZ-22")
@pytest.mark.parametrize("path", ["/authorize/", "//authorize", "/Authorize", "/authorize%2f", "/authorize/."])
def test_paths_that_are_nearly_right(issuer: Target, client: Client, path: str) -> None:
    query = urlencode(client.parameters())
    for host in (issuer.host, "evil.example"):
        sent = f"GET {path}?{query} HTTP/1.1\r\nHost: {host}\r\n\r\n"
        answer = issuer.raw(sent.encode(), expect={404, 421})
        assert "location" not in answer.headers


@row("AUZ-24")
def test_a_registered_query_is_kept_once(issuer: Target) -> None:
    uri = "http://127.0.0.1/cb?a=b&c=%20d"
    client = Client.register(issuer.client, redirect_uris=[uri])
    location = client.authorize().headers["location"]
    assert location.startswith(uri + "&code=")
    assert location.count("a=b") == location.count("code=") == location.count("state=") == 1


@row("AUZ-24")
@pytest.mark.parametrize("name", ["code", "state", "iss", "error"])
def test_an_address_that_would_answer_for_us_is_not_registered(issuer: Target, name: str) -> None:
    document = {"redirect_uris": [f"https://app.example/cb?{name}=1"]}
    issuer.send("POST", "/register", expect=400, error="invalid_redirect_uri", json=document)


@row("AUZ-25")
def test_redirects_forget_the_method(issuer: Target, client: Client) -> None:
    """303, so that no browser posts a password on (RFC 9700 §4.12), and no fragment to inherit."""
    answers = [client.authorize(), client.authorize(response_type="token")]
    person = Person(issuer.origin)
    answers.append(person.approve(person.consent_page(client)))
    answers.append(issuer.client.post("/authorize", data=client.parameters()))
    for answer in answers:
        assert answer.status_code == 303
        assert "#" not in answer.headers["location"]


@row("AUZ-26")
@pytest.mark.parametrize("size", [16_384, 65_536, 1_048_576])
def test_endless_addresses(issuer: Target, client: Client, size: int) -> None:
    query = urlencode(client.parameters(state="s" * size))
    sent = f"GET /authorize?{query} HTTP/1.1\r\nHost: {issuer.host}\r\n\r\n".encode()
    issuer.raw(sent, expect={400, 414, 431})


@row("AUZ-26")
@pytest.mark.parametrize("escape", ["%zz", "%", "%f", "%ff", "%c0%af", "%ed%a0%80", "%00", "a%u0041"])
@pytest.mark.parametrize("name", ["state", "client_id", "redirect_uri", "scope", "made_up"])
def test_escapes_that_are_no_text(issuer: Target, client: Client, escape: str, name: str) -> None:
    query = urlencode({key: value for key, value in client.parameters().items() if key != name})
    page(issuer, f"{query}&{name}={escape}")


@row("AUZ-26")
def test_two_thousand_parameters(issuer: Target, client: Client) -> None:
    page(issuer, urlencode(client.parameters()) + "".join(f"&p{n}=1" for n in range(2000)))


@row("AUZ-29")
def test_a_client_that_is_gone_before_the_answer(issuer: Target, client: Client) -> None:
    person = Person(issuer.origin)
    question = person.consent_page(client)
    issuer.forget("DELETE FROM clients WHERE id = ?", client.id)
    answer = person.approve(question)
    assert answer.status_code == 400
    assert "location" not in answer.headers


@row("AUZ-30")
@pytest.mark.parametrize("site", ["cross-site", "same-site", None, "weird"])
def test_a_remembered_consent_is_not_for_other_sites(issuer: Target, trusted: Client, site: str | None) -> None:
    """Only a person's own navigation gets a code without being asked."""
    person = Person(issuer.origin, "bob")
    question = person.consent_page(trusted)
    assert "code" in answer_of(person.approve(question) if question.status_code == 200 else question)
    person.http.headers.pop("sec-fetch-site")
    own = person.http.get("/authorize", params=trusted.parameters(), headers={"sec-fetch-site": "none"})
    assert "code" in answer_of(own), "what was remembered is worth something"
    headers = {"sec-fetch-site": site} if site else {}
    answer = person.http.get("/authorize", params=trusted.parameters(), headers=headers)
    assert answer.status_code == 200, "the person is asked again"
    assert "location" not in answer.headers
