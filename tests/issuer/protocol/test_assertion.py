"""Client assertions (RFC 7523): made by a library we did not write, and every way in which one can be wrong."""

from __future__ import annotations

import base64
import hmac
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey
from tests.requirements import requirement

from issuer.errors import InvalidClient
from issuer.protocol import assertion

ISSUER = "https://issuer.test"
NOW = 1_800_000_000
KEYS: dict[str, Any] = {
    "RS256": RSAKey.generate_key(2048),
    "ES256": ECKey.generate_key("P-256"),
    "EdDSA": OKPKey.generate_key("Ed25519"),
}
pytestmark = pytest.mark.filterwarnings("ignore:EdDSA is deprecated")


def sign(alg: str = "ES256", /, header: dict[str, Any] | None = None, key: Any = None, **claims: Any) -> str:
    usual = {"iss": "c1", "sub": "c1", "aud": ISSUER, "jti": "j1", "exp": NOW + 60, "iat": NOW}
    content = {name: value for name, value in {**usual, **claims}.items() if value is not ...}
    return jwt.encode({"alg": alg, **(header or {})}, content, key or KEYS[alg], algorithms=[alg])


def read(token: str, now: int = NOW) -> assertion.Assertion:
    return assertion.read(token, {ISSUER}, now)


def public(alg: str, **members: Any) -> dict[str, Any]:
    return {**KEYS[alg].as_dict(private=False), **members}


@pytest.mark.parametrize("alg", KEYS)
def test_an_assertion_is_read_and_its_signature_holds(alg: str):
    presented = read(sign(alg, {"kid": "k1"}))
    assert (presented.client_id, presented.jti, presented.expires_at) == ("c1", "j1", NOW + 60)
    assert (presented.kid, presented.alg) == ("k1", alg)
    assert assertion.verify(presented, [public(alg, kid="k1")])
    assert assertion.verify(presented, [public(alg)])
    assert not assertion.verify(presented, [public(alg, kid="k2")])
    assert not assertion.verify(presented, [])


@pytest.mark.parametrize("alg", KEYS)
def test_the_key_of_another_kind_or_another_client_does_not_fit(alg: str):
    others = [public(other) for other in KEYS if other != alg]
    stranger = type(KEYS[alg]).generate_key(*{"RS256": (2048,), "ES256": ("P-256",), "EdDSA": ("Ed25519",)}[alg])
    assert not assertion.verify(read(sign(alg)), others)
    assert not assertion.verify(read(sign(alg, key=stranger)), [public(alg)])
    assert assertion.verify(read(sign(alg)), [*others, {"kty": "oct", "k": "AA"}, {}, public(alg)])


@given(st.integers(0, 500), st.sampled_from(sorted(KEYS)))
def test_a_changed_character_is_noticed(place: int, alg: str):
    token = sign(alg)
    place %= len(token)
    changed = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
    try:
        presented = read(changed)
    except InvalidClient:
        return
    assert not assertion.verify(presented, [public(alg)])


@requirement("rfc7523-3")
@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "c2"},
        {"iss": ...},
        {"sub": ...},
        {"iss": "", "sub": ""},
        {"iss": 1, "sub": 1},
        {"iss": "a\0b", "sub": "a\0b"},
        {"iss": "c" * 2049, "sub": "c" * 2049},
        {"jti": ...},
        {"jti": ""},
        {"jti": 1},
        {"jti": "j" * 257},
        {"jti": "a\0"},
        {"aud": ...},
        {"aud": None},
        {"aud": ISSUER + "/"},
        {"aud": ISSUER + "/token"},
        {"aud": ISSUER.upper()},
        {"aud": []},
        {"aud": [ISSUER, "https://other.test"]},
        {"aud": [[ISSUER]]},
        {"aud": {"a": ISSUER}},
        {"exp": ...},
        {"exp": None},
        {"exp": str(NOW + 60)},
        {"exp": NOW + 60.5},
        {"exp": True},
        {"exp": NOW - 30},
        {"exp": NOW + 3631},
        {"exp": 10**39},
        {"nbf": NOW + 31},
        {"nbf": "x"},
        {"iat": NOW + 31},
        {"iat": None},
        {"iat": [NOW]},
    ],
)
def test_claims_that_make_no_assertion(claims: dict[str, Any]):
    with pytest.raises(InvalidClient) as refusal:
        read(sign(**claims))
    assert "c1" not in refusal.value.description.split()


@pytest.mark.parametrize("claims", [{"exp": NOW - 29}, {"nbf": NOW + 30}, {"iat": NOW + 30}, {"exp": NOW + 3630}])
def test_thirty_seconds_of_difference_are_forgiven(claims: dict[str, Any]):
    assert read(sign(**claims)).client_id == "c1"


def test_the_sole_audience_may_stand_in_a_list_and_iat_may_be_absent():
    assert read(sign(aud=[ISSUER], iat=...)).jti == "j1"


@pytest.mark.parametrize(
    ("header", "fine"),
    [
        ({"typ": "JWT"}, True),
        ({"typ": "jwt"}, True),
        ({"typ": "client-authentication+jwt"}, True),
        ({"typ": "at+jwt"}, False),
        ({"typ": "logout+jwt"}, False),
        ({"typ": "dpop+jwt"}, False),
        ({"kid": "k" * 256}, True),
        ({"kid": "k" * 257}, False),
    ],
)
def test_headers(header: dict[str, Any], fine: bool):
    token = sign(header=header)
    if fine:
        assert assertion.verify(read(token), [public("ES256")])
    else:
        with pytest.raises(InvalidClient):
            read(token)


def test_no_symmetric_and_no_absent_signature():
    """The public key as an HMAC secret, and alg none: RFC 8725 §2.1."""
    _, claims, _ = sign().split(".")
    forged = encode(b'{"alg":"HS256"}') + "." + claims
    mac = hmac.digest(KEYS["RS256"].as_pem(private=False), forged.encode(), "sha256")
    none = encode(b'{"alg":"none"}') + "." + claims
    for token in (f"{forged}.{encode(mac)}", f"{none}.", f"{none}.AA", "", "a.b.c", "\u00e9"):
        with pytest.raises(InvalidClient):
            read(token)


@pytest.mark.parametrize(
    "header", [b'"crit":["b64"],"b64":false', b'"crit":[]', b'"b64":true', b'"kid":1', b'"typ":[]']
)
def test_extensions_that_we_do_not_know_are_not_ignored(header: bytes):
    _, claims, signature = sign().split(".")
    with pytest.raises(InvalidClient):
        read(".".join((encode(b'{"alg":"ES256",' + header + b"}"), claims, signature)))


def encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
