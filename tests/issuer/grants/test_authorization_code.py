"""Codes (OAuth 2.1 §4.1.3): redeemed once, by their client, in time, and an honest mistake costs nothing."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from tests.issuer.grants.conftest import NOW, ONE, REDIRECT_URI, TWO, World

from issuer.model import Authorization
from issuer.protocol import secret


def test_a_code_becomes_what_was_granted(world: World):
    granted = world.redeem(world.code())
    assert granted == Authorization(
        subject="u1",
        client_id="c1",
        scope=("openid", "a", "b"),
        audience=(ONE, "urn:two"),
        family=granted.family,
        refresh_token=granted.refresh_token,
        auth_time=NOW - 5,
        nonce="n1",
        sid="s1",
    )
    family = world.db.run(lambda tx: tx.families.get(granted.family))
    assert family is not None
    assert (family.client_id, family.subject, family.scope) == ("c1", "u1", ("openid", "a", "b"))
    assert (family.created_at, family.expires_at, family.revoked_at) == (NOW, NOW + 5000, None)
    assert granted.refresh_token is not None
    assert granted.refresh_token.startswith(secret.REFRESH)


def test_only_hashes_are_at_rest(world: World):
    code = world.code()
    token = world.redeem(code).refresh_token
    assert token is not None
    with open(world.db.path, "rb") as database:
        content = database.read()
    assert secret.digest(code).encode() in content
    for plain in (code, token, code.removeprefix(secret.CODE), token.removeprefix(secret.REFRESH)):
        assert plain.encode() not in content


def test_a_client_that_cannot_use_a_refresh_token_gets_none(world: World):
    plain = dataclasses.replace(world.client, grant_types=("authorization_code",))
    assert world.redeem(world.code(), plain).refresh_token is None
    assert world.redeem(world.code(scope=("a", "offline_access")), plain).refresh_token is not None


def test_a_code_lives_until_its_moment(world: World):
    in_time, late = world.code(), world.code()
    world.now += 59
    world.redeem(in_time)
    world.now += 1
    assert world.redemption_refused(late) == "invalid_grant"


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"code_verifier": "x" * 43}, "invalid_grant"),
    ({"code_verifier": "short"}, "invalid_grant"),
    ({"code_verifier": None}, "invalid_request"),
    ({"redirect_uri": None}, "invalid_request"),
    ({"redirect_uri": REDIRECT_URI + "/"}, "invalid_grant"),
    ({"redirect_uri": REDIRECT_URI.replace("3000", "3001")}, "invalid_grant"),
    ({"resource": "https://three.test"}, "invalid_target"),
]


@pytest.mark.parametrize(("mistake", "code"), WRONG)
def test_a_mistake_can_be_made_good_with_the_same_code(world: World, mistake: dict[str, Any], code: str):
    granted = world.code()
    for _ in range(4):
        assert world.redemption_refused(granted, **mistake) == code
    assert world.redeem(granted).subject == "u1"


@pytest.mark.parametrize(("mistake", "code"), WRONG)
def test_the_fifth_mistake_ends_the_code(world: World, mistake: dict[str, Any], code: str):
    granted = world.code()
    for _ in range(5):
        assert world.redemption_refused(granted, **mistake) == code
    assert world.redemption_refused(granted) == "invalid_grant"


def test_another_client_learns_nothing_and_spoils_nothing(world: World):
    granted = world.code()
    for _ in range(6):
        assert world.redemption_refused(granted, world.other) == "invalid_grant"
    assert world.redeem(granted).client_id == "c1"


def test_a_code_that_comes_again_with_everything_right_ends_its_family(world: World):
    code = world.code()
    first = world.redeem(code)
    assert world.redemption_refused(code) == "invalid_grant"
    assert world.revoked(first.family)
    assert first.refresh_token is not None
    assert world.refresh_refused(first.refresh_token) == "invalid_grant"


def test_a_replay_long_after_the_code_expired_counts_too(world: World):
    code = world.code()
    first = world.redeem(code)
    world.now += 3600
    assert world.redemption_refused(code) == "invalid_grant"
    assert world.revoked(first.family)


@pytest.mark.parametrize(("mistake", "code"), WRONG)
def test_a_leaked_code_is_no_kill_switch(world: World, mistake: dict[str, Any], code: str):
    """Whoever has the spent code alone, without its verifier or client, ends nobody's grant."""
    granted = world.code()
    first = world.redeem(granted)
    for _ in range(6):
        assert world.redemption_refused(granted, **mistake) == code
        assert world.redemption_refused(granted, world.other) == "invalid_grant"
    assert not world.revoked(first.family)
    assert world.next_of(first.refresh_token or "")


def test_a_person_who_is_gone_grants_nothing(world: World):
    disabled, removed = world.code(), world.code()
    user = world.db.run(lambda tx: tx.users.get("u1"))
    assert user is not None
    world.db.run(lambda tx: tx.users.put(dataclasses.replace(user, disabled=True)))
    assert world.redemption_refused(disabled) == "invalid_grant"
    world.db.run(lambda tx: tx.users.put(user))
    world.db.run(lambda tx: tx.users.remove("u1"))
    assert world.redemption_refused(removed) == "invalid_grant"


def test_a_token_may_be_for_part_of_the_resources(world: World):
    assert world.redeem(world.code(), resource=TWO).audience == ("urn:two",)
    assert world.redeem(world.code(), resource=(ONE, TWO, ONE)).audience == (ONE, "urn:two")
    assert world.redemption_refused(world.code(resources=(ONE,)), resource=TWO) == "invalid_target"


def test_a_scope_parameter_changes_nothing(world: World):
    assert world.redeem(world.code(), scope="a b c admin").scope == ("openid", "a", "b")


@pytest.mark.parametrize(
    "code", ["x", "mcp_ac_", "mcp_ac_" + "A" * 43, "x" * 10_000, "'; DROP TABLE codes; --", "\u00e9"]
)
def test_what_is_no_code(world: World, code: str):
    assert world.redemption_refused(code) == "invalid_grant"
    granted = world.code()
    assert world.redemption_refused(granted[:-1]) == "invalid_grant"
    assert world.redemption_refused(granted + "A") == "invalid_grant"


def test_a_missing_code_is_a_bad_request(world: World):
    assert world.redemption_refused("") == "invalid_request"
