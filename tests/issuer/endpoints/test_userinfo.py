"""UserInfo (OpenID Connect Core §5.3): what each scope opens, and when a token opens nothing."""

from __future__ import annotations

import dataclasses

import pytest
from tests.issuer.started import Issuer
from tests.support.oauth import Client, Person, answer_of, claims

from issuer.model import User


def tokens(client: Client, person: Person, scope: str) -> dict[str, str]:
    page = person.consent_page(client, scope=scope)
    answer = client.redeem(answer_of(person.approve(page))["code"])
    assert answer.status_code == 200, answer.text
    found: dict[str, str] = answer.json()
    return found


def ask(issuer: Issuer, token: str, method: str = "GET"):
    return issuer.http.request(method, "/userinfo", headers={"Authorization": f"Bearer {token}"})


def named(issuer: Issuer, username: str) -> User:
    user = issuer.run(lambda tx: tx.users.named(username))
    assert user is not None
    return user


def test_each_scope_opens_its_claims(issuer: Issuer, client: Client, person: Person):
    alice = named(issuer, "alice")
    issuer.run(lambda tx: tx.users.put(dataclasses.replace(alice, email="alice@a.test")))
    opened = {
        "openid": {"sub": "alice"},
        "openid profile": {"sub": "alice", "preferred_username": "alice", "name": "Alice"},
        "openid email": {"sub": "alice", "email": "alice@a.test"},
    }
    for scope, answer in opened.items():
        token = tokens(client, person, scope)
        assert ask(issuer, token["access_token"]).json() == answer
        assert ask(issuer, token["access_token"], "POST").json() == answer
        assert claims(token["id_token"])["sub"] == answer["sub"]


def test_the_answer_is_not_kept_by_caches(issuer: Issuer, client: Client, person: Person):
    answer = ask(issuer, tokens(client, person, "openid")["access_token"])
    assert answer.headers["cache-control"] == "no-store"


def test_without_openid_it_says_what_is_missing(issuer: Issuer, client: Client, person: Person):
    answer = ask(issuer, tokens(client, person, "mcp:tools")["access_token"])
    assert (answer.status_code, answer.json()["error"]) == (403, "insufficient_scope")
    assert answer.headers["www-authenticate"] == 'Bearer error="insufficient_scope", scope="openid"'


@pytest.mark.parametrize("token", ["x", "a b", "a.b.c", "\u00e9", "x" * 5000])
def test_what_is_no_token_of_ours(issuer: Issuer, token: str):
    answer = issuer.http.get("/userinfo", headers={b"Authorization": f"Bearer {token}".encode()})
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_token_belongs_in_the_header(issuer: Issuer, client: Client, person: Person):
    token = tokens(client, person, "openid")["access_token"]
    assert issuer.http.get("/userinfo", params={"access_token": token}).status_code == 400
    for kind in ("application/x-www-form-urlencoded", "Application/X-WWW-Form-Urlencoded"):
        headers = {"Authorization": f"Bearer {token}", "Content-Type": kind}
        twice = issuer.http.post("/userinfo", content=f"access_token={token}", headers=headers)
        assert twice.status_code == 400
    assert issuer.http.get("/userinfo").status_code == 401
    assert issuer.http.get("/userinfo", headers={"Authorization": f"Basic {token}"}).status_code == 401


def test_an_id_token_or_a_development_token_opens_nothing(issuer: Issuer, client: Client, person: Person):
    found = tokens(client, person, "openid")
    assert ask(issuer, found["id_token"]).status_code == 401
    assert ask(issuer, found["refresh_token"]).status_code == 401
    made = issuer.http.post("/dev/token", data={"sub": "alice", "scope": "openid"}).json()
    assert ask(issuer, made["access_token"]).status_code == 401


def test_a_token_that_was_revoked_with_its_family_or_alone(issuer: Issuer, client: Client, person: Person):
    alone, family = tokens(client, person, "openid"), tokens(client, person, "openid")
    assert ask(issuer, alone["access_token"]).status_code == ask(issuer, family["access_token"]).status_code == 200
    issuer.http.post("/revoke", data=client.form(token=alone["access_token"]))
    issuer.http.post("/revoke", data=client.form(token=family["refresh_token"]))
    assert ask(issuer, alone["access_token"]).status_code == 401
    assert ask(issuer, family["access_token"]).status_code == 401


def test_a_token_whose_time_is_up(issuer: Issuer, client: Client, person: Person):
    token = tokens(client, person, "openid")["access_token"]
    issuer.clock.now += 899
    assert ask(issuer, token).status_code == 200
    issuer.clock.now += 1
    assert ask(issuer, token).status_code == 401


def test_a_person_who_is_disabled(issuer: Issuer, client: Client):
    bob = Person(issuer.origin, "bob")
    token = tokens(client, bob, "openid")["access_token"]
    user = named(issuer, "bob")
    issuer.run(lambda tx: tx.users.put(dataclasses.replace(user, disabled=True)))
    try:
        assert ask(issuer, token).status_code == 401
    finally:
        issuer.run(lambda tx: tx.users.put(user))
    assert ask(issuer, token).status_code == 200
