"""Rows RMG: a client changes or removes its own registration, and nobody else's."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.hostile import raw
from tests.hostile.rows import row
from tests.hostile.target import Target
from tests.hostile.test_net import HELD
from tests.support.oauth import REDIRECT_URI, Client, Person, answer_of

EVIL = "https://evil.test/cb"
DOCUMENT = {
    "client_name": "Test client",
    "redirect_uris": [REDIRECT_URI],
    "token_endpoint_auth_method": "none",
    "grant_types": ["authorization_code", "refresh_token"],
}
METHODS = ["GET", "PUT", "DELETE"]


class Registered(Client):
    """A client with the means to change its registration."""

    path: str
    token: str

    @classmethod
    def fresh(cls, issuer: Target, **metadata: Any) -> Registered:
        made = issuer.client.post("/register", json={**DOCUMENT, **metadata}).json()
        client = cls(issuer.client, made["client_id"], secret=made.get("client_secret"))
        client.path, client.token = f"/register/{client.id}", made["registration_access_token"]
        assert made["registration_client_uri"] == issuer.origin + client.path
        issuer.canaries |= {client.token}
        return client

    def document(self, **changes: Any) -> dict[str, Any]:
        return {**DOCUMENT, "client_id": self.id, **changes}

    def put(self, issuer: Target, expect: int, error: str = "", **changes: Any) -> httpx.Response:
        sent: dict[str, Any] = {"json": self.document(**changes), "headers": bearer(self.token)}
        return issuer.send("PUT", self.path, expect=expect, error=error, changes=expect == 200, **sent)

    def read(self) -> httpx.Response:
        return self.http.get(self.path, headers=bearer(self.token))


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def request(method: str, path: str, token: str) -> dict[str, Any]:
    """What is right for the client at `path`, but for the token."""
    body = {"json": {**DOCUMENT, "client_id": path.rpartition("/")[2]}} if method == "PUT" else {}
    return {"headers": bearer(token), **body}


def refused(issuer: Target, method: str, path: str, headers: Any = None) -> None:
    """401, whatever is there or not."""
    sent = {**request(method, path, ""), "headers": headers}
    answer = issuer.send(method, path, expect=401, error="invalid_token", **sent)
    assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.fixture
def mine(issuer: Target) -> Registered:
    return Registered.fresh(issuer)


@row("RMG-01")
@pytest.mark.parametrize("method", METHODS)
def test_no_token_or_one_that_is_for_something_else(issuer: Target, mine: Registered, method: str) -> None:
    tokens = mine.tokens(scope="openid mcp:tools")
    invitation = "mcp_ia_eyJpbnZpdGF0aW9uIjoiYSJ9.AAAA"
    others = (tokens["access_token"], tokens["refresh_token"], tokens["id_token"], mine.code(), mine.id, invitation)
    for token in (*others, mine.token[:-1], mine.token + "A", mine.token.swapcase(), "x" * 4000):
        refused(issuer, method, mine.path, bearer(token))
    for header in (None, {"authorization": mine.token}, {"authorization": f"Basic {mine.token}"}):
        refused(issuer, method, mine.path, header)
    refused(issuer, method, f"{mine.path}?access_token={mine.token}")
    assert mine.read().status_code == 200


@row("RMG-01")
@HELD
@given(header=st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60), method=st.sampled_from(METHODS))
def test_no_text_is_a_registration_token(issuer: Target, client: Client, header: str, method: str) -> None:
    refused(issuer, method, f"/register/{client.id}", {"authorization": header.strip()})
    refused(issuer, method, f"/register/{client.id}", {"authorization": f"Bearer {header}".strip()})


@row("RMG-01")
@pytest.mark.parametrize("method", METHODS)
def test_a_token_tried_on_another_client_ends(issuer: Target, mine: Registered, method: str) -> None:
    other = Registered.fresh(issuer)
    sent = request(method, other.path, mine.token)
    issuer.send(method, other.path, expect=401, error="invalid_token", changes=True, **sent)
    assert any("another client" in str(line.get("detail")) for line in issuer.log_since()), "an operator can see it"
    refused(issuer, "GET", mine.path, bearer(mine.token))
    assert mine.tokens()["access_token"], "the client itself goes on"
    assert other.read().status_code == 200


@row("RMG-02")
@pytest.mark.parametrize("method", METHODS)
def test_clients_that_are_not_there(issuer: Target, method: str) -> None:
    """The same answer for an unknown id as for a foreign one, with a good token or without."""
    for name in (
        "nobody",
        "mcp-client",
        "-",
        "*",
        "x" * 10_240,
        "mcp_client_" + "A" * 22,
        ";",
        "'",
        "null",
        "0",
        "$ne",
    ):
        refused(issuer, method, f"/register/{name}")
        mine = Registered.fresh(issuer)
        sent = request(method, f"/register/{name}", mine.token)
        issuer.send(method, f"/register/{name}", expect=401, error="invalid_token", changes=True, **sent)


@row("RMG-02")
@pytest.mark.parametrize(
    "name",
    [
        "../clients",
        "%2e%2e%2f",
        "..%2fclients",
        "'%20OR%201=1--",
        "%00",
        "a%00b",
        "%ff",
        "a/b",
        "",
        ".",
        "..",
        "%c0%ae",
    ],
)
@pytest.mark.parametrize("method", METHODS)
def test_names_that_are_paths(issuer: Target, method: str, name: str) -> None:
    token = Registered.fresh(issuer).token
    for header in ("", f"Authorization: Bearer {token}\r\n"):
        head = f"{method} /register/{name} HTTP/1.1\r\nHost: {issuer.host}\r\n{header}Content-Length: 0\r\n\r\n"
        with issuer.holds(changes=bool(header)):
            answer = raw.exchange(issuer.origin, head.encode())
        issuer.judge(answer.status, answer.headers, answer.body)
        assert answer.status in (400, 401, 404)


@row("RMG-03")
@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "chosen"},
        {"client_id": None},
        {"client_id": ["x"]},
        {"client_secret": "mcp_cs_" + "A" * 43},
        {"client_secret": 1},
        {"registration_access_token": "x"},
        {"registration_client_uri": EVIL},
        {"client_secret_expires_at": 0},
        {"client_id_issued_at": 1},
        {"redirect_uris": ["javascript:alert(1)"]},
        {"redirect_uris": None},
        {"client_name": "a\u202eb"},
        {"jwks": {"keys": []}},
        {"grant_types": ["client_credentials"]},
        {"token_endpoint_auth_method": "private_key_jwt"},
    ],
    ids=str,
)
@pytest.mark.parametrize("method", ["none", "client_secret_post"])
def test_what_a_client_cannot_say_of_itself(issuer: Target, changes: dict[str, Any], method: str) -> None:
    mine = Registered.fresh(issuer, token_endpoint_auth_method=method)
    before = mine.read().json()
    bad = issuer.send(
        "PUT",
        mine.path,
        expect=400,
        error={"invalid_client_metadata", "invalid_redirect_uri"},
        json=mine.document(**{"token_endpoint_auth_method": method, **changes}),
        headers=bearer(mine.token),
    )
    assert bad.headers["cache-control"] == "no-store"
    assert mine.read().json() == before


@row("RMG-03")
@pytest.mark.parametrize(
    "body", [b"null", b"[]", b"{", b"", b"{}", b'{"client_id":"x"}', b'{"client_id":NaN}', b"\xff"]
)
def test_bodies_that_are_no_registration(issuer: Target, mine: Registered, body: bytes) -> None:
    headers = {**bearer(mine.token), "content-type": "application/json"}
    issuer.send("PUT", mine.path, expect=400, error="invalid_client_metadata", content=body, headers=headers)


@row("RMG-04")
def test_new_redirect_uris_end_every_consent(issuer: Target, mine: Registered) -> None:
    alice = Person(issuer.origin)
    page = alice.consent_page(mine)
    assert answer_of(alice.approve(page))["code"]
    issuer.forget(
        "INSERT INTO consents SELECT subject, :client, :uri, :resource, 'mcp:tools', 1 FROM users"
        " WHERE username = 'alice'".replace(":client", "?")
        .replace(":uri", "?")
        .replace(":resource", "?"),
        *(mine.id, REDIRECT_URI, issuer.pair.mcp),
    )
    mine.put(issuer, 200)
    assert consents(issuer, mine), "a change of nothing ends nothing"
    mine.put(issuer, 200, redirect_uris=[REDIRECT_URI, EVIL])
    assert not consents(issuer, mine)
    for uri in (REDIRECT_URI, EVIL):
        asked = alice.open(mine, redirect_uri=uri)
        assert asked.status_code == 200, "the person is asked again"
        assert "evil.test" in asked.text or uri != EVIL
        silent = alice.http.get("/authorize", params=mine.parameters(redirect_uri=uri, prompt="none"))
        assert answer_of(silent)["error"] in ("consent_required", "interaction_required")


def consents(issuer: Target, client: Client) -> list[str]:
    return [each[1] for each in issuer.state() if each[0] == "consents" and client.id in each[1]]


@row("RMG-04")
def test_a_page_that_was_open_before_the_change(issuer: Target, mine: Registered) -> None:
    """Asked for one redirect URI, which is gone when the person agrees: nothing is sent there."""
    alice = Person(issuer.origin)
    page = alice.consent_page(mine)
    mine.put(issuer, 200, redirect_uris=[EVIL])
    late = alice.approve(page)
    assert late.status_code == 400
    assert "location" not in late.headers


@row("RMG-05")
def test_from_public_to_confidential_and_back(issuer: Target, mine: Registered) -> None:
    refresh = mine.tokens()["refresh_token"]
    answer = mine.put(issuer, 200, token_endpoint_auth_method="client_secret_basic").json()
    secret = answer["client_secret"]
    assert answer["client_secret_expires_at"] == 0
    issuer.canaries.add(secret)
    renewal = {"grant_type": "refresh_token", "refresh_token": refresh}
    issuer.send("POST", "/token", expect=401, error="invalid_client", data={**renewal, "client_id": mine.id})
    for wrong in ("", "x", secret[:-1]):
        issuer.send("POST", "/token", expect=401, error="invalid_client", data=renewal, auth=(mine.id, wrong))
    assert issuer.client.post("/token", data=renewal, auth=(mine.id, secret)).status_code == 200

    again = mine.put(issuer, 200, token_endpoint_auth_method="client_secret_basic", client_secret=secret).json()
    assert "client_secret" not in again, "it has one, which is nowhere at rest"
    assert "client_secret" not in mine.put(issuer, 200).json()
    issuer.send("POST", "/token", expect=401, error="invalid_client", data=renewal, auth=(mine.id, secret))
    last = mine.put(issuer, 200, token_endpoint_auth_method="client_secret_post").json()["client_secret"]
    assert last != secret


@row("RMG-05")
@pytest.mark.parametrize("method", ["none", "client_secret_post"])
@pytest.mark.parametrize(
    "wider",
    [
        {"grant_types": ["authorization_code", "client_credentials"]},
        {"grant_types": ["authorization_code", "refresh_token", "implicit"]},
        {"response_types": ["code", "token"]},
        {"token_endpoint_auth_method": "client_secret_jwt"},
        {"token_endpoint_auth_method": "private_key_jwt"},
    ],
)
def test_a_change_is_checked_like_a_registration(issuer: Target, method: str, wider: dict[str, Any]) -> None:
    mine = Registered.fresh(issuer, token_endpoint_auth_method=method)
    mine.put(issuer, 400, "invalid_client_metadata", **{"token_endpoint_auth_method": method, **wider})
    assert mine.tokens()["access_token"]


@row("RMG-06")
def test_removal_ends_everything(issuer: Target, server: Client) -> None:
    mine = Registered.fresh(issuer, token_endpoint_auth_method="client_secret_post")
    used, live, code = mine.tokens(), mine.tokens(), mine.code()
    assert active(issuer, server, live["access_token"])
    removed = issuer.send("DELETE", mine.path, expect=204, changes=True, headers=bearer(mine.token))
    assert not removed.content
    for form in (
        mine.redemption(code),
        *(mine.form(grant_type="refresh_token", refresh_token=each["refresh_token"]) for each in (used, live)),
    ):
        issuer.send("POST", "/token", expect=401, error="invalid_client", data=form)
    for token in (live["access_token"], used["access_token"], live["refresh_token"]):
        assert not active(issuer, server, token)
    refused(issuer, "GET", mine.path, bearer(mine.token))
    assert not [each for each in issuer.state() if mine.id in each[1]], "something of it is still stored"
    page = issuer.client.get("/authorize", params=mine.parameters())
    assert page.status_code == 400
    assert page.headers["content-type"].startswith("text/html")


def active(issuer: Target, server: Client, token: str) -> bool:
    assert server.secret
    answer = issuer.client.post("/introspect", data={"token": token}, auth=(server.id, server.secret))
    found: bool = answer.json()["active"]
    return found


@row("RMG-07")
@pytest.mark.parametrize("callers", [2, 8])
def test_removal_twice_at_once(issuer: Target, mine: Registered, callers: int) -> None:
    with issuer.holds(changes=True, events=callers), ThreadPoolExecutor(callers) as pool:
        answers = pool.map(lambda _: issuer.client.delete(mine.path, headers=bearer(mine.token)), range(callers))
    assert sorted(answer.status_code for answer in answers) == [204] + [401] * (callers - 1)


@row("RMG-08")
def test_a_change_while_tokens_are_asked_for(issuer: Target, mine: Registered) -> None:
    """Each answer follows the old registration or the new one, and none after the change the old one."""
    refresh = mine.tokens()["refresh_token"]
    change = mine.document(grant_types=["authorization_code"])

    def one(number: int) -> httpx.Response:
        if number == 6:
            return issuer.client.put(mine.path, json=change, headers=bearer(mine.token))
        return mine.refresh(refresh)

    with issuer.holds(changes=True, events=12), ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(one, range(12)))
    assert answers.pop(6).status_code == 200
    for answer in answers:
        assert answer.status_code == 200 or answer.json()["error"] == "unauthorized_client"
    assert mine.refresh(refresh).json()["error"] == "unauthorized_client"
