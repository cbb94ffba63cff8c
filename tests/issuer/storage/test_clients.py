"""The contract of clients and of the documents that some are known by."""

from __future__ import annotations

import dataclasses

from tests.issuer.storage.examples import NOW, client, code, family, refresh_token

from issuer.model import Document, Secret
from issuer.store import Store, Transaction


async def test_a_client_comes_back_as_it_was_put(store: Store) -> None:
    whole = client(
        origin="operator",
        redirect_uris=("https://a.example/cb", "http://127.0.0.1/cb?x=1"),
        grant_types=("authorization_code", "refresh_token"),
        auth_method="private_key_jwt",
        name="A client",
        scope=("a", "b"),
        resources=("https://r.example/mcp",),
        secrets=(Secret("d1", NOW), Secret("d2")),
        registration="digest",
        introspects=("https://r.example/mcp",),
        metadata={"jwks": {"keys": [{"kty": "EC"}]}, "contacts": ["a@example.com"], "tls_bound": False},
    )
    await store.write(lambda tx: tx.clients.add(whole))
    assert await store.read(lambda tx: tx.clients.get("client")) == whole
    assert await store.read(lambda tx: tx.clients.all()) == [whole]
    assert await store.read(lambda tx: tx.clients.get("Client")) is None


async def test_put_replaces_a_client_whole(store: Store) -> None:
    await store.write(lambda tx: tx.clients.add(client(name="before", secrets=(Secret("d"),), registration="r")))
    after = client(name=None, redirect_uris=("https://b.example/cb",))
    assert await store.write(lambda tx: tx.clients.put(after))
    assert await store.read(lambda tx: tx.clients.all()) == [after]


async def test_an_id_is_given_once_and_put_makes_no_client(store: Store) -> None:
    assert not await store.write(lambda tx: tx.clients.put(client()))
    assert await store.write(lambda tx: tx.clients.add(client(name="first")))
    assert not await store.write(lambda tx: tx.clients.add(client(name="second")))
    assert await store.read(lambda tx: tx.clients.all()) == [client(name="first")]


async def test_remove_takes_all_that_was_granted_and_nothing_else(store: Store) -> None:
    def granted(tx: Transaction, to: str) -> None:
        tx.clients.add(client(to))
        tx.codes.add(code(f"code of {to}", client_id=to))
        tx.families.add(family(f"family of {to}", client_id=to))
        tx.refresh_tokens.add(refresh_token(f"token of {to}", family=f"family of {to}"))
        tx.consents.add("u-1", to, "https://a.example/cb", "https://r.example", ("a",), NOW)

    def left(tx: Transaction, of: str) -> list[bool]:
        return [
            tx.clients.get(of) is not None,
            tx.codes.get(f"code of {of}") is not None,
            tx.families.get(f"family of {of}") is not None,
            tx.refresh_tokens.get(f"token of {of}") is not None,
            tx.consents.covers("u-1", of, "https://a.example/cb", "https://r.example", ("a",)),
        ]

    await store.write(lambda tx: granted(tx, "gone"))
    await store.write(lambda tx: granted(tx, "stays"))
    await store.write(lambda tx: tx.clients.remove("gone"))
    assert await store.read(lambda tx: left(tx, "gone")) == [False] * 5
    assert await store.read(lambda tx: left(tx, "stays")) == [True] * 5
    await store.write(lambda tx: tx.clients.remove("gone"))  # whoever is second finds none


async def test_a_registration_token_leads_to_its_client(store: Store) -> None:
    await store.write(lambda tx: tx.clients.add(client("a", registration="digest of a")))
    await store.write(lambda tx: tx.clients.add(client("b")))
    found = await store.read(lambda tx: tx.clients.registered_by("digest of a"))
    assert found is not None
    assert found.id == "a"
    assert await store.read(lambda tx: tx.clients.registered_by("another")) is None


async def test_crowded_counts_those_who_registered_themselves(store: Store) -> None:
    await store.write(lambda tx: tx.clients.add(client("operator's", origin="operator")))
    assert not await store.read(lambda tx: tx.clients.crowded(1))
    await store.write(lambda tx: tx.clients.add(client("a")))
    await store.write(lambda tx: tx.clients.add(client("b")))
    assert await store.read(lambda tx: tx.clients.crowded(2))
    assert not await store.read(lambda tx: tx.clients.crowded(3))


async def test_a_document_is_kept_with_its_client(store: Store) -> None:
    known = client("https://c.example/c.json", origin="document", name="before")
    await store.write(lambda tx: tx.documents.keep(known, Document(NOW, NOW + 60), 10))
    renamed = dataclasses.replace(known, name="after")
    await store.write(lambda tx: tx.documents.keep(renamed, Document(NOW + 61, NOW + 120), 10))
    assert await store.read(lambda tx: tx.clients.get(known.id)) == renamed
    assert await store.read(lambda tx: tx.documents.get(known.id)) == Document(NOW + 61, NOW + 120)
    await store.write(lambda tx: tx.clients.add(client()))
    assert await store.read(lambda tx: tx.documents.get("client")) is None


async def test_beyond_the_most_the_longest_known_documents_without_family_go(store: Store) -> None:
    urls = [f"https://c.example/{number}" for number in range(4)]

    def work(tx: Transaction) -> None:
        tx.families.add(family(client_id=urls[0]))
        for number, url in enumerate(urls):
            tx.documents.keep(client(url, origin="document"), Document(NOW + number, NOW + 60), 2)

    await store.write(work)
    assert [found.id for found in await store.read(lambda tx: tx.clients.all())] == [urls[0], urls[2], urls[3]]
    assert await store.read(lambda tx: tx.documents.get(urls[1])) is None
