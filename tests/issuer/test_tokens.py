"""The mint: what it signs, two libraries that we did not write can verify; what it reads, it has signed."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import re
import warnings
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwk, jwt

from issuer import key_files, keys
from issuer.model import Authorization
from issuer.tokens import ACCESS, ID, Mint

with warnings.catch_warnings(record=True):  # it says that its authors now write joserfc
    from authlib.jose import JsonWebKey, JsonWebToken

ISSUER = "https://issuer.test"
NOW = 1_800_000_000
ALGORITHMS = ("RS256", "ES256", "EdDSA")
pytestmark = pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
MACHINE = Authorization(
    subject="machine", client_id="machine", scope=("a", "b"), audience=("https://r.test/mcp",), family="client"
)
PERSON = dataclasses.replace(
    MACHINE,
    subject="u1",
    scope=("openid", "a"),
    family="fam",
    auth_time=NOW - 50,
    nonce="n1",
    sid="s1",
    refresh_token="mcp_rt_x",
)


@pytest.fixture(scope="module", params=ALGORITHMS)
def mint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Mint:
    return new_mint(tmp_path_factory.mktemp("keys"), request.param)


def new_mint(folder: Path, alg: str, starts_at: int = NOW - 100) -> Mint:
    key_files.make_key(folder, alg, starts_at)
    return Mint(ISSUER, keys.KeyRing(folder, 900, key_files.read_keys(folder)), 900)


def jwks(mint: Mint) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(mint.ring.jwks(NOW))
    return document


def verified(mint: Mint, token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims, after both libraries have verified the signature and agree."""
    alg = mint.ring.signing(NOW).alg
    checked = jwt.decode(token, jwk.KeySet.import_key_set(jwks(mint)), algorithms=[alg])  # type: ignore[arg-type]
    claims = JsonWebToken([alg]).decode(token, JsonWebKey.import_key_set(jwks(mint)))
    assert dict(claims) == checked.claims
    assert claims.header == checked.header
    return checked.header, checked.claims


def test_an_access_token_has_the_shape_of_rfc_9068(mint: Mint):
    response = mint.issue(MACHINE, NOW)
    assert set(response) == {"access_token", "token_type", "expires_in", "scope"}
    assert (response["token_type"], response["expires_in"], response["scope"]) == ("Bearer", 900, "a b")
    header, claims = verified(mint, response["access_token"])
    key = mint.ring.signing(NOW)
    assert header == {"alg": key.alg, "typ": "at+jwt", "kid": key.kid}
    assert re.fullmatch(r"client\.[A-Za-z0-9_-]{22}", claims.pop("jti"))
    assert claims == {
        "iss": ISSUER,
        "sub": "machine",
        "aud": "https://r.test/mcp",
        "client_id": "machine",
        "scope": "a b",
        "iat": NOW,
        "exp": NOW + 900,
    }


def test_two_audiences_are_a_list_and_a_grant_may_set_life_and_claims(mint: Mint):
    both = dataclasses.replace(MACHINE, audience=("x", "y"), lifetime=60, claims={"dev": True})
    response = mint.issue(both, NOW)
    _, claims = verified(mint, response["access_token"])
    assert (claims["aud"], claims["dev"], claims["exp"]) == (["x", "y"], True, NOW + 60)
    assert response["expires_in"] == 60


def test_a_person_who_grants_openid_gets_an_id_token(mint: Mint):
    response = mint.issue(PERSON, NOW)
    assert response["refresh_token"] == "mcp_rt_x"
    header, claims = verified(mint, response["id_token"])
    assert header["typ"] == "JWT"
    # OpenID Connect Core §3.1.3.6, spelled out: the left half of the hash that goes with the algorithm.
    name = {"RS256": "sha256", "ES256": "sha256", "EdDSA": "sha512"}[header["alg"]]
    digest = hashlib.new(name, response["access_token"].encode("ascii")).digest()
    assert claims == {
        "iss": ISSUER,
        "sub": "u1",
        "aud": "machine",
        "iat": NOW,
        "exp": NOW + 900,
        "auth_time": NOW - 50,
        "nonce": "n1",
        "sid": "s1",
        "at_hash": base64.urlsafe_b64encode(digest[: len(digest) // 2]).decode().rstrip("="),
    }


def test_what_is_unknown_of_a_sign_in_is_left_out(mint: Mint):
    _, claims = verified(mint, mint.issue(dataclasses.replace(PERSON, nonce=None, sid=None), NOW)["id_token"])
    assert not {"nonce", "sid"} & set(claims)


@pytest.mark.parametrize("change", [{"auth_time": None}, {"scope": ("a", "profile")}])
def test_no_id_token_without_a_person_or_without_openid(mint: Mint, change: dict[str, Any]):
    assert "id_token" not in mint.issue(dataclasses.replace(PERSON, **change), NOW)


def test_no_two_tokens_are_the_same(mint: Mint):
    assert len({mint.issue(MACHINE, NOW)["access_token"] for _ in range(20)}) == 20


def test_the_mint_reads_its_own_tokens_of_the_right_kind(mint: Mint):
    response = mint.issue(PERSON, NOW)
    access, identity = response["access_token"], response["id_token"]
    assert mint.read(access, ACCESS, NOW) == verified(mint, access)[1]
    assert mint.read(identity, ID, NOW) == verified(mint, identity)[1]
    assert mint.read(access, ID, NOW) is None
    assert mint.read(identity, ACCESS, NOW) is None
    expired = mint.read(access, ACCESS, NOW + 10_000)
    assert expired is not None
    assert expired["exp"] < NOW + 10_000


def test_it_reads_nobody_elses(mint: Mint, tmp_path: Path):
    alg = mint.ring.signing(NOW).alg
    stranger = new_mint(tmp_path, alg)
    assert mint.read(stranger.issue(MACHINE, NOW)["access_token"], ACCESS, NOW) is None
    # The same key under another name of the issuer, as after a move.
    renamed = dataclasses.replace(mint, issuer=ISSUER + "/old")
    assert mint.read(renamed.issue(MACHINE, NOW)["access_token"], ACCESS, NOW) is None


@given(st.integers(0, 2000))
def test_a_changed_character_is_noticed(mint: Mint, place: int):
    token = mint.issue(MACHINE, NOW)["access_token"]
    place %= len(token)
    changed = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
    assert mint.read(token, ACCESS, NOW) is not None
    assert mint.read(changed, ACCESS, NOW) is None


@pytest.mark.parametrize("token", ["", "a.b.c", "x" * 20_000, "mcp_rt_abc", "eyJhbGciOiJub25lIn0.e30.AA", "\u00e9"])
def test_what_is_no_token_is_read_as_none(mint: Mint, token: str):
    assert mint.read(token, ACCESS, NOW) is None


def test_a_token_outlives_the_rotation_of_its_key_and_no_longer(tmp_path: Path):
    key_files.make_key(tmp_path, "ES256", NOW - 100)
    key_files.make_key(tmp_path, "RS256", NOW + 10)
    mint = Mint(ISSUER, keys.KeyRing(tmp_path, 900, key_files.read_keys(tmp_path)), 900)
    token = mint.issue(MACHINE, NOW + 9)["access_token"]
    assert mint.ring.signing(NOW + 10).alg == "RS256"
    assert mint.read(token, ACCESS, NOW + 9 + 900) is not None
    assert mint.read(token, ACCESS, NOW + 10 + 900 + keys.SKEW + 1) is None
