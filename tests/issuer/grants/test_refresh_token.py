"""Refresh tokens (OAuth 2.1 §4.3): rotated at every use; a lost answer may be asked for again, a theft may not."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from tests.issuer.grants.conftest import NOW, ONE, TWO, World

from issuer.protocol import secret


def test_every_use_brings_another_token_of_the_same_family(world: World):
    granted = world.redeem(world.code())
    seen = [granted.refresh_token or ""]
    for _ in range(4):
        world.now += 100
        refreshed = world.refresh(seen[-1])
        assert refreshed.family == granted.family
        assert (refreshed.subject, refreshed.scope, refreshed.audience) == ("u1", granted.scope, granted.audience)
        assert (refreshed.auth_time, refreshed.sid, refreshed.nonce) == (NOW - 5, "s1", None)
        seen.append(refreshed.refresh_token or "")
    assert len(set(seen)) == 5
    assert all(token.startswith(secret.REFRESH) for token in seen)
    family = world.db.run(lambda tx: tx.families.get(granted.family))
    assert family is not None
    assert (family.created_at, family.last_used_at) == (NOW, NOW + 400)


@pytest.mark.parametrize("later", [0, 1, 59, 60])
def test_an_honest_retry_gets_the_same_successor(world: World, later: int):
    """Every call opens the database anew, so this holds across a restart and on another replica."""
    token = world.first_refresh_token()
    following = world.next_of(token)
    world.now += later
    assert world.next_of(token) == following
    assert world.next_of(token) == following
    assert world.next_of(following) not in (token, following)


@pytest.mark.parametrize("later", [61, 900])
def test_after_a_minute_it_is_theft(world: World, later: int):
    granted = world.redeem(world.code())
    following = world.next_of(granted.refresh_token or "")
    world.now += later
    world.refresh_refused(granted.refresh_token or "")
    assert world.revoked(granted.family)
    assert world.refresh_refused(following) == "invalid_grant"


def test_once_the_successor_is_used_it_is_theft(world: World):
    granted = world.redeem(world.code())
    second = world.next_of(granted.refresh_token or "")
    third = world.next_of(second)
    assert world.refresh_refused(granted.refresh_token or "") == "invalid_grant"
    assert world.revoked(granted.family)
    for token in (second, third):
        assert world.refresh_refused(token) == "invalid_grant"


def test_a_retry_of_the_successor_is_still_honest(world: World):
    first = world.first_refresh_token()
    second = world.next_of(first)
    third = world.next_of(second)
    assert world.next_of(second) == third


def test_a_retry_may_be_for_less_and_never_for_more(world: World):
    token = world.first_refresh_token()
    following = world.next_of(token)
    assert world.refresh(token, scope="a").refresh_token == following
    assert world.refresh(token, resource=ONE).audience == (ONE,)
    assert world.refresh_refused(token, scope="a admin") == "invalid_scope"
    assert world.next_of(token) == following


def test_the_salt_of_a_successor_goes_with_its_use(world: World):
    token = world.first_refresh_token()
    following = world.next_of(token)
    spent = world.db.run(lambda tx: tx.refresh_tokens.get(secret.digest(token)))
    assert spent is not None
    assert spent.salt is not None
    assert secret.successor(token, spent.salt) == following
    world.next_of(following)
    spent = world.db.run(lambda tx: tx.refresh_tokens.get(secret.digest(token)))
    assert spent is not None
    assert spent.salt is None


def test_the_sweep_takes_the_salt_when_the_minute_is_over(world: World):
    token = world.first_refresh_token()
    world.next_of(token)
    for later, kept in ((60, True), (61, False)):
        world.db.sweep(NOW + later)
        spent = world.db.run(lambda tx: tx.refresh_tokens.get(secret.digest(token)))
        assert spent is not None
        assert (spent.salt is not None) == kept


@pytest.mark.parametrize("back", [30, 60])
def test_a_clock_that_was_set_back_a_little_keeps_the_retry_honest(world: World, back: int):
    token = world.first_refresh_token()
    following = world.next_of(token)
    world.now -= back
    assert world.next_of(token) == following


def test_a_clock_that_was_set_back_far_does_not_lengthen_the_minute(world: World):
    granted = world.redeem(world.code())
    world.next_of(granted.refresh_token or "")
    world.now -= 3600
    assert world.refresh_refused(granted.refresh_token or "") == "invalid_grant"
    assert world.revoked(granted.family)


def test_a_token_ends_unused_and_a_grant_ends_however_used(world: World):
    """refresh_idle is 1000 s and refresh_total 5000 s in this world."""
    idle = world.first_refresh_token()
    used = world.first_refresh_token()
    for _ in range(5):
        world.now += 999
        used = world.next_of(used)
    assert world.refresh_refused(idle) == "invalid_grant"
    world.now = NOW + 4999
    used = world.next_of(used)
    world.now = NOW + 5000
    assert world.refresh_refused(used) == "invalid_grant"


def test_an_expired_token_is_no_theft(world: World):
    granted = world.redeem(world.code())
    world.now += 1000
    assert world.refresh_refused(granted.refresh_token or "") == "invalid_grant"
    assert not world.revoked(granted.family)


def test_another_client_learns_nothing_and_spoils_nothing(world: World):
    granted = world.redeem(world.code())
    token = granted.refresh_token or ""
    assert world.refresh_refused(token, world.other) == "invalid_grant"
    following = world.next_of(token)
    assert world.refresh_refused(token, world.other) == "invalid_grant"
    world.now += 3600
    assert world.refresh_refused(token, world.other) == "invalid_grant"
    assert not world.revoked(granted.family)
    world.now = NOW
    assert world.next_of(following)


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"scope": "a admin"}, "invalid_scope"),
    ({"scope": 'a"'}, "invalid_scope"),
    ({"resource": "https://three.test"}, "invalid_target"),
    ({"resource": ("https://three.test", ONE)}, "invalid_target"),
]


@pytest.mark.parametrize(("asked", "code"), REFUSED)
def test_what_is_refused_does_not_rotate(world: World, asked: dict[str, Any], code: str):
    token = world.first_refresh_token()
    assert world.refresh_refused(token, **asked) == code
    spent = world.db.run(lambda tx: tx.refresh_tokens.get(secret.digest(token)))
    assert spent is not None
    assert spent.spent_at is None
    assert world.next_of(token)


def test_less_may_be_asked_and_the_grant_stays_whole(world: World):
    token = world.first_refresh_token()
    less = world.refresh(token, scope="b", resource=TWO)
    assert (less.scope, less.audience) == (("b",), ("urn:two",))
    assert world.refresh(less.refresh_token or "").scope == ("openid", "a", "b")


def test_a_grant_for_one_resource_gets_no_token_for_another(world: World):
    token = world.first_refresh_token(resources=(ONE,))
    assert world.refresh_refused(token, resource=TWO) == "invalid_target"
    assert world.refresh(token).audience == (ONE,)


def test_a_person_who_is_gone_refreshes_nothing(world: World):
    token = world.first_refresh_token()
    user = world.db.run(lambda tx: tx.users.get("u1"))
    assert user is not None
    world.db.run(lambda tx: tx.users.put(dataclasses.replace(user, disabled=True)))
    assert world.refresh_refused(token) == "invalid_grant"
    world.db.run(lambda tx: tx.users.remove("u1"))
    assert world.refresh_refused(token) == "invalid_grant"


@pytest.mark.parametrize("token", ["x", "mcp_rt_" + "A" * 43, "x" * 10_000, "\u00e9", "' OR 1=1 --"])
def test_what_is_no_refresh_token(world: World, token: str):
    assert world.refresh_refused(token) == "invalid_grant"
    assert world.refresh_refused(world.code()) == "invalid_grant"
