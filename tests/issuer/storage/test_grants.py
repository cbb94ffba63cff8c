"""The contract of codes, families and refresh tokens."""

from __future__ import annotations

import dataclasses

from tests.issuer.storage.examples import LATER, NOW, code, family, refresh_token

from issuer.store import Store, Transaction


async def test_a_code_comes_back_as_it_was_added(store: Store) -> None:
    whole = code(scope=("a", "b"), resources=(), nonce="n", sid="s")
    await store.write(lambda tx: tx.codes.add(whole))
    assert await store.read(lambda tx: tx.codes.get("code")) == whole
    assert await store.read(lambda tx: tx.codes.get("CODE")) is None


async def test_a_code_is_spent_once_and_remembers_its_family(store: Store) -> None:
    await store.write(lambda tx: tx.codes.add(code()))
    assert await store.write(lambda tx: tx.codes.spend("code", "first"))
    assert not await store.write(lambda tx: tx.codes.spend("code", "second"))
    assert not await store.write(lambda tx: tx.codes.spend("no such code", "third"))
    spent = await store.read(lambda tx: tx.codes.get("code"))
    assert spent is not None
    assert spent.family == "first"


async def test_a_code_is_gone_after_so_many_failures(store: Store) -> None:
    await store.write(lambda tx: tx.codes.add(code()))
    for failures in (1, 2):
        await store.write(lambda tx: tx.codes.failed("code", 3))
        assert await store.read(lambda tx: tx.codes.get("code")) == code(failures=failures)
    await store.write(lambda tx: tx.codes.failed("code", 3))
    assert await store.read(lambda tx: tx.codes.get("code")) is None


async def test_a_spent_code_survives_failures(store: Store) -> None:
    await store.write(lambda tx: tx.codes.add(code()))
    await store.write(lambda tx: tx.codes.spend("code", "family"))
    await store.write(lambda tx: tx.codes.failed("code", 1))
    assert await store.read(lambda tx: tx.codes.get("code")) == code(family="family")


async def test_families_of_a_person_are_the_living_ones_latest_first(store: Store) -> None:
    def work(tx: Transaction) -> None:
        for id, created_at in (("old", 1), ("new", 3), ("revoked", 2)):
            tx.families.add(family(id, created_at=created_at))
        tx.families.add(family("other", subject="u-2"))
        tx.families.revoke("revoked", NOW)

    await store.write(work)
    found = await store.read(lambda tx: tx.families.of("u-1"))
    assert found == [family("new", created_at=3), family("old", created_at=1)]


async def test_a_family_ends_once(store: Store) -> None:
    await store.write(lambda tx: tx.families.add(family(sid="s")))
    await store.write(lambda tx: tx.families.used("family", NOW + 5))
    await store.write(lambda tx: tx.families.revoke("family", NOW + 6))
    await store.write(lambda tx: tx.families.revoke("family", NOW + 7))
    await store.write(lambda tx: tx.families.revoke("no such family", NOW))
    ended = dataclasses.replace(family(sid="s"), last_used_at=NOW + 5, revoked_at=NOW + 6)
    assert await store.read(lambda tx: tx.families.get("family")) == ended


async def test_revoking_all_of_a_person_takes_the_codes_that_would_become_more(store: Store) -> None:
    def work(tx: Transaction) -> None:
        for id, subject in (("a", "u-1"), ("b", "u-1"), ("c", "u-2")):
            tx.families.add(family(id, subject=subject))
            tx.codes.add(code(id, subject=subject))
        tx.families.revoke("a", NOW)

    await store.write(work)
    await store.write(lambda tx: tx.families.revoke_of("u-1", LATER))
    codes = await store.read(lambda tx: [tx.codes.get(id) is not None for id in "abc"])
    assert codes == [False, False, True]
    families = await store.read(lambda tx: [tx.families.get(id) for id in "abc"])
    assert [found.revoked_at for found in families if found] == [NOW, LATER, None]


async def test_a_refresh_token_is_spent_once_and_keeps_the_first_salt(store: Store) -> None:
    def work(tx: Transaction) -> None:
        tx.families.add(family())
        tx.refresh_tokens.add(refresh_token(parent="parent"))

    await store.write(work)
    assert await store.read(lambda tx: tx.refresh_tokens.get("refresh")) == refresh_token(parent="parent")
    salt = bytes(range(256))
    assert await store.write(lambda tx: tx.refresh_tokens.spend("refresh", salt, NOW))
    assert not await store.write(lambda tx: tx.refresh_tokens.spend("refresh", b"other", NOW + 1))
    assert not await store.write(lambda tx: tx.refresh_tokens.spend("no such token", b"other", NOW + 1))
    spent = refresh_token(parent="parent", spent_at=NOW, salt=salt)
    assert await store.read(lambda tx: tx.refresh_tokens.get("refresh")) == spent
    await store.write(lambda tx: tx.refresh_tokens.forget_salt("refresh"))
    forgotten = dataclasses.replace(spent, salt=None)
    assert await store.read(lambda tx: tx.refresh_tokens.get("refresh")) == forgotten
