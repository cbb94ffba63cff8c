"""The key cache: outages, rotation, poison and floods, with a clock that the test moves."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from loguru import logger
from tests.resource import stand_in

from resource_server import jwks
from resource_server.fetch import FetchFailed
from resource_server.jwks import KeyCache, KeysUnavailable

OLD, NEW, OTHER = (stand_in.rsa_key(kid) for kid in ("old", "new", "other"))


def key_set(*keys: Any) -> bytes:
    return json.dumps({"keys": [stand_in.public(key) for key in keys]}).encode()


class World:
    """A clock and an issuer, both in the test's hands."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.fetches = 0
        self.document: bytes | None = None
        self.publish(OLD)
        self.cache = KeyCache(self.fetch, ("RS256",), lambda: self.now)

    def publish(self, *keys: Any) -> None:
        self.document = key_set(*keys)

    async def fetch(self) -> bytes:
        self.fetches += 1
        await asyncio.sleep(0)
        if self.document is None:
            raise FetchFailed("down")
        return self.document

    async def has(self, kid: str | None) -> bool:
        return bool(await self.cache.find("RS256", kid))

    async def settle(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)


@pytest.fixture
def world() -> World:
    return World()


async def test_one_fetch_for_all_who_wait(world: World) -> None:
    assert all(await asyncio.gather(*(world.has("old") for _ in range(100))))
    assert world.fetches == 1


async def test_fresh_keys_are_not_fetched_again_and_stale_ones_in_the_background(world: World) -> None:
    await world.has("old")
    world.now += jwks.FRESH - 1
    await world.has("old")
    assert world.fetches == 1
    world.publish(OLD, NEW)
    world.now += 2
    assert await world.has("old")
    await world.settle()
    assert world.fetches == 2
    assert await world.has("new")
    assert world.fetches == 2


async def test_after_a_long_sleep_a_revoked_key_is_not_used_once_more(world: World) -> None:
    await world.has("old")
    world.publish(OLD, NEW)
    world.now += 700
    assert await world.has("new")
    world.publish(NEW)
    world.now += 700
    assert not await world.has("old")


async def test_a_new_key_is_found_at_its_first_token(world: World) -> None:
    await world.has("old")
    world.publish(OLD, NEW)
    world.now += 20
    assert await world.has("new")
    assert world.fetches == 2


async def test_five_hundred_unknown_names_in_ten_seconds(world: World) -> None:
    for number in range(500):
        assert not await world.has(f"made-up-{number}")
        world.now += 0.02
    assert world.fetches <= 3
    assert await world.has("old")


async def test_unknown_names_all_at_once_while_cold(world: World) -> None:
    found = await asyncio.gather(*(world.has(f"made-up-{number}") for number in range(500)), world.has("old"))
    assert found[-1]
    assert not any(found[:-1])
    assert world.fetches <= 3


async def test_an_outage_without_keys_is_no_verdict_and_ends_within_three_seconds(world: World) -> None:
    world.document = None
    waited = 0.0
    for _ in range(60):
        with pytest.raises(KeysUnavailable) as outage:
            await world.has("old")
        assert 1 <= outage.value.retry_after <= 3
        world.now += 0.5
        waited += 0.5
    assert world.fetches <= 20, "the issuer that starts is not stormed"
    world.publish(OLD)
    for _ in range(5):
        world.now += 0.5
        try:
            assert await world.has("old")
        except KeysUnavailable:
            continue
        break
    else:
        pytest.fail("not well again within 3 s")


async def test_known_keys_survive_an_outage_of_a_day_and_no_longer(world: World) -> None:
    await world.has("old")
    world.document = None
    for _ in range(24 * 12 - 1):
        world.now += 300
        assert await world.has("old")
    world.now += 700
    with pytest.raises(KeysUnavailable):
        await world.has("old")


async def test_an_unknown_name_during_an_outage_is_no_verdict(world: World) -> None:
    await world.has("old")
    world.document = None
    world.now += 20
    for _ in range(3):
        with pytest.raises(KeysUnavailable):
            await world.has("new")
    assert await world.has("old")
    assert world.fetches == 2


POISON = (
    b'{"keys":[]}', b"{}", b"[]", b"null", b"<html>", b'{"keys":[{"kty":"RSA"', b"", b"\x1f\x8b\x08\x00",
    json.dumps({"keys": [stand_in.public(OLD, kid=None)]}).encode(),
    json.dumps({"keys": [stand_in.public(stand_in.ec_key("old"))]}).encode(),
    json.dumps({"keys": [OLD.as_dict(private=True)]}).encode(),
)  # fmt: skip


