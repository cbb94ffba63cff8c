"""Discovery: one document at every address, checked by a library. What clients decide by: hostile/test_discovery.py."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.issuer.started import Issuer, started

with warnings.catch_warnings(record=True):
    from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
    from authlib.oidc.discovery import OpenIDProviderMetadata

ADDRESSES = ("/.well-known/oauth-authorization-server", "/.well-known/openid-configuration")


def document(http: httpx.Client, address: str = ADDRESSES[0]) -> dict[str, Any]:
    answer = http.get(address)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    found: dict[str, Any] = answer.json()
    return found


def test_both_addresses_say_the_same(issuer: Issuer):
    assert document(issuer.http) == document(issuer.http, ADDRESSES[1])
    assert document(issuer.http)["issuer"] == issuer.origin


def test_a_library_finds_nothing_wrong(public: Issuer):
    """Authlib insists on https, so it judges the public issuer's document."""
    found = document(public.http)
    AuthorizationServerMetadata(found).validate()
    OpenIDProviderMetadata(found).validate()


def test_the_scopes_of_the_settings_come_first(issuer: Issuer):
    found = document(issuer.http)["scopes_supported"]
    assert found[:3] == ["mcp:tools", "notes:read", "notes:write"]
    assert {"openid", "offline_access"} <= set(found)


def test_every_endpoint_it_names_is_there(issuer: Issuer):
    found = document(issuer.http)
    endpoints = {name: url for name, url in found.items() if name.endswith("_endpoint") or name == "jwks_uri"}
    assert len(endpoints) == 8
    for name, url in endpoints.items():
        assert url.startswith(issuer.origin + "/"), name
        statuses = {issuer.http.get(url).status_code, issuer.http.post(url).status_code}
        assert 404 not in statuses, name
        assert all(status < 500 for status in statuses), name


def test_where_registration_is_off_nobody_is_told_of_it(public: Issuer):
    assert "registration_endpoint" not in document(public.http)
    answer = public.http.post("/register", json={"redirect_uris": ["https://a.test/cb"]})
    assert (answer.status_code, answer.json()["error"]) == (403, "access_denied")


@pytest.mark.parametrize("address", ADDRESSES)
def test_caches_and_other_origins(issuer: Issuer, address: str):
    answer = issuer.http.get(address, headers={"Origin": "https://page.test"})
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in answer.headers
    assert answer.headers["cache-control"] == "public, max-age=300"
    again = issuer.http.get(address, headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert issuer.http.get(address, headers={"If-None-Match": '"other"'}).status_code == 200
    head = issuer.http.head(address)
    assert (head.status_code, head.content) == (200, b"")
    preflight = {"Origin": "https://page.test", "Access-Control-Request-Method": "GET"}
    asked = {**preflight, "Access-Control-Request-Headers": "mcp-protocol-version"}
    assert issuer.http.options(address, headers=asked).status_code == 200
    assert issuer.http.post(address).status_code == 405


def test_an_issuer_with_a_path_is_found_both_ways(tmp_path: Path):
    """RFC 8414 §3.1 puts the well-known part before the path, OpenID Connect Discovery §4 behind it."""
    with started(tmp_path, ISSUER="https://id.test/tenant") as issuer:
        found = [
            document(issuer.http, address)
            for address in (
                "/.well-known/oauth-authorization-server/tenant",
                "/.well-known/openid-configuration/tenant",
                "/tenant/.well-known/openid-configuration",
                "/tenant/.well-known/oauth-authorization-server",
            )
        ]
        assert found.count(found[0]) == 4
        assert found[0]["issuer"] == "https://id.test/tenant"
        assert found[0]["token_endpoint"] == "https://id.test/tenant/token"
        assert issuer.http.get("/.well-known/oauth-authorization-server").status_code == 404
        assert issuer.http.get("/tenant/.well-known/jwks.json").json()["keys"]
        assert issuer.http.post("/tenant/token", data={"grant_type": "x"}).status_code == 401
        assert issuer.http.post("/token").status_code == 404
        told = issuer.http.get("/").json()["error_description"]
        for address in re.findall(r"/\S+", told):
            assert issuer.http.get(address).status_code == 200, "a page to sign in to, and the metadata"
        assert len(re.findall(r"/\S+", told)) == 2


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/dev/token", "GET, POST"),
        ("/authorize", "GET, POST"),
        ("/register", "POST"),
        ("/register/anybody", "DELETE, GET, PUT"),
        ("/healthz", "GET, HEAD"),
        ("/docs", "GET"),
    ],
)
def test_405_names_all_that_an_address_answers_to(issuer: Issuer, path: str, allowed: str):
    answer = issuer.http.patch(path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
    assert answer.headers["cache-control"] == "no-store"
