"""The pages in their place: a person at a real issuer lets a program in, sees it, and ends its access."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect
from tests.support import servers

pytestmark = pytest.mark.browser

CALLBACK = "http://127.0.0.1:6274/callback"
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port = str(servers.free_port())
    folder = tmp_path_factory.mktemp("issuer")
    with servers.running("issuer", folder, ISSUER=f"http://127.0.0.1:{port}", ISSUER_PORT=port) as service:
        yield service.origin


@pytest.fixture
def page(browser: Browser, issuer: str) -> Iterator[Page]:
    context = browser.new_context(base_url=issuer + "/", java_script_enabled=False)
    yield context.new_page()
    context.close()


def registered(issuer: str, name: str) -> str:
    document = {
        "client_name": name,
        "redirect_uris": [CALLBACK],
        "grant_types": ["authorization_code", "refresh_token"],
    }
    answer = httpx.post(f"{issuer}/register", json=document | {"token_endpoint_auth_method": "none"})
    client_id: str = answer.json()["client_id"]
    return client_id


def begin(page: Page, client_id: str, **more: str) -> None:
    asked = {"response_type": "code", "client_id": client_id, "redirect_uri": CALLBACK, "state": "s-1"}
    page.goto("authorize?" + urlencode(asked | {"code_challenge": CHALLENGE, "code_challenge_method": "S256"} | more))


def let_in(page: Page, issuer: str, name: str) -> dict[str, Any]:
    """The program's tokens, by the callback URL that the person copies."""
    client_id = registered(issuer, name)
    begin(page, client_id)
    ready = page.get_by_role("button", name="Continue as alice")
    if ready.is_visible():
        ready.click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"“{name}” asks for access")
    page.get_by_role("button", name="Approve and show the callback URL").click()
    returned = parse_qs(urlsplit(page.get_by_label("Callback URL").input_value()).query)
    assert (returned["state"], returned["iss"]) == (["s-1"], [issuer])
    return token(
        issuer, grant_type="authorization_code", code=returned["code"][0], client_id=client_id,
        redirect_uri=CALLBACK, code_verifier=VERIFIER,
    ) | {"client_id": client_id}  # fmt: skip


def token(issuer: str, **form: str) -> dict[str, Any]:
    answer: dict[str, Any] = httpx.post(f"{issuer}/token", data=form).json()
    return answer


def test_let_in_look_and_revoke(page: Page, issuer: str) -> None:
    names = ["First program", "Second program"]
    tokens = {name: let_in(page, issuer, name) for name in names}
    page.goto("account")
    assert sorted(page.get_by_role("heading", level=2).all_inner_texts()) == names
    for name in names:  # the second from the page that the first left behind
        page.get_by_role("button", name=f"Revoke {name}").click()
        expect(page.get_by_role("status")).to_have_text(f"“{name}” no longer has access.")
        refresh = {"refresh_token": tokens[name]["refresh_token"], "client_id": tokens[name]["client_id"]}
        assert token(issuer, grant_type="refresh_token", **refresh)["error"] == "invalid_grant"
    expect(page.get_by_text("No program has access")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("You are signed out")
    page.get_by_role("link", name="Sign in again").click()
    page.get_by_role("button", name="Continue as bob").click()
    expect(page.get_by_text("You are signed in as")).to_contain_text("bob", ignore_case=True)


def test_two_clicks_from_the_program_and_back(page: Page, issuer: str) -> None:
    page.route(f"{CALLBACK}**", lambda route: route.fulfill(body="back"))
    begin(page, registered(issuer, "Inspector"))
    page.get_by_role("button", name="Continue as alice").click()
    page.get_by_role("button", name="Approve", exact=True).click()
    page.wait_for_url(f"{CALLBACK}**")
    assert {"code", "state", "iss"} <= parse_qs(urlsplit(page.url).query).keys()


def test_another_person_and_no(page: Page, issuer: str) -> None:
    page.route(f"{CALLBACK}**", lambda route: route.fulfill(body="back"))
    begin(page, registered(issuer, "Inspector"))
    page.get_by_role("button", name="Continue as alice").click()
    page.get_by_role("button", name="Not you? Switch person").click()
    page.get_by_role("button", name="Continue as bob").click()
    expect(page.get_by_text("You are signed in as")).to_contain_text("bob", ignore_case=True)
    page.get_by_role("button", name="Deny").click()
    page.wait_for_url(f"{CALLBACK}**")
    assert parse_qs(urlsplit(page.url).query)["error"] == ["access_denied"]


def test_a_wrong_password_and_then_too_many(page: Page, issuer: str) -> None:
    page.goto("account")
    for _ in range(5):
        page.get_by_label("User name").fill("alice")
        page.get_by_label("Password").fill("wrong password")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("do not go together")
        expect(page.get_by_label("User name")).to_have_value("alice")
    page.get_by_label("Password").fill("wrong password")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("Too many tries. Wait")


def test_a_redirect_uri_that_nobody_registered(page: Page, issuer: str) -> None:
    begin(page, registered(issuer, "Inspector"), redirect_uri="https://evil.example/<script>")
    assert urlsplit(page.url).path == "/authorize"
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.get_by_text("https://evil.example/<script>")).to_be_visible()
    expect(page.get_by_text(CALLBACK)).to_be_visible()
