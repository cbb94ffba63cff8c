"""The token endpoint and what is done with tokens afterwards: RFC 6749, 7009, 7662, 9068, OpenID Connect UserInfo."""

from __future__ import annotations

import re

import httpx
import jwt
import pytest
from tests.requirements import requirement
from tests.spec.conftest import World
from tests.support.oauth import Client, claims


def machine(world: World) -> tuple[str, str]:
    """The configured confidential client."""
    return "mcp-client", (world.pair.keys / "mcp-client.secret").read_text().strip()


@requirement("rfc6749-3.2")
def test_only_posted_forms(world: World) -> None:
    code = world.answer()["code"]
    assert world.http.get("/token", params=world.client.redemption(code)).status_code == 405
    refused = world.http.post("/token", json=world.client.redemption(code))
    assert refused.status_code in (400, 415)
    assert world.client.redeem(code).status_code == 200


@requirement("rfc6749-5.1", "rfc9068-2.1", "rfc9068-2.2", "mcp-security/short-lived")
def test_a_token_response(world: World) -> None:
    redeemed = world.client.redeem(world.answer()["code"])
    assert redeemed.headers["cache-control"] == "no-store"
    tokens = redeemed.json()
    assert tokens["token_type"] == "Bearer"
    assert tokens["scope"] == "mcp:tools"
    assert tokens["expires_in"] <= 3600
    published = world.http.get(world.metadata()["jwks_uri"]).json()
    header = jwt.get_unverified_header(tokens["access_token"])
    assert header["typ"] == "at+jwt"
    key = jwt.PyJWKSet.from_dict(published)[header["kid"]]
    found = jwt.decode(tokens["access_token"], key, ["RS256"], audience=world.pair.mcp, issuer=world.pair.issuer)
    assert found.keys() >= {"iss", "exp", "aud", "sub", "client_id", "iat", "jti", "scope"}
    assert found["client_id"] == world.client.id
    assert found["exp"] - found["iat"] == tokens["expires_in"]


@requirement("mcp-resource-parameter/audience", "rfc8707-2.2")
def test_the_audience_is_the_resource(world: World) -> None:
    code = world.answer(resource=world.pair.mcp)["code"]
    refused = world.client.redeem(code, resource="https://else.example/")
    assert refused.json()["error"] == "invalid_target"
    tokens = world.client.redeem(code, resource=world.pair.mcp).json()
    assert claims(tokens["access_token"])["aud"] == world.pair.mcp
    assert world.client.refresh(tokens["refresh_token"], resource="https://else.example/").status_code == 400


@requirement("rfc6749-4.1.2a", "rfc6749-4.1.2b")
def test_a_code_is_good_once(world: World) -> None:
    code = world.answer()["code"]
    tokens = world.client.redeem(code).json()
    assert world.client.redeem(code).json()["error"] == "invalid_grant"
    assert world.client.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"


@requirement("rfc6749-4.1.3", "rfc7636-4.6")
@pytest.mark.parametrize("bent", [{"redirect_uri": "http://127.0.0.1:1/callback"}, {"code_verifier": "w" * 43}])
def test_a_code_is_redeemed_as_it_was_asked_for(world: World, bent: dict[str, str]) -> None:
    code = world.answer()["code"]
    assert world.client.redeem(code, **bent).json()["error"] == "invalid_grant"
    stranger = Client.register(world.http)
    stranger.verifier = world.client.verifier
    assert stranger.redeem(code).json()["error"] == "invalid_grant"
    assert world.client.redeem(code).status_code == 200


@requirement("rfc6749-4.4.3")
def test_a_machine_gets_no_refresh_token(world: World) -> None:
    answer = world.http.post("/token", data={"grant_type": "client_credentials"}, auth=machine(world))
    assert answer.status_code == 200
    assert "refresh_token" not in answer.json()


@requirement("rfc6749-5.2a", "rfc6749-5.2b")
def test_errors_keep_to_the_form(world: World) -> None:
    failed = world.http.post("/token", data={"grant_type": "client_credentials"}, auth=("mcp-client", "wrong" * 9))
    assert failed.status_code == 401
    assert failed.headers["www-authenticate"].startswith("Basic ")
    assert failed.json()["error"] == "invalid_client"
    for form in ({}, {"grant_type": 'a"b\\'}, {"grant_type": "refresh_token", "client_id": world.client.id}):
        answer = world.http.post("/token", data=form, headers={"content-type": "application/x-www-form-urlencoded"})
        assert answer.status_code in (400, 401)
        assert re.fullmatch(r"[\x20-\x21\x23-\x5b\x5d-\x7e]+", answer.json()["error_description"])


