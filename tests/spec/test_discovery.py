"""Metadata and keys: MCP, RFC 8414, OpenID Connect Discovery, RFC 9728, RFC 7517."""

from __future__ import annotations

from pathlib import Path

import httpx
from tests.requirements import requirement
from tests.spec.conftest import World
from tests.support import servers

PRM = "/.well-known/oauth-protected-resource"


@requirement("mcp-overview/metadata", "mcp-server-discovery/issuer", "mcp-security/pkce-advertised", "rfc9207-3")
def test_both_documents_say_who_answers_and_that_pkce_and_iss_are_spoken(world: World) -> None:
    for name in ("oauth-authorization-server", "openid-configuration"):
        answer = world.http.get(f"/.well-known/{name}")
        assert answer.headers["content-type"] == "application/json"
        document = answer.json()
        assert document["issuer"] == world.pair.issuer
        assert document["code_challenge_methods_supported"] == ["S256"]
        assert document["authorization_response_iss_parameter_supported"] is True
        assert document["response_types_supported"] == ["code"]
        assert None not in document.values()


@requirement("rfc8414-2")
def test_every_endpoint_that_is_promised_answers(world: World) -> None:
    endpoints = {
        name: url for name, url in world.metadata().items() if name.endswith("_endpoint") or name == "jwks_uri"
    }
    assert len(endpoints) >= 6
    for name, url in endpoints.items():
        assert url.startswith(world.pair.issuer + "/"), name
        found = {httpx.request(method, url).status_code for method in ("GET", "POST")}
        assert 404 not in found, name
        assert max(found) < 500, name


@requirement("rfc8414-3.1", "oidcd-4.1")
def test_an_issuer_with_a_path_is_found_at_all_addresses(tmp_path: Path) -> None:
    port = servers.free_port()
    issuer = f"http://127.0.0.1:{port}/tenant/one"
    with servers.running("issuer", tmp_path, ISSUER=issuer, ISSUER_PORT=str(port)) as service:
        for address in (
            "/.well-known/oauth-authorization-server/tenant/one",
            "/.well-known/openid-configuration/tenant/one",
            "/tenant/one/.well-known/openid-configuration",
        ):
            document = httpx.get(service.origin + address).json()
            assert document["issuer"] == issuer
            assert httpx.get(document["jwks_uri"]).status_code == 200
        assert httpx.get(f"{service.origin}/.well-known/openid-configuration").status_code == 404


@requirement("rfc7517-5")
def test_the_keys_are_public(world: World) -> None:
    answer = world.http.get(world.metadata()["jwks_uri"])
    assert answer.headers["content-type"] in ("application/jwk-set+json", "application/json")
    keys = answer.json()["keys"]
    assert keys
    for key in keys:
        assert key["use"] == "sig"
        assert key["kid"]
        assert key["alg"] == "RS256"
        assert not key.keys() & {"d", "p", "q", "dp", "dq", "qi", "k", "oth"}


@requirement("mcp-overview/protected-resource", "mcp-refresh-tokens/offline-access", "rfc9728-2", "rfc9728-3.1")
def test_the_resource_names_itself_and_its_issuer(world: World) -> None:
    for address in (f"{PRM}/mcp", PRM):
        document = httpx.get(world.pair.resource + address).json()
        assert document["resource"] == world.pair.mcp
        assert document["authorization_servers"] == [world.pair.issuer]
        assert document["bearer_methods_supported"] == ["header"]
        assert "mcp:tools" in document["scopes_supported"]
        assert "offline_access" not in document["scopes_supported"]
