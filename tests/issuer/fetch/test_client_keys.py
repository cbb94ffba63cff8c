"""Keys at a client's jwks_uri: rotation is seen soon, a stranger cannot cause many fetches, an outage is bridged."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm
from tests.issuer.fetch.hosts import Host, Internet, response
from tests.issuer.fetch.test_documents import START, Clock

from issuer import client_keys
from issuer.client_keys import ClientKeys
from issuer.fetch import Fetcher
from issuer.model import Client

URI = "https://client.test/jwks.json"
CLIENT = Client(id="c", origin="dynamic", created_at=START, auth_method="private_key_jwt", metadata={"jwks_uri": URI})


def key(kid: str) -> dict[str, Any]:
    made = ec.generate_private_key(ec.SECP256R1()).public_key()
    return {**json.loads(ECAlgorithm.to_jwk(made)), "kid": kid, "use": "sig", "alg": "ES256"}


OLD, NEW = key("old"), key("new")


def jwks(*keys: Any, cache: str = "max-age=600") -> bytes:
    return response({"keys": list(keys)}, headers={"Cache-Control": cache})


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keys(fetcher: Fetcher, clock: Clock, host: Host) -> ClientKeys:
    host.answer = jwks(OLD)
    return ClientKeys(fetcher, clock)


def kids(found: client_keys.Keys) -> list[str]:
    return [found["kid"] for found in found]


async def test_inline_keys_need_no_fetch(keys: ClientKeys, host: Host) -> None:
    inline = Client(id="c", origin="dynamic", created_at=START, metadata={"jwks": {"keys": [OLD]}})
    assert await keys.of(inline, "other") == (OLD,)
    assert await keys.of(Client(id="c", origin="dynamic", created_at=START), None) == ()
    assert host.connections == 0


async def test_a_set_is_kept_while_it_holds(keys: ClientKeys, clock: Clock, host: Host) -> None:
    for _ in range(3):
        assert kids(await keys.of(CLIENT, "old")) == ["old"]
        assert kids(await keys.of(CLIENT, None)) == ["old"]
    assert host.connections == 1
    clock.time += 600
    await keys.of(CLIENT, "old")
    assert host.connections == 2


@pytest.mark.parametrize(("cache", "seconds"), [("no-store", 60), ("max-age=999999", 3600), ("public", 600)])
async def test_its_life_is_bounded(keys: ClientKeys, clock: Clock, host: Host, cache: str, seconds: int) -> None:
    host.answer = jwks(OLD, cache=cache)
    await keys.of(CLIENT, "old")
    clock.time += seconds - 1
    await keys.of(CLIENT, "old")
    assert host.connections == 1
    clock.time += 1
    await keys.of(CLIENT, "old")
    assert host.connections == 2


async def test_a_new_key_works_from_its_first_use_and_a_removed_one_no_more(
    keys: ClientKeys, clock: Clock, host: Host
) -> None:
    await keys.of(CLIENT, "old")
    host.answer = jwks(NEW)
    clock.time += client_keys.PAUSE
    assert kids(await keys.of(CLIENT, "new")) == ["new"]
    assert host.connections == 2


async def test_a_stranger_causes_one_fetch_in_ten_seconds(keys: ClientKeys, clock: Clock, host: Host) -> None:
    assert client_keys.PAUSE >= 10
    for second in range(60):
        await asyncio.gather(*(keys.of(CLIENT, f"unknown-{second}-{n}") for n in range(20)))
        clock.time += 1
    assert host.connections == 6


@pytest.mark.parametrize(
    "bad",
    [
        response(status="500 Oops"), response(status="302 Found", headers={"Location": "https://127.0.0.1/"}), jwks(),
        response(b" " * 70_000), response({"keys": "x"}), response(b"[]"), response(kind="text/html"),
        jwks({"kty": "RSA"}), jwks(OLD, {"kty": "oct", "k": "c2VjcmV0"}),
    ],
    ids=range(9),
)  # fmt: skip
async def test_an_outage_keeps_the_last_good_keys_for_a_time(
    keys: ClientKeys, clock: Clock, host: Host, bad: bytes
) -> None:
    await keys.of(CLIENT, "old")
    host.answer = bad
    clock.time += 600 + client_keys.LAST_GOOD - 1
    assert kids(await keys.of(CLIENT, "old")) == ["old"]
    clock.time += 1
    assert await keys.of(CLIENT, "old") == ()
    assert host.connections == 2, "not at every request"
    host.answer = jwks(NEW)
    clock.time += client_keys.PAUSE
    assert kids(await keys.of(CLIENT, "old")) == ["new"]


async def test_private_addresses_are_not_reached(keys: ClientKeys, host: Host, internet: Internet) -> None:
    internet.names["client.test"] = [["10.0.0.1"]]
    assert await keys.of(CLIENT, "old") == ()
    literal = Client(id="c", origin="dynamic", created_at=START, metadata={"jwks_uri": "https://10.0.0.1/jwks.json"})
    assert await keys.of(literal, "old") == ()
    assert not internet.connects


async def test_keys_for_other_purposes_are_left_out(keys: ClientKeys, host: Host) -> None:
    p384 = json.loads(ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP384R1()).public_key()))
    host.answer = jwks({**OLD, "use": "enc", "kid": "enc"}, p384, {"kty": "new"}, {**NEW, "x5c": ["..."]})
    assert await keys.of(CLIENT, "new") == ({name: NEW[name] for name in sorted(NEW)},)


async def test_memory_is_bounded(keys: ClientKeys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_keys, "_MOST_SETS", 10)
    for n in range(30):
        uri = f"https://nowhere{n}.test/jwks"
        await keys.of(Client(id="c", origin="dynamic", created_at=START, metadata={"jwks_uri": uri}), None)
    assert len(keys._sets) == 10
