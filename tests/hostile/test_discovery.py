"""Row KEY-11: what discovery says; each value is held against requests in tests/issuer/endpoints."""

from __future__ import annotations

import pytest
from tests.hostile.rows import row
from tests.hostile.target import Target

ADDRESSES = ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"]


@row("KEY-11")
@pytest.mark.parametrize("address", ADDRESSES)
def test_what_clients_decide_by(issuer: Target, address: str) -> None:
    said = issuer.send("GET", address, expect=200).json()
    assert said["issuer"] == issuer.pair.issuer
    assert said["code_challenge_methods_supported"] == ["S256"]
    assert said["response_types_supported"] == ["code"]
    assert set(said["grant_types_supported"]) == {"authorization_code", "refresh_token", "client_credentials"}
    assert said["authorization_response_iss_parameter_supported"] is True
    assert said["client_id_metadata_document_supported"] is True
    assert "openid" in said["scopes_supported"]
    for name, values in said.items():
        assert values not in (None, [], ""), name
        assert "signing_alg" not in name or "none" not in values
    assert "none" not in said["introspection_endpoint_auth_methods_supported"]


@row("KEY-11")
@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_nobody_changes_it(issuer: Target, address: str, method: str) -> None:
    answer = issuer.send(method, address, expect=405, json={"issuer": "https://evil.test"})
    assert "GET" in answer.headers["allow"]
