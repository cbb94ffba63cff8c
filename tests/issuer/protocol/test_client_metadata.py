"""Client metadata (RFC 7591 §2): what a client may say of itself, and what it is told was registered."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import ECKey

from issuer.errors import InvalidClientMetadata, InvalidRedirectUri
from issuer.model import Client, Origin
from issuer.protocol import client_metadata

ANYONE = frozenset({"authorization_code", "refresh_token"})
OPERATOR = ANYONE | {"client_credentials"}
LEAST: dict[str, Any] = {"redirect_uris": ["https://app.test/cb"]}
JWKS = {"keys": [ECKey.generate_key("P-256").as_dict(private=False)]}


def read(grants: frozenset[str] = ANYONE, origin: Origin = "dynamic", /, **document: Any) -> Client:
    return client_metadata.read({**LEAST, **document}, id="c", origin=origin, now=7, grants=grants)


def test_what_is_absent_gets_the_defaults_of_the_rfc():
    client = read()
    assert client == Client(
        id="c",
        origin="dynamic",
        created_at=7,
        redirect_uris=("https://app.test/cb",),
        grant_types=("authorization_code",),
        response_types=("code",),
        auth_method="client_secret_basic",
    )
    assert client_metadata.describe(client) == {
        "client_id": "c",
        "client_id_issued_at": 7,
        "redirect_uris": ["https://app.test/cb"],
        "grant_types": ["authorization_code"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "client_secret_basic",
    }


OPTIONAL = (
    *("client_name", "scope", "grant_types", "response_types", "token_endpoint_auth_method", "application_type"),
    *("jwks", "jwks_uri", "client_uri", "logo_uri", "tos_uri", "policy_uri", "tos_uri#fr", "contacts"),
    *("software_id", "software_version", "post_logout_redirect_uris"),
)


@pytest.mark.parametrize("name", OPTIONAL)
def test_null_and_the_empty_string_are_absent(name: str):
    assert read(**{name: None}) == read(**{name: ""}) == read()


FULL = {
    "redirect_uris": ["https://app.test/cb", "http://127.0.0.1/cb"],
    "grant_types": ["authorization_code", "refresh_token"],
    "response_types": ["code"],
    "token_endpoint_auth_method": "private_key_jwt",
    "client_name": "Prüfling 1",
    "scope": "a b",
    "application_type": "native",
    "jwks": JWKS,
    "client_uri": "https://app.test",
    "logo_uri": "https://app.test/logo.png",
    "tos_uri": "https://app.test/tos",
    "policy_uri": "https://app.test/policy",
    "contacts": ["a@app.test"],
    "software_id": "s",
    "software_version": "1.0",
    "post_logout_redirect_uris": ["https://app.test/bye"],
}


def test_everything_that_was_registered_is_told():
    described = client_metadata.describe(read(**FULL))
    assert described == {"client_id": "c", "client_id_issued_at": 7, **FULL}
    assert read(**described) == read(**FULL)


def test_what_nobody_knows_is_forgotten():
    strange = {
        "__proto__": 1,
        "constructor": 1,
        "__class__": 1,
        "is_admin": True,
        "client_id": "chosen",
        "client_secret": "chosen",
        "registration_access_token": "x",
        "request_uris": ["http://169.254.169.254/"],
        "sector_identifier_uri": "http://169.254.169.254/",
        "software_statement": "x",
        "created_at": 1,
    }
    assert read(**strange) == read()


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | st.just("https://["),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from([*OPTIONAL, *LEAST]), anything, max_size=3))
def test_any_document_is_a_client_or_one_of_the_two_errors(document: dict[str, Any]):
    try:
        client = read(**document)
    except (InvalidClientMetadata, InvalidRedirectUri):
        return
    described = client_metadata.describe(client)
    assert None not in described.values()
    assert "" not in described.values()
    assert read(**described) == client


@pytest.mark.parametrize(
    "document",
    [
        {"grant_types": ["implicit"]},
        {"grant_types": ["password"]},
        {"grant_types": ["authorization_code", "urn:ietf:params:oauth:grant-type:jwt-bearer"]},
        {"grant_types": ["client_credentials"]},
        {"grant_types": ["refresh_token"]},
        {"grant_types": "authorization_code"},
        {"grant_types": [["authorization_code"]]},
        {"grant_types": ["authorization_code"] * 51},
        {"response_types": ["token"]},
        {"response_types": ["code id_token"]},
        {"response_types": ["code", "token"]},
        {"token_endpoint_auth_method": "client_secret_jwt"},
        {"token_endpoint_auth_method": ["none"]},
        {"token_endpoint_auth_method": "private_key_jwt"},
        {"token_endpoint_auth_method": "private_key_jwt", "jwks": JWKS, "jwks_uri": "https://app.test/jwks"},
        {"token_endpoint_auth_method": "private_key_jwt", "jwks": JWKS, "jwks_uri": ["x"]},
        {"application_type": "service"},
        {"client_name": "x" * 201},
        {"client_name": ["x"]},
        {"client_name": "a\u202egnp.exe"},
        {"client_name": "a\u200bb"},
        {"client_name": "a\nb"},
        {"client_name": "a\u2028b"},
        {"client_name": "a\0b"},
        {"client_name": "\ue000"},
        {"scope": ["a"]},
        {"scope": 'a"b'},
        {"contacts": "a@app.test"},
        {"contacts": [1]},
        {"software_id": 1},
        {"software_version": "x" * 201},
        {"jwks": {"keys": {}}},
        {"jwks_uri": "http://app.test/jwks"},
    ],
)
def test_what_cannot_be_registered(document: dict[str, Any]):
    with pytest.raises(InvalidClientMetadata):
        read(**document)


@pytest.mark.parametrize("name", ["client_uri", "logo_uri", "tos_uri", "policy_uri", "tos_uri#fr", "jwks_uri"])
@pytest.mark.parametrize(
    "uri",
    [
        *("javascript:alert(1)", "data:text/html,x", "http://app.test", "/rel", "https://", "https:app.test"),
        *(
            "https://a@app.test",
            "https://[",
            "https://[x]/",
            "https://app.test/a b",
            "https://app.test/\\",
            "HTTPS://a",
        ),
        *("https://app.test/" + "x" * 2048, 1, ["https://app.test"]),
    ],
)
def test_addresses_that_people_or_we_may_follow_are_https(name: str, uri: object):
    with pytest.raises(InvalidClientMetadata, match="must be an https URL"):
        read(**{name: uri})


@pytest.mark.parametrize("uris", [None, [], "https://app.test/cb", {}, ["https://app.test/cb"] * 51, [None], ["/cb"]])
def test_a_client_of_people_has_redirect_uris(uris: object):
    with pytest.raises(InvalidRedirectUri):
        read(redirect_uris=uris)
    with pytest.raises((InvalidRedirectUri, InvalidClientMetadata)):
        read(post_logout_redirect_uris=uris or ["/bye"])


def test_redirect_uris_are_kept_once_and_in_order():
    two = ["https://b.test/cb", "https://a.test/cb"]
    assert read(redirect_uris=two * 2).redirect_uris == tuple(two)


def test_a_machine_needs_a_proof_and_no_redirect_uri():
    machine = read(OPERATOR, "operator", grant_types=["client_credentials"])
    assert machine.redirect_uris == machine.response_types == ()
    with pytest.raises(InvalidClientMetadata, match="client_credentials needs"):
        read(OPERATOR, "operator", grant_types=["client_credentials"], token_endpoint_auth_method="none")
    with pytest.raises(InvalidClientMetadata, match="response_types"):
        read(OPERATOR, "operator", grant_types=["client_credentials"], response_types=["code"])


@pytest.mark.parametrize("name", [" ", "\u3164", "\u2800", "\u115f\u1160", "\u034f", "\ufe0f", "\uffa0 \u0301"])
def test_a_name_that_nobody_can_see_is_none(name: str):
    assert read(client_name=name).name is None
    assert read(client_name=f"A{name}b").name == f"A{name}b"


def test_a_document_may_name_grants_for_other_servers():
    asked = ["authorization_code", "urn:example:other"]
    assert read(ANYONE, "document", grant_types=asked).grant_types == ("authorization_code",)
    with pytest.raises(InvalidClientMetadata):
        read(ANYONE, "document", grant_types=["urn:example:other"])