@pytest.mark.parametrize("answer", POISON)
async def test_one_bad_answer_never_wipes_good_keys(world: World, answer: bytes) -> None:
    await world.has("old")
    world.document = answer
    world.now += jwks.FRESH + 1
    assert await world.has("old")
    await world.settle()
    assert await world.has("old")
    assert world.cache.generation == 0
    world.publish(OLD, NEW)
    world.now += 40
    await world.has("old")
    await world.settle()
    assert await world.has("new")


async def test_a_set_without_any_known_key_must_be_seen_twice(world: World) -> None:
    await world.has("old")
    world.publish(OTHER)
    world.now += jwks.FRESH + 1
    await world.has("old")
    await world.settle()
    assert await world.has("old")
    assert await world.has("other")
    world.publish(OLD)
    world.now += 11
    await world.has("old")
    await world.settle()
    assert await world.has("old")
    assert world.cache.generation == 1, "what the passing key has signed is judged anew"


async def test_a_revoked_key_is_forgotten_and_what_it_signed_too(world: World) -> None:
    await world.has("old")
    world.publish(OLD, NEW)
    world.now += jwks.FRESH + 1
    await world.has("old")
    await world.settle()
    before = world.cache.generation
    world.publish(NEW)
    world.now += jwks.FRESH + 1
    await world.has("new")
    await world.settle()
    world.now += 20
    assert not await world.has("old")
    assert world.cache.generation == before + 1


@pytest.mark.parametrize("before", [(OLD,), (OLD, NEW)])
@pytest.mark.parametrize("again", [241, 281])
async def test_a_revoked_key_ends_within_five_minutes(world: World, before: tuple[Any, ...], again: int) -> None:
    world.publish(*before)
    await world.has("old")
    world.publish(NEW)
    world.now += again
    await world.has("old")
    await world.settle()
    world.now += 300 - again
    assert not await world.has("old")


async def test_it_is_looked_for_without_a_call(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """And again after a failure, and for the confirmation that a set without any known key needs."""
    monkeypatch.setattr(jwks, "FRESH", 0.2)
    monkeypatch.setattr(jwks, "CONFIRM", 0.2)
    cache = KeyCache(world.fetch, ("RS256",))
    world.document = None
    cache.warm()
    try:
        async with asyncio.timeout(30):
            while world.fetches < 2:
                await asyncio.sleep(0.05)
            for kid, key in ("old", OLD), ("new", NEW):
                world.publish(key)
                while {known.kid for known in cache.keys} != {kid}:
                    await asyncio.sleep(0.05)
    finally:
        await cache.close()
    fetches = world.fetches
    await asyncio.sleep(0.5)
    assert world.fetches == fetches


async def test_another_key_behind_a_known_name(world: World) -> None:
    (before,) = await world.cache.find("RS256", "old")
    world.publish(stand_in.rsa_key("old"))
    world.now += 20
    assert await world.cache.look_again()
    (after,) = await world.cache.find("RS256", "old")
    assert before != after
    assert not await world.cache.look_again()


async def test_no_name_is_enough_when_there_is_one_key(world: World) -> None:
    assert await world.has(None)
    world.publish(OLD, NEW)
    world.now += jwks.FRESH + 1
    await world.has("old")
    await world.settle()
    assert not await world.has(None)


async def test_a_hanging_issuer_holds_nobody_up(world: World) -> None:
    await world.has("old")
    world.now += jwks.FRESH + 1
    hang = asyncio.Event()

    async def hanging() -> bytes:
        await hang.wait()
        raise FetchFailed("hung")

    world.cache._fetch = hanging
    async with asyncio.timeout(1):
        for _ in range(100):
            assert await world.has("old")
    await world.cache.close()


async def test_no_keys_yet_is_a_warning_only_when_it_lasts(world: World) -> None:
    """Both services of a pair are started together, and the issuer may be the slower one."""
    said: list[tuple[str, str]] = []
    sink = logger.add(lambda message: said.append((message.record["level"].name, message.record["message"])))
    try:
        world.document = None
        for _ in range(jwks.PATIENCE):
            assert "WARNING" not in {level for level, _ in said}
            with pytest.raises(KeysUnavailable):
                await world.cache.ready()
            world.now += jwks.BACK_OFF_COLD
        world.publish(OLD)
        await world.cache.ready()
        world.now += jwks.STALE_WAIT
        world.document = None
        await world.cache.ready()
    finally:
        logger.remove(sink)
    assert said == [
        ("INFO", "Waiting for the issuer's keys"),
        ("WARNING", "The issuer's keys could not be fetched; no token can be checked"),
        ("INFO", "The issuer's keys are here"),
        ("WARNING", "The issuer's keys could not be fetched; the known keys go on"),
    ]
