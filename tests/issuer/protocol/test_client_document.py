"""Metadata documents as clients publish them, and as they should not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from tests.requirements import requirement

from issuer.errors import InvalidClientMetadata, InvalidRedirectUri, OAuthError
from issuer.model import Client
from issuer.protocol import client_document, redirect_uri
from issuer.protocol.document_policy import Policy

URL = "https://client.test/oauth/client.json"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PUBLIC: dict[str, Any] = {**json.loads(RSAAlgorithm.to_jwk(KEY.public_key())), "kid": "a"}
PRIVATE: dict[str, Any] = {**json.loads(RSAAlgorithm.to_jwk(KEY)), "kid": "a"}
P384: dict[str, Any] = json.loads(ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP384R1()).public_key()))
MINIMAL = {"client_id": URL, "client_name": "A program", "redirect_uris": ["https://client.test/callback"]}


def read(**members: Any) -> Client:
    return client_document.read({**MINIMAL, **members}, URL, now=1000)


def test_the_least_that_a_document_may_say() -> None:
    client = client_document.read(MINIMAL, URL, now=1000)
    assert (client.id, client.origin, client.auth_method) == (URL, "document", "none")
    assert client.grant_types == ("authorization_code",)
    assert not client.trusted


@requirement("cimd-document/client-id")
@pytest.mark.parametrize(
    "client_id",
    [
        None, [URL], {"a": URL}, 1, "", URL + "/", "https://client.test:443/oauth/client.json", URL.upper(), URL + "?",
        "https://client.test/oauth/Client.json", "https://client.test/oauth/%63lient.json", " " + URL, URL + "#",
    ],
)  # fmt: skip
def test_client_id_is_compared_character_by_character(client_id: object) -> None:
    with pytest.raises(InvalidClientMetadata, match="very URL"):
        read(client_id=client_id)


@pytest.mark.parametrize("missing", ["client_id", "client_name", "redirect_uris"])
def test_what_must_be_there(missing: str) -> None:
    with pytest.raises(OAuthError):
        client_document.read({name: value for name, value in MINIMAL.items() if name != missing}, URL, now=1000)


@requirement("cimd-document/no-secret")
@pytest.mark.parametrize("member", ["client_secret", "client_secret_expires_at"])
def test_no_secret_in_public(member: str) -> None:
    for value in ("s3cret", 0):
        with pytest.raises(InvalidClientMetadata, match="client_secret"):
            read(**{member: value})


@pytest.mark.parametrize("nothing", [None, ""])
@pytest.mark.parametrize("member", ["client_secret", "client_secret_expires_at", "token_endpoint_auth_method", "jwks"])
def test_what_says_nothing_is_absent(member: str, nothing: str | None) -> None:
    """Programs that write a document write every member that they know, some of them empty."""
    assert read(**{member: nothing}) == read()


@requirement("cimd-redirect-uris")
@pytest.mark.parametrize(
    "value",
    [
        [], None, "https://client.test/callback", [1], ["javascript:alert(1)"], ["http://client.test/cb"],
        ["https://a.test/cb#f"], ["https://u@a.test/cb"],
    ],
)  # fmt: skip
def test_redirect_uris_are_checked_as_at_registration(value: object) -> None:
    with pytest.raises(InvalidRedirectUri):
        read(redirect_uris=value)


@pytest.mark.parametrize(
    "listed", ["http://localhost/callback", "http://127.0.0.1/callback", "http://127.0.0.1:0/callback"]
)
def test_a_loopback_uri_stands_for_every_port(listed: str) -> None:
    host = listed.removeprefix("http://").partition("/")[0].partition(":")[0]
    client = read(redirect_uris=[listed])
    assert redirect_uri.registered(f"http://{host}:51234/callback", client.redirect_uris)
    assert not redirect_uri.registered(f"http://{host}:51234/other", client.redirect_uris)


SHAPES = [
    ({"token_endpoint_auth_method": "private_key_jwt"}, "private_key_jwt"),
    (
        {
            "token_endpoint_auth_method": "private_key_jwt",
            "token_endpoint_auth_methods_supported": ["private_key_jwt", "none"],
        },
        "private_key_jwt",
    ),
    ({"token_endpoint_auth_methods_supported": ["private_key_jwt"]}, "private_key_jwt"),
    ({"token_endpoint_auth_methods_supported": ["none", "private_key_jwt"]}, "private_key_jwt"),
    ({"token_endpoint_auth_methods_supported": ["client_secret_basic", "none"]}, "none"),
    (
        {
            "token_endpoint_auth_method": "none",
            "token_endpoint_auth_methods_supported": ["private_key_jwt", "none"],
        },
        "none",
    ),
    (
        {
            "token_endpoint_auth_method": "tls_client_auth",
            "token_endpoint_auth_methods_supported": ["tls_client_auth", "private_key_jwt"],
        },
        "private_key_jwt",
    ),
    ({"token_endpoint_auth_method": "none"}, "none"),
    ({}, "none"),
]


@pytest.mark.parametrize(("members", "method"), SHAPES)
def test_the_ways_to_name_an_authentication_method(members: dict[str, Any], method: str) -> None:
    assert read(jwks_uri="https://client.test/jwks.json", **members).auth_method == method


@pytest.mark.parametrize(
    "members",
    [
        {"token_endpoint_auth_method": "client_secret_basic"},
        {"token_endpoint_auth_method": "client_secret_jwt", "token_endpoint_auth_methods_supported": ["none"]},
        {"token_endpoint_auth_method": "tls_client_auth"},
        {"token_endpoint_auth_methods_supported": ["client_secret_post"]},
        {"token_endpoint_auth_methods_supported": "none"},
        {"token_endpoint_auth_method": ["none"]},
        {"token_endpoint_auth_method": {}},
        {"token_endpoint_auth_methods_supported": [["none"]]},
    ],
)
def test_methods_that_cannot_be(members: dict[str, Any]) -> None:
    with pytest.raises(InvalidClientMetadata, match="token_endpoint_auth_method"):
        read(**members)


def test_a_method_that_is_only_listed_counts_where_the_client_has_keys_for_it() -> None:
    listed = ["private_key_jwt", "none"]
    assert read(token_endpoint_auth_methods_supported=listed).auth_method == "none"
    assert read(token_endpoint_auth_methods_supported=listed, jwks={"keys": [PUBLIC]}).auth_method == "private_key_jwt"


def test_private_key_jwt_needs_keys() -> None:
    with pytest.raises(InvalidClientMetadata, match="jwks"):
        read(token_endpoint_auth_method="private_key_jwt")


def test_grants_of_others_are_ignored() -> None:
    wanted = [
        "authorization_code",
        "refresh_token",
        "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "client_credentials",
    ]
    client = read(grant_types=wanted, response_types=["code", "code id_token"], scope="everything else")
    assert client.grant_types == ("authorization_code", "refresh_token")
    assert client.response_types == ("code",)


@pytest.mark.parametrize("grants", [["client_credentials"], ["urn:x"], ["refresh_token"]])
def test_a_client_without_the_code_grant(grants: list[str]) -> None:
    with pytest.raises(InvalidClientMetadata):
        read(grant_types=grants)


def test_keys() -> None:
    assert read(jwks={"keys": [PUBLIC]}).metadata["jwks"] == {"keys": [PUBLIC]}
    assert read(jwks={"keys": [P384, PUBLIC]}).metadata["jwks"] == {"keys": [PUBLIC]}, "keys for others are left out"


@pytest.mark.parametrize(
    "jwks",
    [
        {"keys": [PRIVATE]}, {"keys": [PUBLIC, PRIVATE]}, {"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}, {"keys": []},
        {"keys": {}}, {"keys": [P384]}, {"keys": [PUBLIC] * 21}, {"keys": ["a"]}, [PUBLIC], "x",
        {"keys": [{**PUBLIC, "use": "enc"}]},
    ],
)  # fmt: skip
def test_key_sets_that_are_refused(jwks: object) -> None:
    with pytest.raises(InvalidClientMetadata):
        read(jwks=jwks)


def test_inline_keys_or_an_address_not_both() -> None:
    with pytest.raises(InvalidClientMetadata, match="not both"):
        read(jwks={"keys": [PUBLIC]}, jwks_uri="https://client.test/jwks.json")


NO_DOCUMENT_THERE = [
    "https://client.test", "https://client.test?", "https://client.test/a?x=1", "https://client.test/a?",
    "https://client.test/./a", "https://client.test/a/..", "https://client.test/%2e%2e/a", "https://client.test/%2E/a",
    "https://client.test/a/.%2e", "https://client.test/..%2fa", "http://client.test/a", "https://10.0.0.1/a",
    "http://127.0.0.1:8000/a",
]  # fmt: skip


@requirement("cimd-client-identifier")
@pytest.mark.parametrize("url", NO_DOCUMENT_THERE)
def test_urls_of_no_document(url: str) -> None:
    with pytest.raises(ValueError):
        client_document.read_url(url)


@pytest.mark.parametrize(
    "url", [URL, "https://client.test/", "https://client.test/.well-known/a..b/...", "https://client.test:443/a"]
)
def test_urls_of_documents(url: str) -> None:
    assert client_document.read_url(url).host == "client.test"


class TestPolicy:
    def test_lists_of_hosts(self) -> None:
        policy = Policy(allow=("a.test", "*.b.test", "c.test:8443"), deny=("evil.b.test", "*.evil.b.test"))
        for url in (
            "https://a.test/x",
            "https://x.b.test/x",
            "https://y.x.b.test/x",
            "https://c.test:8443/x",
            "https://c.test/x",
        ):
            policy.check(url)
        for url in ("https://x.a.test/x", "https://b.test/x", "https://xb.test/x", "https://evil.b.test/x", "https://d.test/x",
                    "https://x.evil.b.test/x", "https://a.test:8443/x", "https://c.test:8444/x"):  # fmt: skip
            with pytest.raises(ValueError):
                policy.check(url)

    def test_without_an_allow_list_all_but_the_denied(self) -> None:
        policy = Policy(deny=("evil.test",))
        policy.check("https://a.test/x")
        with pytest.raises(ValueError, match="denied"):
            policy.check("https://evil.test/x")

    def test_off(self) -> None:
        with pytest.raises(ValueError, match="off"):
            Policy(on=False).check(URL)

    def test_never_ourselves(self) -> None:
        policy = Policy(
            own=frozenset({("issuer.test", 443), ("127.0.0.1", 9000)}), loopback=True, allow=("issuer.test",)
        )
        for url in (
            "https://issuer.test/x",
            "https://issuer.test:443/x",
            "http://127.0.0.1:9000/x",
            "https://127.0.0.1:9000/x",
        ):
            with pytest.raises(ValueError, match="itself"):
                policy.check(url)
        assert policy.check("http://127.0.0.1:9001/x").loopback
