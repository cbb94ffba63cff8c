"""Client credentials (OAuth 2.1 §4.2): a machine gets what it is registered for, no refresh token, no person."""

from __future__ import annotations

from typing import Any

import pytest
from tests.issuer.grants.conftest import NOW, ONE, TWO, World

from issuer.errors import OAuthError
from issuer.grants import client_credentials
from issuer.grants.registry import GRANTS
from issuer.model import Authorization, Client
from issuer.protocol.client_metadata import OPEN_TO_ANYONE


def machine(**changes: Any) -> Client:
    usual: dict[str, Any] = {
        "grant_types": ("client_credentials",),
        "auth_method": "client_secret_basic",
        "scope": ("a", "b"),
        "resources": (ONE,),
    }
    return Client(id="m1", origin="operator", created_at=NOW, **{**usual, **changes})


def authorize(world: World, client: Client, **parameters: Any) -> Authorization:
    request = world.request(client, **parameters)
    return world.db.run(lambda tx: client_credentials.authorize(request, tx))


def test_a_machine_speaks_for_itself(world: World):
    assert authorize(world, machine()) == Authorization(
        subject="m1", client_id="m1", scope=("a", "b"), audience=(ONE,), family="client"
    )


def test_it_gets_what_it_is_registered_for_and_no_more(world: World):
    assert authorize(world, machine(), scope="b").scope == ("b",)
    assert authorize(world, machine(), scope="b admin").scope == ("b",)
    both = machine(resources=())
    assert authorize(world, both, resource=(TWO, ONE)).audience == ("urn:two", ONE)


@pytest.mark.parametrize(
    ("client", "asked", "code"),
    [
        (machine(), {"scope": "admin"}, "invalid_scope"),
        (machine(scope=()), {}, "invalid_scope"),
        (machine(), {"resource": TWO}, "invalid_target"),
        (machine(), {"resource": "https://three.test"}, "invalid_target"),
        (machine(resources=()), {}, "invalid_target"),
        (machine(resources=("https://gone.test",)), {}, "invalid_target"),
    ],
)
def test_what_it_is_refused(world: World, client: Client, asked: dict[str, str], code: str):
    with pytest.raises(OAuthError) as refused:
        authorize(world, client, **asked)
    assert refused.value.code == code


def test_the_registry_is_what_may_be_asked_for():
    assert set(GRANTS) == {"authorization_code", "refresh_token", "client_credentials"}
    assert set(OPEN_TO_ANYONE) == {"authorization_code", "refresh_token"}
