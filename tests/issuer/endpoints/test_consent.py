"""Consent: a yes, a no, a part of it, a copy of the address, or somebody else."""

from __future__ import annotations

import html
import re

import httpx
import pytest
from tests.issuer.endpoints.conftest import operator_client
from tests.issuer.started import Issuer
from tests.support.oauth import Client, Person, answer_of, claims, form_of

SCOPE = "openid notes:read notes:write"


def test_only_what_stays_ticked_is_granted(client: Client, person: Person):
    for ticked, granted in (
        (["notes:read"], "notes:read"),
        (["notes:write", "openid"], "openid notes:write"),
        (["notes:read", "mcp:tools", "admin"], "notes:read"),
        (SCOPE.split(), SCOPE),
    ):
        code = answer_of(person.approve(person.consent_page(client, scope=SCOPE), scope=ticked))["code"]
        response = client.redeem(code).json()
        assert response["scope"] == claims(response["access_token"])["scope"] == granted
        assert ("id_token" in response) == ("openid" in ticked)
        assert client.refresh(response["refresh_token"]).json()["scope"] == granted


@pytest.mark.parametrize(
    "answer",
    [
        {"decision": "deny"},
        {"decision": "approve", "scope": []},
        {"decision": "approve", "scope": ["admin"]},
        {"decision": ""},
        {"decision": "yes"},
    ],
)
def test_anything_but_a_clear_yes_is_a_no(client: Client, person: Person, answer: dict[str, object]):
    told = answer_of(person.approve(person.consent_page(client, scope=SCOPE), **answer))
    assert told["error"] == "access_denied"
    assert "code" not in told


def test_the_page_says_in_words_what_is_asked(client: Client, person: Person):
    text = html.unescape(person.consent_page(client, scope="notes:read profile").text)
    for words in ("Read notes", "Read your name", "Test client", "127.0.0.1", "http://127.0.0.1:8000/mcp"):
        assert words in text
    assert "Use the tools" not in text


def test_the_address_can_be_copied_instead_of_followed(issuer: Issuer, client: Client, person: Person):
    """For a program on another machine: five minutes to carry it there."""
    page = person.approve(person.consent_page(client, state="s"), decision="show")
    assert page.status_code == 200
    assert page.headers["cache-control"] == "no-store"
    address = re.search(r"http://127\.0\.0\.1/callback\?[^\s\"<]+", page.text)
    assert address
    code = html.unescape(address[0]).partition("code=")[2].partition("&")[0]
    issuer.clock.now += 299
    assert client.redeem(code).status_code == 200


def test_an_address_of_the_web_is_followed_not_shown(issuer: Issuer, person: Person):
    client = operator_client(issuer, "web", redirect_uris=("https://app.test/cb",))
    client.redirect_uri = "https://app.test/cb"
    moved = person.approve(person.consent_page(client), decision="show")
    assert moved.headers["location"].startswith("https://app.test/cb?code=")


def test_somebody_else_can_answer(issuer: Issuer, client: Client, person: Person):
    question = person.consent_page(client, state="kept", scope="openid")
    moved = person.post(form_of(question), decision="switch")
    assert moved.status_code == 303
    again = person.http.get(moved.headers["location"])
    assert 'name="password"' in again.text
    person.name = "bob"
    answer = answer_of(person.approve(person.sign_in(again)))
    assert answer["state"] == "kept"
    assert claims(client.redeem(answer["code"]).json()["id_token"])["sub"] == "bob"


def test_who_comes_instead_is_asked_where_the_program_wants_that(issuer: Issuer, person: Person):
    """Bob agreed before, but the request says prompt=consent."""
    client = operator_client(issuer, "asks again", redirect_uris=("https://app.test/cb",))
    client.redirect_uri = "https://app.test/cb"
    bob = Person(issuer.origin, "bob")
    bob.approve(bob.consent_page(client))
    question = person.consent_page(client, prompt="consent")
    moved = person.post(form_of(question), decision="switch")
    person.name = "bob"
    assert 'value="approve"' in person.sign_in(person.http.get(moved.headers["location"])).text


def test_as_many_scopes_as_a_request_can_hold_can_be_agreed_to(issuer: Issuer, client: Client, person: Person):
    many = [f"{number:03x}" for number in range(512)]
    question = person.consent_page(client, scope=" ".join(many))
    token = client.redeem(answer_of(person.approve(question))["code"]).json()
    assert token["scope"].split() == many


@pytest.mark.parametrize("kind", ["session", "browser"])
def test_a_page_is_answered_by_whom_it_was_made_for(client: Client, person: Person, kind: str):
    """The browser alone is not enough, nor the sign-in alone: each has its cookie, and the page names both."""
    question, leaving = person.consent_page(client), person.http.get("/logout")
    cookies = httpx.Cookies(person.http.cookies)
    name = next(name for name in cookies if name.startswith(kind))
    person.http.cookies.delete(name)
    assert person.approve(question).status_code == 403
    assert person.post(form_of(leaving)).status_code == 403
    person.http.cookies = cookies
    assert "code" in answer_of(person.approve(question))


def test_what_changes_meanwhile_counts(issuer: Issuer, client: Client, person: Person):
    question = person.consent_page(client)
    issuer.run(lambda tx: tx.sessions.remove_of("alice"))
    assert person.approve(question).status_code == 403
    question = person.sign_in(person.open(client))
    issuer.run(lambda tx: tx.clients.remove(client.id))
    assert person.approve(question).status_code == 400


def test_a_page_that_a_replica_with_another_clock_made(issuer: Issuer, client: Client, person: Person):
    """Clocks of replicas differ by a little; ten minutes are ten minutes in either direction."""
    question = person.consent_page(client)
    issuer.clock.now -= 5
    try:
        assert "code" in answer_of(person.approve(question))
    finally:
        issuer.clock.now += 5
    question = person.consent_page(client)
    issuer.clock.now += 601
    assert person.approve(question).status_code == 403