@requirement("mcp-security/rotation", "oauth21-4.3.1")
def test_refresh_tokens_rotate_and_reuse_ends_the_family(world: World) -> None:
    first = world.tokens()["refresh_token"]
    second = world.client.refresh(first).json()["refresh_token"]
    assert second != first
    assert world.client.refresh(first).json()["refresh_token"] == second, "an honest retry"
    third = world.client.refresh(second).json()["refresh_token"]
    assert world.client.refresh(first).json()["error"] == "invalid_grant"
    assert world.client.refresh(third).json()["error"] == "invalid_grant"


@requirement("rfc6749-6")
def test_a_refresh_never_widens(world: World) -> None:
    tokens = world.tokens(scope="mcp:tools openid")
    narrow = world.client.refresh(tokens["refresh_token"], scope="mcp:tools").json()
    assert narrow["scope"] == "mcp:tools"
    wide = world.client.refresh(narrow["refresh_token"], scope="mcp:tools profile")
    assert wide.json()["error"] == "invalid_scope"
    assert world.client.refresh(narrow["refresh_token"]).json()["scope"] == "mcp:tools openid"


@requirement("rfc7009-2.1", "rfc7009-2.2")
def test_revocation(world: World) -> None:
    refresh = world.tokens()["refresh_token"]
    for token in ("unknown", refresh):
        assert world.http.post("/revoke", data=world.client.form(token=token)).status_code == 200
    assert world.client.refresh(refresh).json()["error"] == "invalid_grant"


@requirement("rfc7662-2.1", "rfc7662-2.2")
def test_introspection(world: World) -> None:
    own = world.http.post("/token", data={"grant_type": "client_credentials"}, auth=machine(world)).json()
    assert world.http.post("/introspect", data=world.client.form(token=own["access_token"])).status_code == 401
    told = world.http.post("/introspect", data={"token": own["access_token"]}, auth=machine(world)).json()
    assert told["active"] is True
    assert told["client_id"] == "mcp-client"
    for token in ("garbage", world.tokens()["access_token"] + "x"):
        answer = world.http.post("/introspect", data={"token": token}, auth=machine(world))
        assert answer.status_code == 200
        assert answer.json() == {"active": False}


@requirement("oidc-5.3")
def test_userinfo_is_for_openid_alone(world: World) -> None:
    with_openid = world.tokens(scope="openid mcp:tools")
    headers = {"authorization": f"Bearer {with_openid['access_token']}"}
    assert world.http.get("/userinfo", headers=headers).json()["sub"] == claims(with_openid["id_token"])["sub"]
    headers = {"authorization": f"Bearer {world.tokens(scope='mcp:tools')['access_token']}"}
    refused = world.http.get("/userinfo", headers=headers)
    assert refused.status_code == 403
    assert "insufficient_scope" in refused.headers["www-authenticate"]
    assert world.http.get("/userinfo").status_code == 401


@requirement("mcp-client-registration/dynamic", "rfc7591-2", "rfc7591-3.2.1", "rfc7591-3.2.2")
def test_registration(world: World) -> None:
    made = world.http.post("/register", json={"redirect_uris": ["https://app.example/cb"]})
    assert made.status_code == 201
    answer = made.json()
    assert answer["redirect_uris"] == ["https://app.example/cb"]
    assert answer["token_endpoint_auth_method"] == "client_secret_basic"
    assert answer["grant_types"] == ["authorization_code"]
    assert answer["response_types"] == ["code"]
    assert answer["client_secret_expires_at"] == 0
    assert not [name for name, value in answer.items() if value in (None, "")]
    refused = world.http.post("/register", json={"redirect_uris": ["javascript:alert(1)"]})
    assert refused.status_code == 400
    assert refused.json()["error"] == "invalid_redirect_uri"


@requirement("rfc7592-2.1", "rfc7592-2.2", "rfc7592-2.3")
def test_a_client_manages_its_registration(world: World) -> None:
    document = {
        "redirect_uris": ["https://app.example/cb"],
        "client_name": "First",
        "token_endpoint_auth_method": "none",
    }
    made = world.http.post("/register", json=document).json()
    url, headers = made["registration_client_uri"], {"authorization": f"Bearer {made['registration_access_token']}"}
    assert httpx.get(url, headers=headers).json()["client_name"] == "First"
    assert httpx.get(url, headers={"authorization": "Bearer wrong"}).status_code == 401
    renamed = {"client_id": made["client_id"], "redirect_uris": ["https://app.example/cb2"]}
    replaced = httpx.put(url, headers=headers, json={**renamed, "token_endpoint_auth_method": "none"}).json()
    assert replaced["redirect_uris"] == ["https://app.example/cb2"]
    assert "client_name" not in replaced
    assert httpx.delete(url, headers=headers).status_code == 204
    assert httpx.get(url, headers=headers).status_code == 401
    assert world.person.open(world.client, client_id=made["client_id"]).status_code == 400
