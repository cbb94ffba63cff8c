"""The contract of what happens once or is counted, and of secrets that replicas share."""

from __future__ import annotations

from tests.issuer.storage.examples import NOW

from issuer.store import Store


async def test_once_is_once(store: Store) -> None:
    assert await store.write(lambda tx: tx.once.spend("key", NOW))
    assert not await store.write(lambda tx: tx.once.spend("key", NOW + 1000))
    assert await store.write(lambda tx: tx.once.spend("Key", NOW))


async def test_a_window_counts_until_it_ends_and_a_new_one_begins_at_one(store: Store) -> None:
    assert await store.read(lambda tx: tx.limits.count("key", NOW)) == (0, 0)
    hits = await store.write(lambda tx: [tx.limits.hit("key", 60, NOW + at) for at in (0, 59, 60, 61)])
    assert hits == [1, 2, 1, 2]
    assert await store.read(lambda tx: tx.limits.count("key", NOW + 119)) == (2, NOW + 120)
    assert await store.read(lambda tx: tx.limits.count("key", NOW + 120)) == (0, 0)
    await store.write(lambda tx: tx.limits.clear("key"))
    assert await store.write(lambda tx: tx.limits.hit("key", 60, NOW + 62)) == 1


async def test_a_denied_token_stays_denied(store: Store) -> None:
    await store.write(lambda tx: tx.denied.add("jti", NOW))
    await store.write(lambda tx: tx.denied.add("jti", NOW))
    assert await store.read(lambda tx: tx.denied.has("jti"))
    assert not await store.read(lambda tx: tx.denied.has("another"))


async def test_the_first_fresh_secret_is_the_one_that_all_share(store: Store) -> None:
    first = bytes(range(256))
    assert await store.write(lambda tx: tx.shared_secret("seal", first)) == first
    assert await store.write(lambda tx: tx.shared_secret("seal", b"second")) == first
    assert await store.write(lambda tx: tx.shared_secret("other", b"second")) == b"second"
