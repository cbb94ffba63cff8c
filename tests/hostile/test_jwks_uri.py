"""Row CLA-18: a client's keys lie at an address that it named itself."""

from __future__ import annotations

import json
import secrets
import time

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm
from tests.hostile.internet import REDIRECT, World
from tests.hostile.rows import row
from tests.issuer.fetch.hosts import response
from tests.support import oauth

TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class Machine:
    """A registered client that signs with `keys`, by kid, and publishes what it is told to."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.path = f"/{secrets.token_hex(8)}.json"
        self.keys = {kid: ec.generate_private_key(ec.SECP256R1()) for kid in ("old", "new", "stranger")}
        self.client = oauth.Client.register(
            world.target.client,
            redirect_uris=[REDIRECT],
            token_endpoint_auth_method="private_key_jwt",
            jwks_uri=f"https://client.test{self.path}",
        )

    def publish(self, *kids: str) -> None:
        keys = [{**json.loads(ECAlgorithm.to_jwk(self.keys[kid].public_key())), "kid": kid} for kid in kids]
        self.world.site.pages[self.path] = response({"keys": keys}, headers={"Cache-Control": "max-age=600"})

    def proves(self, signer: str, kid: str | None = None) -> bool:
        """Whether the issuer takes an assertion; the code beside it is nonsense, and looked at afterwards."""
        now = int(time.time()) + int(self.world.clock.read_text())
        claims = {"iss": self.client.id, "sub": self.client.id, "aud": self.world.target.origin, "exp": now + 60}
        headers = {"kid": kid or signer}
        token = jwt.encode({**claims, "jti": secrets.token_hex(8)}, self.keys[signer], "ES256", headers)
        form = {"grant_type": "authorization_code", "code": "x", "redirect_uri": REDIRECT, "code_verifier": "v" * 43}
        answer: httpx.Response = self.world.target.send(
            "POST",
            "/token",
            data={**form, "client_assertion_type": TYPE, "client_assertion": token},
            expect={400, 401},
            error={"invalid_grant", "invalid_client"},
            changes=True,
        )
        return answer.status_code == 400

    def fetches(self) -> int:
        return sum(self.path.encode() in request for request in self.world.site.requests)


@pytest.fixture
def machine(world: World) -> Machine:
    made = Machine(world)
    made.publish("old")
    return made


@row("CLA-18")
def test_a_rotated_key_works_at_first_use_and_the_old_one_no_more(world: World, machine: Machine) -> None:
    assert machine.proves("old")
    machine.publish("new")
    world.later(10)
    assert machine.proves("new")
    assert not machine.proves("old")
    assert machine.fetches() == 2


@row("CLA-18")
def test_unknown_keys_cause_one_fetch_in_ten_seconds(world: World, machine: Machine) -> None:
    assert machine.proves("old")
    world.later(10)
    assert not any(machine.proves("stranger", f"kid-{n}") for n in range(30))
    assert machine.fetches() <= 3
    assert machine.proves("old")


BAD = {
    "500": response(status="500 Oops"),
    "a redirect": response(status="302 Found", headers={"Location": "https://127.0.0.1/"}),
    "30 MB": response(b'{"keys":[' + b" " * 30_000_000 + b"]}"),
    "no keys": response({"keys": []}),
    "not JSON": response(b"<html>"),
}


@row("CLA-18")
@pytest.mark.parametrize("bad", [*BAD, "a private address", "no name", "down"])
def test_an_outage_keeps_the_last_good_keys_for_a_time(world: World, machine: Machine, bad: str) -> None:
    assert machine.proves("old")
    if bad in BAD:
        world.site.pages[machine.path] = BAD[bad]
    elif bad == "down":
        world.routes.clear()
    else:
        world.names["client.test"] = [["10.0.0.1"]] if bad == "a private address" else []
    world.write()
    world.later(1200)
    before = len(world.happened())
    assert machine.proves("old")
    assert not any("10.0.0.1" in line for line in world.happened()[before:] if line.startswith("connect"))
    world.later(3600)
    assert not machine.proves("old"), "the time is bounded"
