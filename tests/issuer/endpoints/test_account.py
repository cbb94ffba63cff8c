"""The account page: what a person let in, and an end to any of it."""

from __future__ import annotations

import re

import httpx
import pytest
from tests.issuer.endpoints.conftest import operator_client
from tests.issuer.started import Issuer
from tests.support.oauth import Client, Form, Person, answer_of, claims, form_of


def let_in(client: Client, person: Person, scope: str = "mcp:tools") -> dict[str, str]:
    answer = client.redeem(answer_of(person.approve(person.consent_page(client, scope=scope)))["code"])
    found: dict[str, str] = answer.json()
    return found


def connections(page: httpx.Response) -> list[str]:
    return re.findall(r'name="connection"[^>]*value="([^"]*)"', page.text)


def revocation(page: httpx.Response, **fields: str) -> Form:
    transaction = re.search(r'name="transaction"[^>]*value="([^"]*)"', page.text)
    assert transaction
    return Form("/account", {"transaction": transaction[1], **fields})


def test_a_connection_is_shown_and_ended_with_all_its_tokens(issuer: Issuer, person: Person):
    bob = Person(issuer.origin, "bob")
    client = Client.register(issuer.http, client_name="Bob's notebook")
    tokens, kept = let_in(client, bob, "openid notes:read"), let_in(client, bob)
    page = bob.http.get("/account")
    assert "Bob&#39;s notebook" in page.text
    assert "Read notes" in page.text
    found = connections(page)
    ended = family_of(tokens)
    assert {ended, family_of(kept)} <= set(found)

    after = bob.post(revocation(page, connection=ended))
    assert after.status_code == 200
    assert connections(after) == [one for one in found if one != ended]
    assert client.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    asked = issuer.http.get("/userinfo", headers={"Authorization": f"Bearer {tokens['access_token']}"})
    assert asked.status_code == 401
    assert client.refresh(kept["refresh_token"]).status_code == 200


def family_of(tokens: dict[str, str]) -> str:
    jti: str = claims(tokens["access_token"])["jti"]
    return jti.partition(".")[0]


def test_ending_a_connection_forgets_the_consent_too(issuer: Issuer, person: Person):
    client = operator_client(issuer, "forgotten")
    issuer.clock.now += 1  # so that it is the latest, and first on the page
    let_in(client, person)

    def silently() -> bool:
        asked = person.http.get("/authorize", params=client.parameters(), headers={"sec-fetch-site": "none"})
        return asked.status_code == 303

    assert silently()
    page = person.http.get("/account")
    person.post(revocation(page, connection=connections(page)[0]))
    assert not silently()


def test_nobody_ends_what_is_somebody_elses(issuer: Issuer, client: Client, person: Person):
    bob = Person(issuer.origin, "bob")
    tokens = let_in(client, bob)
    family = family_of(tokens)
    let_in(client, person)
    page = person.http.get("/account")
    assert family not in connections(page)
    for connection in (family, "", "unknown", "\u00e9"):
        assert person.post(revocation(page, connection=connection)).status_code == 403
    assert client.refresh(tokens["refresh_token"]).status_code == 200


def test_another_site_ends_nothing(client: Client, person: Person):
    tokens = let_in(client, person)
    page = person.http.get("/account")
    form = revocation(page, connection=connections(page)[0])
    for headers in ({"sec-fetch-site": "cross-site"}, {"origin": "https://evil.test"}):
        assert person.http.post("/account", data=form.fields, headers=headers).status_code == 403
    stranger = Person(person.origin)
    assert stranger.post(form).status_code == 403
    assert client.refresh(tokens["refresh_token"]).status_code == 200


def test_what_has_expired_is_not_shown(issuer: Issuer, client: Client):
    bob = Person(issuer.origin, "bob")
    let_in(client, bob)
    before = len(connections(bob.http.get("/account")))
    issuer.clock.now += 180 * 86400
    moved = bob.post(form_of(bob.http.get("/account")), person="bob")
    assert moved.status_code == 303
    assert before > 0
    assert connections(bob.http.get("/account")) == []


@pytest.mark.parametrize("id", ["https://[", "a machine: plus+per%41cent", "https://app.test:x/", "\u00e9"])
def test_an_odd_id_that_the_operator_chose_is_shown(issuer: Issuer, person: Person, id: str):
    client = operator_client(issuer, id)
    tokens = let_in(client, person)
    page = person.http.get("/account")
    assert page.status_code == 200
    assert family_of(tokens) in connections(page)
