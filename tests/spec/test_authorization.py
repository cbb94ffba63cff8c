"""The authorization endpoint: OAuth 2.1, RFC 7636, RFC 8252, RFC 8707, RFC 9207, OpenID Connect Core."""

from __future__ import annotations

import base64
import hashlib
import html
import re
import time

import pytest
from tests.requirements import requirement
from tests.spec.conftest import World
from tests.support.oauth import Client, answer_of, claims


@requirement("mcp-response-validation/iss", "rfc9207-2")
def test_iss_is_in_every_answer(world: World) -> None:
    assert world.answer()["iss"] == world.pair.issuer
    refused = answer_of(world.person.open(world.client, response_type="token"))
    assert refused["error"] == "unsupported_response_type"
    assert refused["iss"] == world.pair.issuer
    denied = answer_of(world.person.approve(world.person.consent_page(world.client), decision="deny"))
    assert denied["error"] == "access_denied"
    assert denied["iss"] == world.pair.issuer


@requirement("mcp-security/redirect-exact", "mcp-security/redirect-untrusted", "rfc6749-4.1.2.1")
@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1/callback/",
        "http://127.0.0.1/callback?x=1",
        "https://127.0.0.1/callback",
        "https://evil.example/",
    ],
)
def test_nobody_is_sent_to_an_address_that_is_not_registered(world: World, uri: str) -> None:
    answer = world.person.open(world.client, redirect_uri=uri)
    assert answer.status_code == 400
    assert answer.headers["content-type"].startswith("text/html")
    assert "location" not in answer.headers


@requirement("mcp-security/redirect-untrusted", "rfc6749-4.1.2.1")
def test_an_unknown_client_gets_a_page(world: World) -> None:
    answer = world.person.open(world.client, client_id="nobody")
    assert answer.status_code == 400
    assert "location" not in answer.headers


@requirement("mcp-client-registration/consent")
def test_consent_names_the_host_and_warns_of_loopback(world: World) -> None:
    text = html.unescape(re.sub(r"<[^>]+>", " ", world.person.consent_page(world.client).text))
    assert "127.0.0.1" in text
    assert "Did you start this yourself" in text
    assert world.pair.mcp in text


@requirement("rfc6749-3.1")
def test_unknown_parameters_are_ignored_and_repeated_ones_refused(world: World) -> None:
    assert "code" in world.answer(made_up="x", audience="y")
    refused = answer_of(world.person.open(world.client, scope=["mcp:tools", "mcp:tools"]))
    assert refused["error"] == "invalid_request"
    assert refused["state"] == "the-state"


@requirement("oauth21-7.5.2", "rfc7636-4.2")
@pytest.mark.parametrize(
    "bent",
    [
        {"code_challenge": None, "code_challenge_method": None},
        {"code_challenge_method": "plain"},
        {"code_challenge_method": None},
        {"code_challenge": "too-short"},
    ],
)
def test_there_is_no_way_around_pkce(world: World, bent: dict[str, str | None]) -> None:
    refused = answer_of(world.person.open(world.client, **bent))
    assert refused["error"] == "invalid_request"
    assert "code" not in refused


@requirement("rfc8252-7.3")
@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost"])
def test_loopback_may_use_any_port(world: World, host: str) -> None:
    client = Client.register(world.http, redirect_uris=[f"http://{host}/callback"])
    uri = f"http://{host}:51234/callback"
    answer = world.person.approve(world.person.consent_page(client, redirect_uri=uri))
    assert answer.headers["location"].startswith(uri + "?")


@requirement("rfc8707-2.1")
def test_an_unknown_resource_is_an_invalid_target(world: World) -> None:
    assert answer_of(world.person.open(world.client, resource="https://else.example/"))["error"] == "invalid_target"


@requirement("rfc9700-4.12")
def test_a_posted_form_ends_in_303(world: World) -> None:
    page = world.person.consent_page(world.client)
    assert world.person.approve(page).status_code == 303


@requirement("oidc-3.1.2.1")
def test_prompt_and_max_age(world: World) -> None:
    assert answer_of(world.person.open(world.client, prompt="none"))["error"] == "login_required"
    assert "code" in world.answer()
    asked = answer_of(world.person.open(world.client, prompt="none"))
    assert asked["error"] in ("consent_required", "interaction_required")
    assert 'name="person"' in world.person.open(world.client, prompt="login").text
    time.sleep(1.1)
    assert 'name="person"' in world.person.open(world.client, max_age="0").text
    assert 'name="decision"' in world.person.open(world.client, max_age="3600").text


@requirement("oidc-2", "oidc-3.1.3.6")
def test_the_id_token_says_who_signed_in_where(world: World) -> None:
    tokens = world.tokens(scope="openid mcp:tools", nonce="n-0S6_WzA2Mj", max_age="600")
    told = claims(tokens["id_token"])
    assert told["iss"] == world.pair.issuer
    assert told["aud"] == world.client.id
    assert told["sub"] == claims(tokens["access_token"])["sub"]
    assert told["nonce"] == "n-0S6_WzA2Mj"
    assert told["auth_time"] <= told["iat"] < told["exp"]
    half = hashlib.sha256(tokens["access_token"].encode()).digest()[:16]
    assert told["at_hash"] == base64.urlsafe_b64encode(half).rstrip(b"=").decode()


@requirement("logout-3")
def test_a_person_returns_from_signing_out_only_where_it_is_registered(world: World) -> None:
    home = "https://app.example/bye"
    client = Client.register(world.http, post_logout_redirect_uris=[home])
    world.client = client
    hint = world.tokens(scope="openid")["id_token"]
    for uri in ("https://evil.example/", home + "?x=1"):
        page = world.person.http.get("/logout", params={"id_token_hint": hint, "post_logout_redirect_uri": uri})
        assert page.status_code == 200
        assert uri not in page.text
    page = world.person.http.get("/logout", params={"id_token_hint": hint, "post_logout_redirect_uri": home})
    assert page.status_code == 200, "the person is asked first"
    assert "location" not in page.headers
