"""The contract of people, their sessions and their consents."""

from __future__ import annotations

import dataclasses

from tests.issuer.storage.examples import NOW, code, family, session, user

from issuer.store import Store, Transaction


async def test_a_person_comes_back_as_added(store: Store) -> None:
    whole = user(password_hash="$argon2id$...", name="Ann", email="ann@example.com", disabled=True)
    assert await store.write(lambda tx: tx.users.add(whole))
    assert await store.read(lambda tx: tx.users.get("u-1")) == whole
    assert await store.read(lambda tx: tx.users.named("name-of-u-1")) == whole
    assert await store.read(lambda tx: tx.users.named("NAME-OF-u-1")) is None


async def test_neither_a_user_name_nor_a_subject_is_given_twice(store: Store) -> None:
    await store.write(lambda tx: tx.users.add(user()))
    assert not await store.write(lambda tx: tx.users.add(user("u-2", username="name-of-u-1")))
    assert not await store.write(lambda tx: tx.users.add(user("u-1", username="another")))
    assert await store.read(lambda tx: tx.users.all()) == [user()]


async def test_put_replaces_a_person_and_makes_none(store: Store) -> None:
    await store.write(lambda tx: tx.users.add(user(disabled=True, name="before")))
    await store.write(lambda tx: tx.users.put(user(email="after@example.com")))
    await store.write(lambda tx: tx.users.put(user("u-2")))
    assert await store.read(lambda tx: tx.users.all()) == [user(email="after@example.com")]


async def test_remove_takes_a_person_with_all_they_have(store: Store) -> None:
    def work(tx: Transaction) -> None:
        for subject in ("u-1", "u-2"):
            tx.users.add(user(subject))
            tx.sessions.add(session(f"session {subject}", subject=subject))
            tx.families.add(family(f"family {subject}", subject=subject))
            tx.codes.add(code(f"code {subject}", subject=subject))
            tx.consents.add(subject, "client", "https://a.example", "https://r.example", ("a",), NOW)

    def left(tx: Transaction, subject: str) -> list[object]:
        return [
            tx.users.get(subject),
            tx.sessions.get(f"session {subject}"),
            tx.families.get(f"family {subject}"),
            tx.codes.get(f"code {subject}"),
            tx.consents.covers(subject, "client", "https://a.example", "https://r.example", ("a",)) or None,
        ]

    await store.write(work)
    await store.write(lambda tx: tx.users.remove("u-1"))
    assert await store.read(lambda tx: left(tx, "u-1")) == [None] * 5
    assert None not in await store.read(lambda tx: left(tx, "u-2"))
    await store.write(lambda tx: tx.users.remove("u-1"))  # whoever is second finds nobody


async def test_sessions(store: Store) -> None:
    def work(tx: Transaction) -> None:
        for digest in ("a", "b"):
            tx.sessions.add(session(digest))
        tx.sessions.add(session("c", subject="u-2"))

    await store.write(work)
    await store.write(lambda tx: tx.sessions.seen("a", NOW + 9))
    assert await store.read(lambda tx: tx.sessions.get("a")) == dataclasses.replace(session("a"), last_seen_at=NOW + 9)
    await store.write(lambda tx: tx.sessions.remove("a"))
    assert await store.read(lambda tx: [tx.sessions.get(d) is not None for d in "abc"]) == [False, True, True]
    await store.write(lambda tx: tx.sessions.remove_of("u-1"))
    assert await store.read(lambda tx: [tx.sessions.get(d) is not None for d in "abc"]) == [False, False, True]


async def test_a_consent_covers_what_was_agreed_to_and_nothing_else(store: Store) -> None:
    agreed = ("u-1", "client", "https://a.example/cb", "https://r.example")
    await store.write(lambda tx: tx.consents.add(*agreed, ("a", "b"), NOW))
    scopes = (("a",), ("b", "a"), (), ("a", "c"))
    covered = await store.read(lambda tx: [tx.consents.covers(*agreed, scope) for scope in scopes])
    assert covered == [True, True, True, False]
    others = [
        ("other", "client", "https://a.example/cb", "https://r.example"),
        ("u-1", "other", "https://a.example/cb", "https://r.example"),
        ("u-1", "client", "https://a.example/cb2", "https://r.example"),
        ("u-1", "client", "https://a.example/cb", "https://other.example"),
    ]
    assert not any(await store.read(lambda tx: [tx.consents.covers(*other, ("a",)) for other in others]))
    await store.write(lambda tx: tx.consents.add(*agreed, ("c",), NOW))
    assert not await store.read(lambda tx: tx.consents.covers(*agreed, ("a",)))
    assert await store.read(lambda tx: tx.consents.covers(*agreed, ("c",)))


async def test_consents_are_taken_back_by_person_or_by_client(store: Store) -> None:
    def covers(tx: Transaction, subject: str, client: str) -> bool:
        return tx.consents.covers(subject, client, "https://a.example", "https://r.example", ("a",))

    def work(tx: Transaction) -> None:
        for subject, client in (("u-1", "one"), ("u-1", "two"), ("u-2", "one"), ("u-2", "two")):
            tx.consents.add(subject, client, "https://a.example", "https://r.example", ("a",), NOW)

    await store.write(work)
    await store.write(lambda tx: tx.consents.remove("u-1", "one"))
    assert not await store.read(lambda tx: covers(tx, "u-1", "one"))
    await store.write(lambda tx: tx.consents.forget("two"))
    left = await store.read(lambda tx: [covers(tx, s, c) for s in ("u-1", "u-2") for c in ("one", "two")])
    assert left == [False, False, True, False]
