"""User names, passwords and what it costs to be wrong about them."""

from __future__ import annotations

import statistics
import time
from dataclasses import replace

import pytest
from argon2 import PasswordHasher
from hypothesis import given
from hypothesis import strategies as st

from issuer import people
from issuer.model import User
from issuer.people import PersonError

PASSWORD = "correct horse battery"
ALICE = people.new_user("alice", now=1, password=PASSWORD, name="Alice", email="alice@example.com")


def test_a_new_person() -> None:
    other = people.new_user("Alice", now=2)
    assert (ALICE.username, ALICE.created_at, ALICE.name, ALICE.email) == ("alice", 1, "Alice", "alice@example.com")
    assert (other.username, other.password_hash, other.disabled) == ("alice", None, False)
    assert other.subject != ALICE.subject
    assert len(ALICE.subject) >= 22
    assert "alice" not in ALICE.subject


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("alice", "alice"),
        ("ALICE", "alice"),
        ("\uff21lice", "alice"),  # fullwidth A
        ("\u212aim", "kim"),  # the Kelvin sign
        ("a.b_c+d-e@example.com", "a.b_c+d-e@example.com"),
        ("x" * 64, "x" * 64),
    ],
)
def test_one_spelling_of_a_user_name(typed: str, stored: str) -> None:
    assert people.normal_username(typed) == stored


@pytest.mark.parametrize("typed", ["", "x" * 65, "a b", " a", "a\n", "a\x00", "\u0430lice", "a/b", "\ud800", "ß\u0131"])
def test_user_names_refused(typed: str) -> None:
    with pytest.raises(PersonError, match="1 to 64 characters of a-z"):
        people.normal_username(typed)


@given(st.text(st.characters(exclude_categories=())))
def test_a_normal_user_name_is_its_own(typed: str) -> None:
    try:
        username = people.normal_username(typed)
    except PersonError:
        return
    assert people.normal_username(username) == username
    assert username.isascii()


@pytest.mark.parametrize("name", ["", " a", "a\x1b[2J", "x" * 81, "a\nb"])
def test_names_refused(name: str) -> None:
    with pytest.raises(PersonError, match="a name has"):
        people.new_user("a", now=1, name=name)


@pytest.mark.parametrize("email", ["", "a", "a@", "@b", "a@b@c", "a b@c", "a@b\n", "x" * 254 + "@b"])
def test_addresses_refused(email: str) -> None:
    with pytest.raises(PersonError, match="an e-mail address"):
        people.new_user("a", now=1, email=email)


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("", "at least 8"),
        ("1234567", "at least 8"),
        ("\ufdfa" * 15, "at most 256"),  # one character that NFKC makes eighteen
        ("x" * 257, "at most 256"),
        ("password", "guess"),
        ("Password1", "guess"),
        ("QWERTY123", "guess"),
        ("12345678", "guess"),
        ("1234567890", "guess"),
        ("87654321", "guess"),
        ("aaaaaaaa", "guess"),
        ("abcabcabc", "guess"),
        ("\uff50assword", "guess"),
        ("alice123", "guess"),
        ("Alice-Alice", "guess"),
    ],
)
def test_passwords_refused(password: str, reason: str) -> None:
    with pytest.raises(PersonError, match=reason):
        people.hash_password(password, username="alice")


@pytest.mark.parametrize(
    "password",
    [
        PASSWORD,
        "aB3$xY9!",
        "пароль длинный",
        "🐎🔋📎🔩🐎🔋📎🔧",
        "0123456789abcdefghijklmnopqrstuv" * 8,
        "alice in wonderland",
        "a\x00bcdefgi",
    ],
)
def test_passwords_taken(password: str) -> None:
    stored = people.hash_password(password, username="alice")
    assert stored.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert people.check_password(replace(ALICE, password_hash=stored), password) == people.Checked(True)


def test_a_password_typed_on_another_keyboard() -> None:
    composed, apart = "se\u00f1or de los anillos", "sen\u0303or de los anillos"
    user = people.new_user("a", now=1, password=composed)
    assert people.check_password(user, apart).ok


def test_the_same_password_twice_is_stored_differently() -> None:
    assert people.hash_password(PASSWORD, username="a") != people.hash_password(PASSWORD, username="a")


@pytest.mark.parametrize(
    ("user", "password"),
    [
        (ALICE, PASSWORD + " "),
        (ALICE, PASSWORD.upper()),
        (ALICE, ""),
        (ALICE, "\ud800"),
        (ALICE, "x" * 100_000),
        (replace(ALICE, disabled=True), PASSWORD),
        (replace(ALICE, password_hash=None), ""),
        (replace(ALICE, password_hash="broken"), PASSWORD),
        (None, PASSWORD),
        (None, ""),
    ],
)
def test_not_let_in(user: User | None, password: str) -> None:
    assert people.check_password(user, password) == people.Checked(False)


def test_a_hash_of_older_parameters_is_made_anew() -> None:
    weaker = PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash(PASSWORD)
    user = replace(ALICE, password_hash=weaker)
    assert people.check_password(user, PASSWORD + "!") == people.Checked(False)
    checked = people.check_password(user, PASSWORD)
    assert checked.ok
    assert checked.rehash
    assert people.check_password(replace(ALICE, password_hash=checked.rehash), PASSWORD) == people.Checked(True)


def test_being_nobody_takes_as_long_as_being_wrong() -> None:
    """The row CON-15 of the hostile inputs; taken in turns, so that a busy machine slows all alike."""
    cases = {
        "wrong": ALICE,
        "nobody": None,
        "disabled": replace(ALICE, disabled=True),
        "no password": replace(ALICE, password_hash=None),
    }
    taken: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(5):
        for name, user in cases.items():
            started = time.process_time()
            people.check_password(user, "not the password")
            taken[name].append(time.process_time() - started)
    wrong = statistics.median(taken.pop("wrong"))
    assert wrong > 0.01, "argon2id at these parameters is not that quick"
    for name, times in taken.items():
        assert 0.6 < statistics.median(times) / wrong < 1.6, name


def test_generated_passwords_are_taken() -> None:
    password, another = people.generate_password(), people.generate_password()
    assert password != another
    assert len(password) == 23
    assert people.check_password(people.new_user("alice", now=1, password=password), password).ok
