"""People use the pages in a real browser: what each button posts, without JavaScript, and by keyboard."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect
from tests.issuer.pages.gallery import FORM_POST, LONG_HOST

pytestmark = pytest.mark.browser

Show = Callable[..., Page]


@pytest.fixture
def show(opened: Show) -> Show:
    return lambda name: opened(name, java_script_enabled=False)


def posted(page: Page) -> list[object]:
    """The path that was posted to and the fields, in order."""
    path, *fields = json.loads(page.locator("pre").inner_text())  # how Chromium shows JSON, once it is there
    return [path, *map(tuple, fields)]


def test_sign_in(show: Show) -> None:
    page = show("sign_in")
    expect(page.get_by_label("User name")).to_be_focused()
    page.keyboard.type("alice")
    page.get_by_label("Password").fill("correct horse")
    page.keyboard.press("Enter")
    assert posted(page) == ["/login", ("transaction", "t-1"), ("username", "alice"), ("password", "correct horse")]


def test_sign_in_as_a_ready_person(show: Show) -> None:
    page = show("sign_in_development")
    page.get_by_role("button", name="Continue as bob").click()
    assert posted(page) == ["/login", ("transaction", "t-1"), ("person", "bob")]


def test_sign_in_by_password_beside_the_ready_people(show: Show) -> None:
    page = show("sign_in_development")
    page.get_by_label("User name").fill("carol")
    page.get_by_label("Password").fill("secret words")
    page.keyboard.press("Enter")
    assert posted(page) == ["/login", ("transaction", "t-1"), ("username", "carol"), ("password", "secret words")]


def test_sign_in_needs_both(show: Show) -> None:
    page = show("sign_in_to_account")
    expect(page.get_by_label("User name")).to_have_value("alice@example.com")
    expect(page.get_by_label("Password")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("input:invalid")).to_have_attribute("name", "password")
    assert page.url.endswith("/sign_in_to_account")


def test_sign_in_says_what_was_wrong(show: Show) -> None:
    page = show("sign_in_wrong")
    expect(page).to_have_title("Error: Sign in")
    expect(page.get_by_role("alert")).to_contain_text("do not go together")
    expect(page.get_by_label("Password")).to_have_accessible_description(page.get_by_role("alert").inner_text())
    expect(show("sign_in_wait").get_by_role("alert")).to_contain_text("Wait 42 seconds")


DECISIONS = [
    ("Approve", "approve"),
    ("Deny", "deny"),
    ("Approve and show the callback URL", "show"),
]


@pytest.mark.parametrize(("button", "decision"), DECISIONS)
def test_decide(show: Show, button: str, decision: str) -> None:
    page = show("consent_loopback")
    page.get_by_role("button", name=button, exact=True).click()
    assert posted(page) == ["/consent", ("transaction", "t-2"), ("scope", "mcp:tools"), ("decision", decision)]


def test_approve_a_part(show: Show) -> None:
    page = show("consent")
    page.get_by_text("Write, change and delete your notes").click()
    page.get_by_role("button", name="Approve").click()
    scopes = [("scope", "notes:read"), ("scope", "offline_access")]
    assert posted(page) == ["/consent", ("transaction", "t-2"), *scopes, ("decision", "approve")]


def test_switch_person(show: Show) -> None:
    page = show("consent")
    page.get_by_role("button", name="Not you? Switch person").click()
    assert posted(page) == ["/consent", ("transaction", "t-2"), ("decision", "switch")]


def test_decide_by_keyboard(show: Show) -> None:
    page = show("consent_loopback")
    stops = ["Not you", "Use the tools", "Deny", "Approve", "Approve and show", "your account"]
    for stop in stops:
        page.keyboard.press("Tab")
        focused = page.locator(":focus")
        text = focused.evaluate("e => e.closest('label, button, a').innerText")
        assert text.startswith(stop)
        assert focused.evaluate("e => getComputedStyle(e).outlineStyle") != "none"
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Space")
    assert posted(page)[-1] == ("decision", "approve")


def test_enter_denies(show: Show) -> None:
    """Enter in a field presses the first button of its form: it must not be one that gives something away."""
    page = show("consent_loopback")
    page.get_by_role("checkbox").press("Enter")
    page.wait_for_url("**/consent")
    assert posted(page)[-1] == ("decision", "deny")


def test_consent_says_who_where_what(show: Show) -> None:
    """The row CON-10 of the hostile inputs."""
    page = show("consent_document")
    expect(page.get_by_role("heading", level=1)).to_have_text("“Claude Code” asks for access")
    for fact in ("claude.ai", "localhost:51723", "https://mcp.example.com/mcp", "notes:write"):
        expect(page.get_by_text(fact, exact=True)).to_be_visible()
    warning = page.get_by_role("region", name="Warning")
    expect(warning).to_contain_text("Nobody has checked this name")
    expect(warning).to_contain_text("a program on this computer")
    expect(show("consent").get_by_role("region", name="Warning")).to_have_count(0)


def test_hosts_are_shown_whole(show: Show) -> None:
    page = show("consent_nasty")
    expect(page.get_by_text(LONG_HOST, exact=True)).to_have_count(2)
    assert "7*7" in page.inner_text("h1")
    assert "49" not in page.inner_text("h1")


def test_copy_the_callback(show: Show) -> None:
    page = show("callback")
    field = page.get_by_label("Callback URL")
    expect(field).to_be_focused()
    page.keyboard.press("ControlOrMeta+a")
    assert field.evaluate("e => e.value.slice(e.selectionStart, e.selectionEnd)") == field.input_value()
    assert field.input_value().startswith("http://127.0.0.1:6274/oauth/callback?code=mcp_ac_")
    expect(field).not_to_be_editable()
    expect(page.get_by_role("region", name="Warning")).to_contain_text("only into the program you started yourself")


def test_form_post_posts_itself(opened: Show) -> None:
    page = opened("form_post")
    page.wait_for_url("**/received")
    assert posted(page) == ["/received", *FORM_POST]


def test_form_post_by_hand(show: Show) -> None:
    page = show("form_post")
    page.get_by_role("button", name="Continue").click()
    assert posted(page) == ["/received", *FORM_POST]


def test_revoke(show: Show) -> None:
    page = show("account")
    page.get_by_role("button", name="Revoke MCP Inspector").click()
    assert posted(page) == ["/account", ("transaction", "t-4"), ("connection", "f-2")]


def test_account_says_what_revoking_does(show: Show) -> None:
    page = show("account")
    expect(page.get_by_role("status")).to_contain_text("“Notebook” no longer has access")
    expect(page.get_by_text("ends within 15 minutes, or at once where the server")).to_be_visible()
    expect(page.get_by_text("24 November 2026, 10:00 UTC").first).to_be_visible()
    expect(show("account_empty").get_by_text("No program has access")).to_be_visible()


@pytest.mark.parametrize(("name", "transaction"), [("account", "t-4"), ("confirm_sign_out", "t-3")])
def test_sign_out(show: Show, name: str, transaction: str) -> None:
    page = show(name)
    page.get_by_role("button", name="Sign out").click()
    assert posted(page) == ["/logout", ("transaction", transaction)]


def test_signed_out_returns_only_when_asked(show: Show) -> None:
    page = show("signed_out")
    link = page.get_by_role("link", name="Return to “Notebook”")
    expect(link).to_have_attribute("href", "https://notebook.example.com/bye")
    expect(show("signed_out_alone").get_by_role("link", name="Return")).to_have_count(0)
