"""The life of a metadata document in the store: fetched, fresh, renewed, out of reach, taken back, forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.issuer.fetch.hosts import PUBLIC, Host, Internet, response
from tests.requirements import requirement

from issuer import documents
from issuer.documents import DocumentFailed, Documents
from issuer.fetch import Fetcher
from issuer.model import Client, Family
from issuer.protocol.document_policy import Policy
from issuer.storage import schema
from issuer.storage.sqlite import SQLiteStore

URL = "https://client.test/client.json"
START = 1_800_000_000


class Clock:
    def __init__(self) -> None:
        self.time = START

    def __call__(self) -> int:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SQLiteStore]:
    path = str(tmp_path / "issuer.db")
    schema.upgrade(path)
    opened = SQLiteStore(path)
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
def made(store: SQLiteStore, fetcher: Fetcher, clock: Clock, host: Host) -> Documents:
    host.answer = document()
    return Documents(Policy(), store, fetcher, clock)


def body(url: str = URL, **members: Any) -> dict[str, Any]:
    redirects = ["https://client.test/callback"]
    return {"client_id": url, "client_name": "A program", "redirect_uris": redirects, **members}


def document(url: str = URL, cache: str = "max-age=600", **members: Any) -> bytes:
    return response(body(url, **members), headers={"Cache-Control": cache})


async def client(store: SQLiteStore, url: str = URL) -> Client | None:
    return await store.read(lambda tx: tx.clients.get(url))


async def test_a_new_document_becomes_a_client(made: Documents, store: SQLiteStore) -> None:
    await made.resolve(URL, asked_by="192.0.2.1")
    found = await client(store)
    assert found is not None
    assert (found.origin, found.name, found.redirect_uris) == (
        "document",
        "A program",
        ("https://client.test/callback",),
    )


@pytest.mark.parametrize(
    "client_id", ["mcp-client", "", "dyn_abc", "urn:x", "ftp://client.test/x", "HTTPS://client.test/x"]
)
async def test_other_client_ids_are_left_alone(made: Documents, host: Host, client_id: str) -> None:
    await made.resolve(client_id, asked_by="192.0.2.1")
    assert host.connections == 0


async def test_a_document_that_nobody_met_is_not_fetched_for_tokens(
    made: Documents, store: SQLiteStore, host: Host
) -> None:
    await made.resolve(URL)
    assert await client(store) is None
    assert host.connections == 0


async def test_it_is_fetched_once_while_it_is_fresh(made: Documents, clock: Clock, host: Host) -> None:
    for _ in range(3):
        await made.resolve(URL, asked_by="a")
    clock.time += 599
    await made.resolve(URL)
    assert host.connections == 1
    clock.time += 1
    await made.resolve(URL)
    assert host.connections == 2


@requirement("cimd-caching")
@pytest.mark.parametrize(
    ("cache", "seconds"),
    [
        ("no-store", 60), ("max-age=0", 60), ("max-age=-5", 60), ("max-age=59", 60), ("max-age=61", 61),
        ("public", 3600), ("max-age=86401", 86400), ("max-age=1000000000000", 86400), ("nonsense, =, ,", 3600),
    ],
)  # fmt: skip
async def test_its_life_is_bounded(
    made: Documents, clock: Clock, host: Host, store: SQLiteStore, cache: str, seconds: int
) -> None:
    host.answer = document(cache=cache)
    await made.resolve(URL, asked_by="a")
    kept = await store.read(lambda tx: tx.documents.get(URL))
    assert kept is not None
    assert kept.fresh_until - kept.fetched_at == seconds


async def test_another_replica_and_another_start_need_no_fetch(
    made: Documents, store: SQLiteStore, fetcher: Fetcher, clock: Clock, host: Host
) -> None:
    await made.resolve(URL, asked_by="a")
    await Documents(Policy(), store, fetcher, clock).resolve(URL, asked_by="b")
    assert host.connections == 1


async def test_a_change_counts_from_the_next_fetch(
    made: Documents, clock: Clock, host: Host, store: SQLiteStore
) -> None:
    await made.resolve(URL, asked_by="a")
    host.answer = document(redirect_uris=["https://client.test/other"], client_name="Renamed")
    clock.time += 600
    await made.resolve(URL)
    found = await client(store)
    assert found is not None
    assert (found.name, found.redirect_uris) == ("Renamed", ("https://client.test/other",))


async def test_out_of_reach_it_serves_for_a_day(made: Documents, clock: Clock, host: Host, internet: Internet) -> None:
    await made.resolve(URL, asked_by="a")
    host.answer = response(status="503 Busy")
    clock.time += 600 + documents.STALE - 1
    await made.resolve(URL)
    await made.resolve(URL, asked_by="a")
    clock.time += 1
    with pytest.raises(DocumentFailed) as failed:
        await made.resolve(URL)
    assert failed.value.temporary
    host.answer = document()
    clock.time += documents.PAUSE
    await made.resolve(URL)


@pytest.mark.parametrize(
    "taken_back",
    [
        response(status="404 Not Found"), response(status="410 Gone"), response(status="301 Moved"), response(b"[]"),
        document("https://client.test/other.json"), document(token_endpoint_auth_method="client_secret_basic"),
        response(b"<html>", kind="text/html"), document(jwks_uri="https://10.0.0.1/jwks"),
    ],
    ids=range(8),
)  # fmt: skip
async def test_what_its_host_takes_back_ends_at_once(
    made: Documents, clock: Clock, host: Host, taken_back: bytes
) -> None:
    await made.resolve(URL, asked_by="a")
    host.answer = taken_back
    clock.time += 600
    for asked_by in (None, "a"):
        with pytest.raises(DocumentFailed) as failed:
            await made.resolve(URL, asked_by=asked_by)
        assert not failed.value.temporary


async def test_a_failure_leaves_nothing_and_is_not_tried_at_every_request(
    made: Documents, clock: Clock, host: Host, store: SQLiteStore
) -> None:
    host.answer = response(b"[]")
    for _ in range(5):
        with pytest.raises(DocumentFailed):
            await made.resolve(URL, asked_by="a")
    assert host.connections == 1
    assert await client(store) is None
    host.answer = document()
    clock.time += documents.PAUSE
    await made.resolve(URL, asked_by="a")
    assert await client(store) is not None


async def test_a_clock_that_was_set_back_keeps_neither_failures_nor_documents(
    made: Documents, clock: Clock, host: Host
) -> None:
    host.answer = response(b"[]")
    with pytest.raises(DocumentFailed):
        await made.resolve(URL, asked_by="a")
    host.answer = document()
    clock.time -= 7200
    await made.resolve(URL, asked_by="a")
    clock.time -= 7200
    await made.resolve(URL, asked_by="a")
    assert host.connections == 3


async def test_many_who_ask_at_once_share_a_fetch_and_the_first_may_leave(
    made: Documents, host: Host, store: SQLiteStore
) -> None:
    async def slow(_: bytes, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.1)
        writer.write(document())

    host.answer = slow
    first, *others = (asyncio.create_task(made.resolve(URL, asked_by="a")) for _ in range(20))
    await asyncio.sleep(0.05)
    first.cancel()
    await asyncio.gather(*others)
    assert host.connections == 1
    assert await client(store) is not None


async def test_one_address_meets_so_many_new_documents(
    made: Documents, clock: Clock, host: Host, store: SQLiteStore
) -> None:
    async def any_document(request: bytes, writer: asyncio.StreamWriter) -> None:
        path = request.split()[1].decode()
        writer.write(document(f"https://client.test{path}"))

    host.answer = any_document
    outcomes = await asyncio.gather(
        *(made.resolve(f"{URL}/{n}", asked_by="192.0.2.1") for n in range(100)), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes].count(DocumentFailed) == 70
    assert host.connections == 30
    await made.resolve(f"{URL}/99x", asked_by="192.0.2.2")
    clock.time += 60
    await made.resolve(f"{URL}/99", asked_by="192.0.2.1")
    assert len(made._failures) <= documents.MOST


async def test_who_asks_too_often_fails_nobody_else(made: Documents, host: Host, store: SQLiteStore) -> None:
    for n in range(31):
        await asyncio.gather(made.resolve(f"https://nowhere{n}.test/x", asked_by="greedy"), return_exceptions=True)
    with pytest.raises(DocumentFailed, match="this address asked for too many"):
        await made.resolve(URL, asked_by="greedy")
    await made.resolve(URL, asked_by="honest")
    assert await client(store) is not None
    await made.resolve(URL, asked_by="greedy")  # known by now


async def test_one_host_is_asked_for_so_many_new_documents(made: Documents, host: Host) -> None:
    host.answer = response(b"[]")
    for n in range(125):
        with pytest.raises(DocumentFailed):
            await made.resolve(f"{URL}/{n}", asked_by=f"192.0.2.{n}")
    assert host.connections == 120


async def test_memory_of_failures_is_bounded(made: Documents, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "MOST", 50)
    for n in range(200):
        with pytest.raises(DocumentFailed):
            await made.resolve(f"https://nowhere{n}.test/x", asked_by=str(n))
    assert len(made._failures) == 50


async def test_documents_without_a_grant_make_room(
    made: Documents, clock: Clock, host: Host, store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def any_document(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(document(f"https://client.test{request.split()[1].decode()}"))

    host.answer = any_document
    monkeypatch.setattr(documents, "MOST", 3)
    for n in range(6):
        clock.time += 1
        url = f"{URL}/{n}"
        await made.resolve(url, asked_by="a")
        if n == 0:
            await store.write(lambda tx: tx.families.add(family(URL + "/0")))
    kept = [n for n in range(6) if await client(store, f"{URL}/{n}")]
    assert kept == [0, 3, 4, 5]


def family(client_id: str) -> Family:
    return Family(
        id=client_id, client_id=client_id, subject="alice", scope=("mcp:tools",), resources=("https://rs.test/mcp",),
        auth_time=START, created_at=START, last_used_at=START, expires_at=START + 10**7,
    )  # fmt: skip


async def test_documents_without_a_grant_are_swept_after_a_day(
    made: Documents, clock: Clock, host: Host, store: SQLiteStore
) -> None:
    await made.resolve(URL, asked_by="a")
    await store.write(lambda tx: tx.sweep(START + 86400, 100))
    assert await client(store) is not None
    await store.write(lambda tx: tx.families.add(family(URL)))
    await store.write(lambda tx: tx.sweep(START + 86401, 100))
    assert await client(store) is not None, "a grant lives on it"
    await store.write(lambda tx: tx.families.revoke(URL, START))
    await store.write(lambda tx: tx.sweep(START + 86401, 100))
    assert await client(store) is None
    assert await store.read(lambda tx: tx.documents.get(URL)) is None


async def test_the_operators_word_counts_more_than_the_document(
    made: Documents, host: Host, store: SQLiteStore
) -> None:
    own = Client(id=URL, origin="operator", created_at=START, redirect_uris=("https://own.test/cb",))
    await store.write(lambda tx: tx.clients.add(own))
    await made.resolve(URL, asked_by="a")
    assert host.connections == 0
    assert await client(store) == own


async def test_an_operator_who_registers_it_meanwhile_is_not_overwritten(
    made: Documents, host: Host, store: SQLiteStore
) -> None:
    own = Client(id=URL, origin="operator", created_at=START, redirect_uris=("https://own.test/cb",))

    async def late(_: bytes, writer: asyncio.StreamWriter) -> None:
        await store.write(lambda tx: tx.clients.add(own))
        writer.write(document())

    host.answer = late
    await made.resolve(URL, asked_by="a")
    assert await client(store) == own


@pytest.mark.parametrize("policy", [Policy(on=False), Policy(deny=("client.test",)), Policy(allow=("other.test",))])
async def test_what_the_operator_forbids_is_forbidden_though_it_is_fresh(
    made: Documents, store: SQLiteStore, fetcher: Fetcher, clock: Clock, host: Host, policy: Policy
) -> None:
    await made.resolve(URL, asked_by="a")
    for asked_by in (None, "a"):
        with pytest.raises(DocumentFailed) as failed:
            await Documents(policy, store, fetcher, clock).resolve(URL, asked_by=asked_by)
        assert not failed.value.temporary
    assert host.connections == 1


async def test_an_address_that_turned_private_is_never_reached(
    made: Documents, clock: Clock, host: Host, internet: Internet
) -> None:
    await made.resolve(URL, asked_by="a")
    internet.names["client.test"] = [["169.254.169.254"]]
    clock.time += 600
    await made.resolve(URL)  # out of reach: what was fetched before serves
    assert [address for address, _ in internet.connects] == [PUBLIC]
