"""Signing in: passwords, what a wrong one costs, and a session that is new each time."""

from __future__ import annotations

import dataclasses
import functools
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from argon2 import PasswordHasher
from tests.issuer.started import Issuer
from tests.support.oauth import Client, Form, Person, answer_of, claims, form_of

from issuer import people
from issuer.model import User
from issuer.store import Transaction

PASSWORD = "correct horse battery"
CHEAP = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checks that take no time; that real ones take as long for anybody is tested where nothing is replaced."""
    monkeypatch.setattr(people, "_HASHER", CHEAP)


@pytest.fixture
def carol(issuer: Issuer) -> User:
    """Somebody with a password, another for each test."""
    name = f"carol-{secrets.token_hex(4)}"
    made = CHEAP.hash(PASSWORD)
    user = User(subject=f"s-{name}", username=name, created_at=issuer.clock.now, password_hash=made)
    issuer.run(lambda tx: tx.users.add(user))
    return user


def page_of(client: Client, person: Person) -> Form:
    return form_of(person.open(client))


def sign_in(person: Person, form: Form, username: str, password: str = PASSWORD) -> httpx.Response:
    return person.post(form, username=username, password=password)


def session_cookie(person: Person) -> str | None:
    return next((cookie.value for cookie in person.http.cookies.jar if cookie.name.startswith("session")), None)


def test_the_right_password_leads_to_consent_as_that_person(client: Client, person: Person, carol: User):
    moved = sign_in(person, page_of(client, person), carol.username.upper())
    assert moved.status_code == 303
    assert moved.headers["cache-control"] == "no-store"
    question = person.http.get(moved.headers["location"])
    token = client.redeem(answer_of(person.approve(question))["code"]).json()
    assert claims(token["access_token"])["sub"] == carol.subject
    assert session_cookie(person)


@pytest.mark.parametrize("password", ["", "wrong", PASSWORD + " ", PASSWORD.upper(), "x" * 10_000, "\u00e9"])
def test_a_wrong_password_shows_the_page_again(client: Client, person: Person, carol: User, password: str):
    answer = sign_in(person, page_of(client, person), carol.username, password)
    assert answer.status_code == 403
    assert carol.username in answer.text
    assert "Test client" in answer.text, "which program asked is still said"
    assert session_cookie(person) is None
    assert sign_in(person, form_of(answer), carol.username).status_code == 303


def test_five_failures_close_the_pair_of_name_and_address_for_a_while(
    issuer: Issuer, client: Client, person: Person, carol: User
):
    form = page_of(client, person)
    for _ in range(5):
        assert sign_in(person, form, carol.username, "wrong").status_code == 403
    closed = sign_in(person, form, carol.username)
    assert closed.status_code == 429
    assert "Test client" in closed.text
    assert 0 < int(closed.headers["retry-after"]) <= 300
    assert session_cookie(person) is None
    # Others are not locked out, nor is this person later.
    assert person.post(form, person="alice").status_code == 303
    issuer.clock.now += int(closed.headers["retry-after"])
    assert sign_in(person, page_of(client, person), carol.username).status_code == 303


def test_many_at_once_do_not_get_more_tries(client: Client, person: Person, carol: User):
    form = page_of(client, person)
    with ThreadPoolExecutor(10) as threads:
        answers = list(threads.map(lambda _: sign_in(person, form, carol.username, "wrong").status_code, range(10)))
    assert sorted(answers) == [403] * 5 + [429] * 5


def test_a_success_forgets_the_failures_before_it(client: Client, person: Person, carol: User):
    for _ in range(2):
        form = page_of(client, person)
        for _ in range(4):
            assert sign_in(person, form, carol.username, "wrong").status_code == 403
        assert sign_in(person, form, carol.username).status_code == 303
        person.http.cookies.clear()


def test_a_person_who_is_disabled_or_has_no_password(issuer: Issuer, client: Client, person: Person, carol: User):
    for without in (dataclasses.replace(carol, disabled=True), dataclasses.replace(carol, password_hash=None)):
        issuer.run(functools.partial(put, without))
        assert sign_in(person, page_of(client, person), carol.username).status_code == 403


def put(user: User, tx: Transaction) -> None:
    tx.users.put(user)


@pytest.mark.parametrize(
    "meanwhile",
    [
        lambda tx, carol: tx.users.put(dataclasses.replace(carol, password_hash=CHEAP.hash("another password"))),
        lambda tx, carol: tx.users.put(dataclasses.replace(carol, disabled=True)),
        lambda tx, carol: tx.users.remove(carol.subject),
    ],
)
def test_what_was_true_when_the_check_began_signs_nobody_in(
    issuer: Issuer,
    client: Client,
    person: Person,
    carol: User,
    monkeypatch: pytest.MonkeyPatch,
    meanwhile: Callable[[Transaction, User], object],
):
    """A password waits for its turn to be checked: an operator may have changed it by then."""
    whole = people.check_password

    def check(*arguments: Any) -> people.Checked:
        checked = whole(*arguments)
        issuer.run(lambda tx: meanwhile(tx, carol))
        return checked

    form = page_of(client, person)
    monkeypatch.setattr(people, "check_password", check)
    answer = sign_in(person, form, carol.username)
    assert answer.status_code == 403
    assert session_cookie(person) is None


def test_a_hash_of_older_parameters_is_renewed_by_the_next_sign_in(issuer: Issuer, client: Client, person: Person):
    old = PasswordHasher(time_cost=2, memory_cost=64, parallelism=1).hash(PASSWORD)
    user = User(subject="s-old", username="old", created_at=issuer.clock.now, password_hash=old)
    issuer.run(lambda tx: tx.users.add(user))
    assert sign_in(person, page_of(client, person), "old").status_code == 303
    renewed = issuer.run(lambda tx: tx.users.get("s-old"))
    assert renewed is not None
    assert renewed.password_hash not in (None, old)
    assert not CHEAP.check_needs_rehash(renewed.password_hash or "")
    assert sign_in(person, page_of(client, Person(person.origin)), "old").status_code == 403  # another browser's page


def test_a_disabled_development_person_cannot_click_in(issuer: Issuer, client: Client, person: Person):
    bob = issuer.run(lambda tx: tx.users.named("bob"))
    assert bob is not None
    issuer.run(lambda tx: tx.users.put(dataclasses.replace(bob, disabled=True)))
    try:
        assert person.post(page_of(client, person), person="bob").status_code == 403
    finally:
        issuer.run(lambda tx: tx.users.put(bob))


def test_each_sign_in_is_a_new_session_and_ends_the_one_before(client: Client, person: Person):
    person.consent_page(client)
    first = session_cookie(person)
    question = person.sign_in(person.open(client, prompt="login"))
    second = session_cookie(person)
    assert question.status_code == 200
    assert None not in (first, second)
    assert first != second
    stale = Person(person.origin)
    stale.http.cookies = httpx.Cookies(person.http.cookies)
    name = next(cookie.name for cookie in person.http.cookies.jar if cookie.name.startswith("session"))
    stale.http.cookies.set(name, first or "", domain="127.0.0.1")
    assert 'name="password"' in stale.open(client).text


def test_quick_people_are_for_development_alone(public: Issuer):
    page = public.http.get("/account")
    assert page.status_code == 200
    assert 'name="person"' not in page.text
    form = form_of(page)
    cookies = dict(page.cookies)
    assert list(cookies) == ["__Host-browser"]
    header = {"cookie": f"__Host-browser={cookies['__Host-browser']}"}
    answer = public.http.post("/login", data={**form.fields, "person": "alice"}, headers=header)
    assert (answer.status_code, "set-cookie" in answer.headers) == (403, False)


def test_signing_in_for_the_account_page_leads_there(person: Person):
    form = form_of(person.http.get("/account"))
    moved = person.post(form, person="alice")
    assert (moved.status_code, moved.headers["location"]) == (303, f"{person.origin}/account")
    assert "Alice" in person.http.get("/account").text
