"""Signing out (OpenID Connect RP-Initiated Logout 1.0): the person is asked, and only a proven client gets its link."""

from __future__ import annotations

import html
from typing import Any

import httpx
import pytest
from tests.issuer.started import Issuer
from tests.support.oauth import Client, Person, answer_of, form_of

BYE = "https://app.test/bye"


@pytest.fixture
def app(issuer: Issuer) -> Client:
    return Client.register(issuer.http, client_name="An app", post_logout_redirect_uris=[BYE, BYE + "?kept=1"])


def id_token(client: Client, person: Person) -> str:
    question = person.consent_page(client, scope="openid")
    token: str = client.redeem(answer_of(person.approve(question))["code"]).json()["id_token"]
    return token


def signed_in(person: Person) -> bool:
    return 'name="password"' not in person.http.get("/account").text


def leave(person: Person, **parameters: Any) -> httpx.Response:
    """Ask to sign out and confirm it."""
    question = person.http.get("/logout", params=parameters)
    assert question.status_code == 200
    assert signed_in(person), "asking alone ends nothing"
    return person.post(form_of(question))


def test_a_proven_client_gets_a_link_back_and_nobody_is_redirected(app: Client, person: Person):
    token = id_token(app, person)
    done = leave(person, id_token_hint=token, post_logout_redirect_uri=BYE, state="a&b c")
    assert done.status_code == 200
    assert f'href="{BYE}?state=a%26b%20c"' in html.unescape(done.text)
    assert "An app" in done.text
    assert not signed_in(person)
    assert "session" not in "".join(person.http.cookies.keys())


def test_the_query_of_the_registered_address_stays(app: Client, person: Person):
    token = id_token(app, person)
    done = leave(person, id_token_hint=token, post_logout_redirect_uri=BYE + "?kept=1", state="s", client_id=app.id)
    assert f'href="{BYE}?kept=1&state=s"' in html.unescape(done.text)


@pytest.mark.parametrize(
    "bent",
    [
        {"id_token_hint": None},
        {"id_token_hint": "x.y.z"},
        {"id_token_hint": "eyJhbGciOiJub25lIn0.e30."},
        {"post_logout_redirect_uri": None},
        {"post_logout_redirect_uri": BYE + "/"},
        {"post_logout_redirect_uri": BYE + "?foo=bar"},
        {"post_logout_redirect_uri": "https://evil.test"},
        {"post_logout_redirect_uri": "javascript:alert(1)"},
        {"client_id": "another"},
    ],
)
def test_whatever_is_not_proven_or_registered_gets_no_link(app: Client, person: Person, bent: dict[str, str | None]):
    asked = {"id_token_hint": id_token(app, person), "post_logout_redirect_uri": BYE, **bent}
    done = leave(person, **{name: value for name, value in asked.items() if value is not None})
    assert done.status_code == 200
    assert "app.test" not in done.text
    assert "evil.test" not in done.text
    assert "javascript" not in done.text
    assert not signed_in(person)


def test_an_access_token_is_no_hint(app: Client, person: Person):
    question = person.consent_page(app)
    token = app.redeem(answer_of(person.approve(question))["code"]).json()["access_token"]
    assert "app.test" not in leave(person, id_token_hint=token, post_logout_redirect_uri=BYE).text


def test_a_hint_may_have_expired(issuer: Issuer, app: Client, person: Person):
    token = id_token(app, person)
    issuer.clock.now += 3600
    assert f'href="{BYE}"' in leave(person, id_token_hint=token, post_logout_redirect_uri=BYE).text


def test_a_client_may_post_its_request(issuer: Issuer, app: Client, person: Person):
    """From another site the browser brings no cookie with a post: who answered that would take everybody for gone."""
    asked = {"id_token_hint": id_token(app, person), "post_logout_redirect_uri": BYE}
    moved = httpx.post(issuer.origin + "/logout", data=asked, headers={"sec-fetch-site": "cross-site"})
    assert moved.status_code == 303
    question = person.http.get(moved.headers["location"])
    assert signed_in(person)
    assert f'href="{BYE}"' in person.post(form_of(question)).text
    assert not signed_in(person)


@pytest.mark.parametrize("name", ["post_logout_redirect_uri", "state", "id_token_hint"])
def test_what_is_said_twice_has_no_right_value(app: Client, person: Person, name: str):
    asked = {"id_token_hint": id_token(app, person), "post_logout_redirect_uri": BYE, "state": "s"}
    question = person.http.get("/logout", params=[*asked.items(), (name, asked[name])])
    assert question.status_code == 400
    assert signed_in(person)
    assert person.http.post("/logout", data={**asked, name: [asked[name]] * 2}).status_code == 400


def test_another_site_signs_nobody_out(app: Client, person: Person):
    person.consent_page(app)
    form = form_of(person.http.get("/logout"))
    for headers in ({"sec-fetch-site": "cross-site"}, {"origin": "https://evil.test"}):
        assert person.http.post("/logout", data=form.fields, headers=headers).status_code == 403
    assert signed_in(person)
    person.post(form)
    assert not signed_in(person)
    assert person.post(form).status_code == 403


def test_a_yes_counts_once(app: Client, person: Person):
    """Also from a browser that kept the cookie of the sign-in that it ended."""
    person.consent_page(app)
    form = form_of(person.http.get("/logout"))
    before = httpx.Cookies(person.http.cookies)
    assert person.post(form).status_code == 200
    person.http.cookies = before
    assert person.post(form).status_code == 403


def test_whoever_is_not_signed_in_is_told_so(person: Person):
    page = person.http.get("/logout")
    assert page.status_code == 200
    assert "<form" not in page.text


def test_tokens_of_programs_go_on(app: Client, person: Person):
    """Signing out ends the browser's session, not what programs were let in for."""
    question = person.consent_page(app)
    token = app.redeem(answer_of(person.approve(question))["code"]).json()["refresh_token"]
    leave(person)
    assert app.refresh(token).status_code == 200
