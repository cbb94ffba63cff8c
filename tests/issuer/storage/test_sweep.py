"""What expired goes, in batches, and nothing that lives."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from tests.issuer.storage.conftest import build
from tests.issuer.storage.examples import NOW, client, code, family, refresh_token, session

from issuer import sweep
from issuer.model import Document
from issuer.store import Store, Transaction

HOUR, DAY = 3600, 86400


def seed(tx: Transaction) -> None:
    """Every kind of row, each ending at NOW."""
    tx.codes.add(code(expires_at=NOW))
    tx.families.add(family(expires_at=NOW))
    tx.refresh_tokens.add(refresh_token(expires_at=NOW))
    tx.sessions.add(session(expires_at=NOW))
    tx.once.spend("once", NOW)
    tx.limits.hit("limit", 60, NOW - 60)
    tx.denied.add("jti", NOW)


def living(tx: Transaction) -> dict[str, bool]:
    return {
        "code": tx.codes.get("code") is not None,
        "family": tx.families.get("family") is not None,
        "refresh_token": tx.refresh_tokens.get("refresh") is not None,
        "session": tx.sessions.get("session") is not None,
        "once": not tx.once.spend("once", NOW),
        "denied": tx.denied.has("jti"),
    }


async def test_a_row_is_there_to_its_last_second_and_then_goes(store: Store) -> None:
    await store.write(seed)
    assert await store.sweep(NOW, 100) == 0
    assert set((await store.write(living)).values()) == {True}
    assert await store.sweep(NOW + 1, 100) == 4
    left = await store.write(living)
    # What was spent or denied stays for a day, so that its replay is known as one, and a clock set back undoes nothing.
    assert [name for name, there in left.items() if there] == ["code", "once", "denied"]
    assert await store.sweep(NOW + DAY, 100) == 0
    assert await store.sweep(NOW + DAY + 1, 100) == 3
    assert not any((await store.write(living)).values())


async def test_a_batch_has_no_more_than_asked_for_and_the_rest_follows(store: Store) -> None:
    def work(tx: Transaction) -> None:
        tx.families.add(family(expires_at=NOW))
        for number in range(25):
            tx.once.spend(f"dead {number}", NOW - DAY - 1)
            tx.once.spend(f"live {number}", NOW + 1)
            tx.refresh_tokens.add(refresh_token(str(number), expires_at=NOW - 1, spent_at=None))

    await store.write(work)
    assert [await store.sweep(NOW, 20) for _ in range(4)] == [20, 20, 10, 0]
    assert not any(await store.write(lambda tx: [tx.once.spend(f"live {n}", NOW) for n in range(25)]))


async def test_a_salt_is_erased_after_its_minute(store: Store) -> None:
    def work(tx: Transaction) -> None:
        tx.families.add(family())
        tx.refresh_tokens.add(refresh_token())
        tx.refresh_tokens.spend("refresh", b"salt", NOW)

    async def salt() -> bytes | None:
        token = await store.read(lambda tx: tx.refresh_tokens.get("refresh"))
        assert token is not None
        assert token.spent_at == NOW
        return token.salt

    await store.write(work)
    assert await store.sweep(NOW + 60, 10) == 0
    assert await salt() == b"salt"
    assert await store.sweep(NOW + 61, 10) == 1
    assert await salt() is None


def unused(tx: Transaction) -> None:
    tx.clients.add(client())


def used(tx: Transaction) -> None:
    tx.clients.add(client())
    tx.clients.used("client", NOW)


def granted(tx: Transaction) -> None:
    used(tx)
    tx.families.add(family(expires_at=NOW + 1000 * DAY))


def revoked(tx: Transaction) -> None:
    granted(tx)
    tx.families.revoke("family", NOW)


def operators(tx: Transaction) -> None:
    tx.clients.add(client(origin="operator"))


def document(tx: Transaction) -> None:
    tx.documents.keep(client(origin="document"), Document(NOW, NOW), 10)


def granted_document(tx: Transaction) -> None:
    document(tx)
    tx.families.add(family(expires_at=NOW + 1000 * DAY))


@pytest.mark.parametrize(
    ("work", "goes_after"),
    [
        (unused, DAY),
        (used, 90 * DAY),
        (granted, None),
        (revoked, 90 * DAY),
        (operators, None),
        (document, DAY),
        (granted_document, None),
    ],
)
async def test_a_client_goes_when_nobody_needs_it(
    store: Store, work: Callable[[Transaction], None], goes_after: int | None
) -> None:
    await store.write(work)
    await store.sweep(NOW + (goes_after or 900 * DAY), 10)
    assert await store.read(lambda tx: tx.clients.get("client")) is not None
    await store.sweep(NOW + (goes_after or 900 * DAY) + 1, 10)
    assert (await store.read(lambda tx: tx.clients.get("client")) is None) == (goes_after is not None)


async def test_use_is_noted_once_an_hour(store: Store) -> None:
    """The second within the hour writes nothing, so what is kept is the first: at most an hour too old."""
    await store.write(unused)
    await store.write(lambda tx: tx.clients.used("client", NOW))
    await store.write(lambda tx: tx.clients.used("client", NOW + HOUR))
    await store.sweep(NOW + 90 * DAY + 1, 10)
    assert await store.read(lambda tx: tx.clients.get("client")) is None
    await store.write(unused)
    await store.write(lambda tx: tx.clients.used("client", NOW))
    await store.write(lambda tx: tx.clients.used("client", NOW + HOUR + 1))
    await store.sweep(NOW + 90 * DAY + HOUR, 10)
    assert await store.read(lambda tx: tx.clients.get("client")) is not None


async def test_replicas_sweep_and_write_at_the_same_time(store: Store, database: str) -> None:
    others = [build(database) for _ in range(2)]
    for other in others:
        await other.open()

    def dead(tx: Transaction) -> None:
        for number in range(600):
            tx.once.spend(f"dead {number}", NOW - DAY - 1)

    def live(number: int) -> Awaitable[bool]:
        return store.write(lambda tx: tx.once.spend(f"live {number}", NOW + 1))

    async def sweep(replica: Store) -> int:
        return sum([await replica.sweep(NOW, 50) for _ in range(12)])

    await store.write(dead)
    try:
        swept, written = await asyncio.gather(
            asyncio.gather(*map(sweep, [store, *others])), asyncio.gather(*map(live, range(100)))
        )
    finally:
        for other in others:
            await other.close()
    assert sum(swept) == 600
    assert all(written)
    assert not any(await store.write(lambda tx: [tx.once.spend(f"live {n}", NOW) for n in range(100)]))


def test_a_clock_that_was_set_is_not_believed_for_an_hour() -> None:
    moment, ahead = 100.0, NOW
    clock = sweep.Clock(lambda: int(moment) + ahead, lambda: moment)
    assert clock.believed()
    for step in (10 * 365 * DAY, -10 * 365 * DAY, -HOUR):
        ahead += step
        assert not clock.believed()
        moment += HOUR - 1
        assert not clock.believed()
        moment += 1
        assert clock.believed()
    ahead += 59  # as the network's time does
    assert clock.believed()
