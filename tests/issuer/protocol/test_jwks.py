"""Public keys of others (RFC 7517): what is taken, and what would be a hole (RFC 8725)."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from issuer.errors import InvalidClientMetadata
from issuer.protocol.jwks import algorithm, check_public_jwks, load

RSA = RSAKey.generate_key(2048).as_dict(private=True)
EC = ECKey.generate_key("P-256").as_dict(private=True)
OKP = OKPKey.generate_key("Ed25519").as_dict(private=True)
PRIVATE = ("d", "p", "q", "dp", "dq", "qi", "oth", "k")


def public(key: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in key.items() if name not in PRIVATE}


def refused(*keys: object) -> InvalidClientMetadata:
    with pytest.raises(InvalidClientMetadata) as refusal:
        check_public_jwks({"keys": list(keys)})
    return refusal.value


@pytest.mark.parametrize(("key", "alg"), [(RSA, "RS256"), (EC, "ES256"), (OKP, "EdDSA")])
def test_the_three_kinds_are_taken_with_public_members_alone(key: dict[str, Any], alg: str):
    sent = {**public(key), "kid": "k1", "use": "sig", "alg": alg, "key_ops": ["verify"]}
    assert check_public_jwks({"keys": [{**sent, "x5u": "http://169.254.169.254/", "note": "x"}]}) == {"keys": [sent]}
    assert algorithm(load(sent)) == alg


@pytest.mark.parametrize("key", [RSA, EC, OKP])
@pytest.mark.parametrize("name", PRIVATE)
def test_a_private_member_is_refused_and_not_repeated(key: dict[str, Any], name: str):
    value = str(key.get(name, "c2VjcmV0LXZhbHVl"))
    assert value not in refused({**public(key), name: value}).description


@pytest.mark.filterwarnings("ignore:Key size")
def test_what_is_no_key_for_signatures():
    small = RSAKey.generate_key(1024).as_dict(private=False)
    keys: tuple[object, ...] = (
        OctKey.generate_key(256).as_dict(private=True),
        small,
        ECKey.generate_key("P-384").as_dict(private=False),
        ECKey.generate_key("secp256k1").as_dict(private=False),
        OKPKey.generate_key("X25519").as_dict(private=False),
        OKPKey.generate_key("Ed448").as_dict(private=False),
        {**public(RSA), "use": "enc"},
        {**public(RSA), "key_ops": ["encrypt"]},
        {**public(RSA), "key_ops": []},
        {**public(RSA), "key_ops": "verify"},
        {**public(RSA), "alg": "ES256"},
        {**public(RSA), "alg": "RS512"},
        {**public(RSA), "alg": "none"},
        {**public(EC), "kty": "RSA"},
        {**public(EC), "crv": "P-384"},
        {**public(EC), "y": public(EC)["x"]},  # not on the curve
        {**public(RSA), "e": "AQ"},
        {**public(RSA), "e": "Ag"},
        {**public(RSA), "n": "AA"},
        {**public(RSA), "kid": "x" * 257},
        {"kty": "RSA"},
        {},
        [],
        None,
    )
    for key in keys:
        refused(key)


names = st.sampled_from(["kty", "kid", "use", "key_ops", "alg", "n", "e", "crv", "x", "y"])
odd = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.lists(st.text(max_size=6))


@given(st.sampled_from([RSA, EC, OKP]), names, odd | st.dictionaries(st.text(max_size=3), odd, max_size=2))
def test_any_member_is_a_key_or_the_one_error(key: dict[str, Any], name: str, value: object):
    sent = {**public(key), name: value}
    try:
        taken = check_public_jwks({"keys": [sent]})["keys"][0]
    except InvalidClientMetadata:
        return
    assert {name: sent[name] for name in taken} == taken
    assert algorithm(load(taken)) in ("RS256", "ES256", "EdDSA")


@pytest.mark.parametrize("jwks", [None, [], "x", {}, {"keys": {}}, {"keys": []}, {"keys": [public(EC)] * 21}])
def test_a_set_is_an_object_with_a_list_of_keys(jwks: object):
    with pytest.raises(InvalidClientMetadata, match="1 to 20"):
        check_public_jwks(jwks)


def test_a_kid_names_one_key():
    assert "same kid" in refused({**public(EC), "kid": "a"}, {**public(RSA), "kid": "a"}).description


def test_rsa_keys_have_a_largest_size():
    """No key pair is made for this: the modulus alone is what is looked at."""

    def key(bits: int) -> dict[str, Any]:
        modulus = (1 << (bits - 1)) + 1
        n = base64.urlsafe_b64encode(modulus.to_bytes(bits // 8, "big")).rstrip(b"=").decode()
        return {"kty": "RSA", "n": n, "e": "AQAB"}

    assert check_public_jwks({"keys": [key(8192)]})["keys"]
    for bits in (8200, 16384, 100_000):
        with pytest.raises(InvalidClientMetadata):
            check_public_jwks({"keys": [key(bits)]})


SMALL_ORDER = [
    "00" * 32,
    "01" + "00" * 31,
    "01" + "00" * 30 + "80",
    "ec" + "ff" * 30 + "7f",
    "ed" + "ff" * 30 + "7f",
    "ee" + "ff" * 30 + "ff",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
]


@pytest.mark.parametrize("point", SMALL_ORDER)
def test_a_point_that_anybody_can_sign_for_is_no_key(point: str):
    """The points of order 8 and less, in each of their spellings."""
    x = base64.urlsafe_b64encode(bytes.fromhex(point)).rstrip(b"=").decode()
    with pytest.raises(InvalidClientMetadata):
        check_public_jwks({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": x}]})
