"""Whole or not at all, and what values both databases can hold."""

from __future__ import annotations

import pytest
from tests.issuer.storage.conftest import build
from tests.issuer.storage.examples import LATER, NOW, client, code, family, refresh_token, user

from issuer.errors import InvalidRequest
from issuer.store import Store, StoreUnavailable, Transaction


class Refused(Exception):
    """What an endpoint might raise."""


@pytest.mark.parametrize("error", [Refused, KeyboardInterrupt, StoreUnavailable])
async def test_what_is_raised_leaves_nothing(store: Store, error: type[BaseException]) -> None:
    def work(tx: Transaction) -> None:
        tx.clients.add(client())
        tx.codes.spend("code", "family")
        tx.families.add(family())
        tx.refresh_tokens.add(refresh_token())
        tx.limits.hit("key", 60, NOW)
        raise error("no")

    await store.write(lambda tx: tx.codes.add(code()))
    with pytest.raises(error):
        await store.write(work)
    assert await store.read(lambda tx: tx.clients.get("client")) is None
    assert await store.read(lambda tx: tx.codes.get("code")) == code()
    assert await store.read(lambda tx: tx.families.get("family")) is None
    assert await store.read(lambda tx: tx.limits.count("key", NOW)) == (0, 0)
    assert await store.write(lambda tx: tx.codes.spend("code", "family"))


async def test_a_statement_that_fails_takes_the_transaction_with_it(store: Store) -> None:
    def work(tx: Transaction) -> None:
        tx.clients.add(client())
        tx.codes.add(code())
        tx.codes.add(code())

    with pytest.raises(StoreUnavailable):
        await store.write(work)
    assert await store.read(lambda tx: tx.clients.get("client")) is None
    await store.write(lambda tx: tx.codes.add(code()))


async def test_a_refresh_token_needs_its_family(store: Store) -> None:
    with pytest.raises(StoreUnavailable):
        await store.write(lambda tx: tx.refresh_tokens.add(refresh_token()))


async def test_reading_cannot_write(store: Store) -> None:
    with pytest.raises(StoreUnavailable):
        await store.read(lambda tx: tx.clients.add(client()))
    assert await store.write(lambda tx: tx.clients.get("client")) is None


async def test_what_one_wrote_another_reads(store: Store, database: str) -> None:
    other = build(database)
    await other.open()
    try:
        await store.write(lambda tx: tx.clients.add(client()))
        assert await other.read(lambda tx: tx.clients.get("client")) == client()
    finally:
        await other.close()


async def test_a_closed_store_says_so(database: str) -> None:
    store = build(database)
    await store.open()
    await store.check()
    await store.close()
    with pytest.raises(StoreUnavailable):
        await store.check()


@pytest.mark.parametrize(
    "text", ["😀 𝒳 𠮷", "Zoë Zoe\u0308", "\u202e\u200b\ufeff", "\uffff\U0010ffff", "%s :name $1 '\"\\"]
)
async def test_any_text_comes_back_as_it_was(store: Store, text: str) -> None:
    await store.write(lambda tx: tx.clients.add(client(text, name=text, metadata={text: [text]})))
    await store.write(lambda tx: tx.users.add(user(name=text)))
    assert await store.read(lambda tx: tx.clients.get(text)) == client(text, name=text, metadata={text: [text]})
    assert await store.read(lambda tx: tx.users.get("u-1")) == user(name=text)


@pytest.mark.parametrize("text", ["a\0b", "\0", "half \ud800 a pair", "\udfff"], ids=ascii)
async def test_what_is_no_text_is_refused_and_named_nowhere(store: Store, text: str) -> None:
    for work in (
        lambda tx: tx.clients.get(text),
        lambda tx: tx.once.spend(text, LATER),
        lambda tx: tx.users.add(user(name=text)),
    ):
        with pytest.raises(InvalidRequest) as refusal:
            await store.write(work)
        assert text not in str(refusal.value)
    # Inside the document of a client it is escaped, so there it may be.
    await store.write(lambda tx: tx.clients.add(client(metadata={"client_uri": text})))
    assert await store.read(lambda tx: tx.clients.get("client")) == client(metadata={"client_uri": text})


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 10**40])
async def test_a_number_beyond_64_bits_is_refused(store: Store, number: int) -> None:
    with pytest.raises(InvalidRequest):
        await store.write(lambda tx: tx.once.spend("key", number))
    assert await store.write(lambda tx: tx.once.spend("key", 2**63 - 1))


async def test_keys_of_2048_characters_fit(store: Store) -> None:
    """The longest that the protocol lets through; PostgreSQL's index ends at 2.7 kB."""
    long = "".join(chr(33 + (number * 7919) % 90) for number in range(2048))
    await store.write(lambda tx: tx.clients.add(client(long)))
    await store.write(lambda tx: tx.families.add(family(client_id=long)))
    await store.write(lambda tx: tx.once.spend(long, NOW))
    await store.write(lambda tx: tx.consents.add("u-1", "client", long, "https://r.example/mcp", ("a",), NOW))
    assert await store.read(lambda tx: tx.clients.get(long)) == client(long)
