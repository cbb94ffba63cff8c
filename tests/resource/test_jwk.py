"""Which keys of a JWK Set may verify: what libraries accept is judged again (RFC 7517 §4.2-§4.4, RFC 8725 §3.5)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from joserfc.jwk import ECKey, OctKey
from tests.resource import stand_in

from resource_server.jwk import NoUsableKey, parse_set

ALL = ("RS256", "ES256", "EdDSA")
RSA, EC, ED = stand_in.rsa_key(), stand_in.ec_key(), stand_in.ed_key()
GOOD = stand_in.public(RSA)


def parse(*keys: Any, algorithms: tuple[str, ...] = ALL) -> list[tuple[str, str]]:
    return [(key.kid, key.alg) for key in parse_set(json.dumps({"keys": keys}).encode(), algorithms)]


def test_keys_of_every_kind() -> None:
    found = parse(GOOD, stand_in.public(EC), stand_in.public(ED))
    assert found == [("k1", "RS256"), ("ec1", "ES256"), ("ed1", "EdDSA")]


def test_what_a_key_does_not_say_of_itself_follows_from_its_type() -> None:
    assert parse(stand_in.public(EC, alg=None, use=None)) == [("ec1", "ES256")]
    assert parse({**GOOD, "key_ops": ["verify"]}) == [("k1", "RS256")]


def hostile() -> dict[str, Any]:
    with pytest.warns():
        small = stand_in.public(stand_in.rsa_key("small", 1024))
    other_curve = stand_in.public(ECKey.generate_key("P-384", {"kid": "p384"}))
    return {
        "for encryption": {**GOOD, "use": "enc"},
        "for other operations": {**GOOD, "key_ops": ["encrypt"]},
        "operations that are no list": {**GOOD, "key_ops": "verify"},
        "of another algorithm": {**GOOD, "alg": "RS512"},
        "of an encryption algorithm": {**GOOD, "alg": "RSA-OAEP"},
        "an algorithm that is no text": {**GOOD, "alg": ["RS256"]},
        "an algorithm of another type": {**GOOD, "alg": "ES256"},
        "without a name": {k: v for k, v in GOOD.items() if k != "kid"},
        "a name that is no text": {**GOOD, "kid": 1},
        "too small": small,
        "too large": {**GOOD, "n": "_" * 4000},
        "exponent one": {**GOOD, "e": "AQ"},
        "another curve": other_curve,
        "another curve, said to be ES256": {**other_curve, "alg": "ES256"},
        "private": RSA.as_dict(private=True),
        "symmetric": OctKey.generate_key(256, {"kid": "o"}).as_dict(private=True),
        "symmetric, said to be RS256": {"kty": "oct", "k": "AAAA", "kid": "k1", "alg": "RS256"},
        "not on the curve": {**stand_in.public(EC), "x": "A" * 43},
        "broken base64": {**GOOD, "n": "!!"},
        "no modulus": {"kty": "RSA", "kid": "k1", "e": "AQAB"},
        "a modulus that is no text": {**GOOD, "n": 5},
        "no type": {k: v for k, v in GOOD.items() if k != "kty"},
        "a type that is no text": {**GOOD, "kty": {}},
        "text": "key",
        "nothing": None,
    }


HOSTILE = hostile()


@pytest.mark.parametrize("key", HOSTILE.values(), ids=HOSTILE)
def test_passed_over(key: Any) -> None:
    with pytest.raises(NoUsableKey):
        parse(key)
    assert parse(key, {**GOOD, "kid": "good"}) == [("good", "RS256")]


DOCUMENTS = (b"", b"null", b"[]", b"{}", b'{"keys":[]}', b'{"keys":{}}', b"<html>", b'{"keys":[', b"\xff", b"[" * 9999)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_documents_that_are_no_key_set(document: bytes) -> None:
    with pytest.raises(NoUsableKey):
        parse_set(document, ALL)


def test_more_keys_than_an_issuer_has() -> None:
    with pytest.raises(NoUsableKey):
        parse(*[{**GOOD, "kid": f"k{number}"} for number in range(101)])


def test_only_configured_algorithms() -> None:
    assert parse(GOOD, stand_in.public(EC), algorithms=("ES256",)) == [("ec1", "ES256")]
