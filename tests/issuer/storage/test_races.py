"""What processes do to one row at the same moment: one winner, and nothing forgotten."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator

import pytest
from tests.issuer.storage.examples import LATER, NOW, client, code, family, refresh_token, session, user
from tests.issuer.storage.racing import Racers

from issuer.model import Secret, User
from issuer.store import Store, Transaction

TIMES = 200


@pytest.fixture(scope="module")
def racers() -> Iterator[Racers]:
    started = Racers()
    yield started
    started.pool.shutdown()


def spend_code(tx: Transaction, number: int) -> bool:
    if not tx.codes.spend("code", f"family-{number}"):
        return False
    tx.families.add(family(f"family-{number}"))
    return True


async def test_a_code_has_one_winner(racers: Racers, database: str, store: Store) -> None:
    await store.write(lambda tx: tx.codes.add(code()))
    assert sum(racers.race(database, spend_code, TIMES)) == 1
    (won,) = await store.read(lambda tx: tx.families.of("u-1"))
    spent = await store.read(lambda tx: tx.codes.get("code"))
    assert spent is not None
    assert spent.family == won.id


def refresh(tx: Transaction, number: int) -> bytes | None:
    """The salt that the successor is made of, the winner's or one's own."""
    token = tx.refresh_tokens.get("refresh")
    assert token is not None
    salt = number.to_bytes(2, "big")
    if token.spent_at is None and tx.refresh_tokens.spend("refresh", salt, NOW):
        tx.refresh_tokens.add(refresh_token(f"successor-{number}", parent="refresh"))
        return salt
    spent = tx.refresh_tokens.get("refresh")
    return spent.salt if spent else None


async def test_refreshes_at_once_all_get_the_one_successor(racers: Racers, database: str, store: Store) -> None:
    await store.write(lambda tx: tx.families.add(family()))
    await store.write(lambda tx: tx.refresh_tokens.add(refresh_token()))
    (salt,) = set(racers.race(database, refresh, TIMES))
    assert salt is not None
    made = await store.read(lambda tx: [tx.refresh_tokens.get(f"successor-{n}") for n in range(TIMES)])
    assert [number for number, token in enumerate(made) if token] == [int.from_bytes(salt, "big")]


def spend_once(tx: Transaction, _: int) -> bool:
    return tx.once.spend("jti", LATER)


async def test_what_may_happen_once_happens_once(racers: Racers, database: str) -> None:
    assert sum(racers.race(database, spend_once, TIMES)) == 1


def add_user(tx: Transaction, number: int) -> bool:
    # As replicas do that start together: the same person, by the same subject and name.
    return tx.users.add(user("alice", username="alice", name=str(number)))


async def test_a_name_is_given_once(racers: Racers, database: str) -> None:
    assert sum(racers.race(database, add_user, TIMES)) == 1


def share_secret(tx: Transaction, _: int) -> bytes:
    return tx.shared_secret("seal", os.urandom(32))


async def test_one_secret_is_shared(racers: Racers, database: str) -> None:
    assert len(set(racers.race(database, share_secret, TIMES))) == 1


def hit(tx: Transaction, _: int) -> int:
    return tx.limits.hit("key", 60, NOW)


async def test_every_hit_is_counted(racers: Racers, database: str) -> None:
    assert sorted(racers.race(database, hit, TIMES)) == list(range(1, TIMES + 1))


def fail(tx: Transaction, _: int) -> None:
    tx.codes.failed("code", TIMES)


async def test_every_failure_is_counted(racers: Racers, database: str, store: Store) -> None:
    await store.write(lambda tx: tx.codes.add(code()))
    racers.race(database, fail, TIMES - 1)
    assert await store.read(lambda tx: tx.codes.get("code")) == code(failures=TIMES - 1)
    await store.write(lambda tx: fail(tx, 0))
    assert await store.read(lambda tx: tx.codes.get("code")) is None


def add_secret(tx: Transaction, number: int) -> None:
    known = tx.clients.get("client")
    assert known is not None
    tx.clients.put(dataclasses.replace(known, secrets=(*known.secrets, Secret(str(number)))))


async def test_no_change_is_lost_between_get_and_put(racers: Racers, database: str, store: Store) -> None:
    await store.write(lambda tx: tx.clients.add(client()))
    racers.race(database, add_secret, TIMES)
    found = await store.read(lambda tx: tx.clients.get("client"))
    assert found is not None
    assert {int(secret.digest) for secret in found.secrets} == set(range(TIMES))


def redeem_or_disable(tx: Transaction, number: int) -> bool:
    """Of each pair of numbers one disables a person while the other makes a family of their code."""
    subject = f"u-{number // 2}"
    person = tx.users.get(subject)
    assert person is not None
    if number % 2:
        tx.users.put(dataclasses.replace(person, disabled=True))
        tx.families.revoke_of(subject, NOW)
        return False
    if person.disabled or not tx.codes.spend(f"code of {subject}", f"family of {subject}"):
        return False
    tx.families.add(family(f"family of {subject}", subject=subject))
    return True


async def test_nothing_lives_of_a_person_disabled_meanwhile(racers: Racers, database: str, store: Store) -> None:
    def people(tx: Transaction) -> None:
        for number in range(TIMES):
            tx.users.add(user(f"u-{number}"))
            tx.codes.add(code(f"code of u-{number}", subject=f"u-{number}"))

    await store.write(people)
    racers.race(database, redeem_or_disable, 2 * TIMES)
    living = await store.read(lambda tx: [tx.families.of(f"u-{n}") for n in range(TIMES)])
    assert living == [[]] * TIMES


def redeem_or_remove(tx: Transaction, number: int) -> bool:
    """Of each pair of numbers one removes a client while the other makes a family of its code."""
    id = f"client-{number // 2}"
    if number % 2:
        tx.clients.remove(id)
        return False
    if tx.clients.get(id) is None or not tx.codes.spend(f"code of {id}", f"family of {id}"):
        return False
    tx.families.add(family(f"family of {id}", client_id=id))
    tx.refresh_tokens.add(refresh_token(f"token of {id}", family=f"family of {id}"))
    return True


async def test_nothing_is_left_of_a_client_removed_meanwhile(racers: Racers, database: str, store: Store) -> None:
    def clients(tx: Transaction) -> None:
        for number in range(TIMES):
            tx.clients.add(client(f"client-{number}"))
            tx.codes.add(code(f"code of client-{number}", client_id=f"client-{number}"))

    await store.write(clients)
    racers.race(database, redeem_or_remove, 2 * TIMES)
    assert await store.read(lambda tx: tx.clients.all()) == []
    assert await store.read(lambda tx: tx.families.of("u-1")) == []


def agree_or_sign_out(tx: Transaction, number: int) -> None:
    """Of each pair of numbers one changes a password while the other agrees to something by the old one."""
    subject = f"u-{number // 2}"
    person = tx.users.get(subject)
    assert person is not None
    if number % 2:
        sign_out(tx, dataclasses.replace(person, password_hash="new"))
    elif person.password_hash == "old":
        tx.codes.add(code(f"code of {subject}", subject=subject))


def sign_in_or_out(tx: Transaction, number: int) -> None:
    """Of each pair of numbers one changes a password while the other signs in by the old one."""
    subject = f"u-{number // 2}"
    person = tx.users.get(subject)
    assert person is not None
    if number % 2:
        sign_out(tx, dataclasses.replace(person, password_hash="new"))
    elif person.password_hash == "old":
        tx.sessions.add(session(f"session of {subject}", subject=subject))


def sign_out(tx: Transaction, person: User) -> None:
    tx.users.put(person)
    tx.sessions.remove_of(person.subject)
    tx.families.revoke_of(person.subject, NOW)


@pytest.mark.parametrize("attempt", [agree_or_sign_out, sign_in_or_out])
async def test_nothing_is_left_that_an_old_password_let_in(
    racers: Racers, database: str, store: Store, attempt: Callable[[Transaction, int], None]
) -> None:
    def people(tx: Transaction) -> None:
        for number in range(TIMES):
            tx.users.add(user(f"u-{number}", password_hash="old"))

    def left(tx: Transaction) -> list[object]:
        codes = [tx.codes.get(f"code of u-{number}") for number in range(TIMES)]
        sessions = [tx.sessions.get(f"session of u-{number}") for number in range(TIMES)]
        return [found for found in (*codes, *sessions) if found]

    await store.write(people)
    racers.race(database, attempt, 2 * TIMES)
    assert await store.read(left) == []


def change_or_remove(tx: Transaction, number: int) -> None:
    """Of each pair of numbers one removes a client while the other changes it."""
    id = f"client-{number // 2}"
    if number % 2:
        tx.clients.remove(id)
    elif known := tx.clients.get(id):
        tx.clients.put(dataclasses.replace(known, name="changed"))


async def test_a_client_that_was_removed_stays_removed(racers: Racers, database: str, store: Store) -> None:
    def clients(tx: Transaction) -> None:
        for number in range(TIMES):
            tx.clients.add(client(f"client-{number}"))

    await store.write(clients)
    racers.race(database, change_or_remove, 2 * TIMES)
    assert await store.read(lambda tx: tx.clients.all()) == []
