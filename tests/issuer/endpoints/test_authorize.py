"""The walk of a person through /authorize, /login and /consent: who is asked what, and when nobody is."""

from __future__ import annotations

import dataclasses
import functools
import html
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.issuer.endpoints.conftest import operator_client
from tests.issuer.started import Issuer, started
from tests.requirements import requirement
from tests.support.oauth import Client, Person, answer_of, claims, form_of

from issuer import log
from issuer.store import Transaction
from issuer.web.interaction import Situation

ITSELF = {"sec-fetch-site": "none"}
HTTPS = ("https://app.test/cb",)


def where(page: httpx.Response) -> str:
    """What the issuer answered with."""
    if page.status_code == 303:
        return answer_of(page).get("error", "code")
    assert page.status_code == 200, page.text[:300]
    return "sign in" if 'name="password"' in page.text else "consent"


def signed_in(issuer: Issuer, client: Client) -> Person:
    alice = Person(issuer.origin)
    assert where(alice.consent_page(client)) == "consent"
    return alice


def test_nobody_is_signed_in(client: Client, person: Person):
    assert where(person.open(client)) == "sign in"
    assert where(person.open(client, prompt="none")) == "login_required"
    assert where(person.open(client, prompt="login")) == "sign in"


def test_a_sign_in_holds_for_the_next_program(issuer: Issuer, client: Client):
    alice = signed_in(issuer, client)
    assert where(alice.open(Client.register(issuer.http))) == "consent"


def test_a_program_that_registered_itself_is_asked_for_every_time(issuer: Issuer, client: Client):
    alice = signed_in(issuer, client)
    for _ in range(2):
        page = alice.http.get("/authorize", params=client.parameters(), headers=ITSELF)
        assert where(page) == "consent"
        assert where(alice.approve(page)) == "code"
    assert where(alice.open(client, prompt="none")) == "consent_required"


def test_prompt_login_asks_for_the_password_again_and_once(issuer: Issuer, client: Client):
    alice = signed_in(issuer, client)
    for prompt in ("login", "select_account"):
        page = alice.open(client, prompt=prompt)
        assert where(page) == "sign in"
        issuer.clock.now += 5
        question = alice.sign_in(page)
        assert where(question) == "consent"
        token = client.redeem(answer_of(alice.approve(question))["code"]).json()
        assert claims(token["access_token"])["iat"] == issuer.clock.now


@requirement("oidc-3.1.2.1")
def test_only_the_person_of_the_hint_will_do(issuer: Issuer, client: Client):
    """OpenID Connect Core §3.1.2.1, §3.1.2.2: never a code for somebody else than the ID token was for."""
    alice, bob = signed_in(issuer, client), Person(issuer.origin, "bob")
    question = alice.open(client, scope="openid")
    hint = client.redeem(answer_of(alice.approve(question))["code"]).json()["id_token"]
    issuer.clock.now += 100_000  # it may have expired long ago
    bob.consent_page(client)
    assert where(alice.consent_page(client, id_token_hint=hint)) == "consent"
    assert where(bob.open(client, id_token_hint=hint, prompt="none")) == "login_required"
    page = bob.open(client, id_token_hint=hint)
    assert where(page) == "sign in"
    assert where(bob.sign_in(page)) == "login_required"
    page, bob.name = bob.open(client, id_token_hint=hint), "alice"
    assert where(bob.sign_in(page)) == "consent"


def test_a_hint_must_be_an_id_token_for_this_client(issuer: Issuer, client: Client):
    alice, other = signed_in(issuer, client), Client.register(issuer.http)
    token = client.redeem(answer_of(alice.approve(alice.open(client, scope="openid")))["code"]).json()
    for asking, hint in ((client, "x.y.z"), (client, token["access_token"]), (other, token["id_token"])):
        assert where(alice.open(asking, id_token_hint=hint)) == "invalid_request"


def test_a_client_with_one_address_need_not_say_it(issuer: Issuer):
    client = operator_client(issuer, "one", redirect_uris=HTTPS)
    client.redirect_uri = HTTPS[0]
    alice = signed_in(issuer, client)
    for said_first, said_then in ((None, None), (None, HTTPS[0]), (HTTPS[0], None)):
        question = alice.open(client, redirect_uri=said_first, prompt="consent")
        code = answer_of(alice.approve(question))["code"]
        assert client.redeem(code, redirect_uri=HTTPS[0] + "/").json()["error"] == "invalid_grant"
        assert client.redeem(code, redirect_uri=said_then).status_code == 200


def test_a_client_that_must_say_its_address_is_told_so(client: Client, person: Person):
    page = person.open(client, redirect_uri=None)
    assert page.status_code == 400
    assert "does not say where to return to" in page.text


def test_max_age_counts_from_the_sign_in_and_is_told(issuer: Issuer, client: Client):
    alice = signed_in(issuer, client)
    began = issuer.clock.now
    issuer.clock.now += 100
    assert where(alice.open(client, max_age=100)) == "consent"
    assert where(alice.open(client, max_age=99)) == "sign in"
    assert where(alice.open(client, max_age=99, prompt="none")) == "login_required"
    question = alice.open(client, max_age=100, scope="openid")
    first = client.redeem(answer_of(alice.approve(question))["code"]).json()
    assert claims(first["id_token"])["auth_time"] == began
    again = alice.sign_in(alice.open(client, max_age=0, scope="openid"))
    second = client.redeem(answer_of(alice.approve(again))["code"]).json()
    assert claims(second["id_token"])["auth_time"] == began + 100


def test_a_sign_in_ends_when_it_is_not_used(issuer: Issuer, client: Client):
    """Eight hours unless set otherwise; each use counts."""
    alice = signed_in(issuer, client)
    for _ in range(3):
        issuer.clock.now += 8 * 3600 - 1
        assert where(alice.open(client)) == "consent"
    issuer.clock.now += 8 * 3600
    assert where(alice.open(client)) == "sign in"


def test_a_sign_in_ends_after_a_week_however_used(issuer: Issuer, client: Client):
    alice = signed_in(issuer, client)
    for _ in range(27):
        issuer.clock.now += 6 * 3600
        assert where(alice.open(client)) == "consent"
    issuer.clock.now += 6 * 3600
    assert where(alice.open(client)) == "sign in"


# -- remembered consent ----------------------------------------------------------------------------------


def test_consent_is_remembered_for_the_operators_clients_alone(issuer: Issuer):
    """Whom the operator registered, and who can prove itself: by a secret, or by an https address of its own."""
    cases: list[tuple[dict[str, Any], bool]] = [
        ({}, True),
        ({"auth_method": "none", "secrets": (), "redirect_uris": HTTPS}, True),
        ({"auth_method": "none", "secrets": ()}, False),
        ({"auth_method": "none", "secrets": (), "redirect_uris": (*HTTPS, "http://127.0.0.1/callback")}, False),
        ({"auth_method": "none", "secrets": (), "redirect_uris": ("com.example.app:/cb",)}, False),
        ({"origin": "dynamic"}, False),
        ({"origin": "document"}, False),
    ]
    for number, (changes, remembered) in enumerate(cases):
        origin = changes.pop("origin", "operator")
        client = operator_client(issuer, f"remembered-{number}", **changes)
        client.redirect_uri = changes.get("redirect_uris", ("http://127.0.0.1/callback",))[0]
        if origin != "operator":
            let_in_by(origin, client, issuer)
        alice = signed_in(issuer, client)
        assert where(alice.approve(alice.open(client))) == "code"
        page = alice.http.get("/authorize", params=client.parameters(), headers=ITSELF)
        assert where(page) == ("code" if remembered else "consent"), changes
        if remembered:
            assert client.redeem(answer_of(page)["code"]).status_code == 200


@pytest.mark.parametrize("prompt", [None, "none"])
def test_what_was_decided_by_counts_until_the_code_is_stored(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch, prompt: str | None
):
    """Between the decision and the code the person is signed out everywhere, or takes the consent back."""

    def sign_out(tx: Transaction, subject: str) -> None:
        tx.sessions.remove_of(subject)

    def take_back(tx: Transaction, subject: str) -> None:
        tx.consents.remove(subject, client.id)

    store = issuer.server.store
    read = store.read
    for meanwhile, leads_to in ((sign_out, "sign in"), (take_back, "consent")):
        client = operator_client(issuer, f"{meanwhile.__name__}-{prompt}")
        alice = signed_in(issuer, client)
        alice.approve(alice.open(client))
        person = issuer.run(lambda tx: tx.users.named("alice"))
        assert person is not None
        due = [functools.partial(meanwhile, subject=person.subject)]

        async def read_and_go_on(work: Any, due: list[Any] = due) -> Any:
            found = await read(work)
            if isinstance(found, Situation) and due:
                await store.write(due.pop())
            return found

        asked = client.parameters(**({"prompt": prompt} if prompt else {}))
        with monkeypatch.context() as patch:
            patch.setattr(store, "read", read_and_go_on)
            page = alice.http.get("/authorize", params=asked, headers=ITSELF)
        refused = {"sign in": "login_required", "consent": "consent_required"}[leads_to]
        assert where(page) == (refused if prompt else leads_to)


def let_in_by(origin: Any, client: Client, issuer: Issuer) -> None:
    def change(tx: Transaction) -> None:
        found = tx.clients.get(client.id)
        assert found is not None
        tx.clients.put(dataclasses.replace(found, origin=origin))

    issuer.run(change)


@pytest.mark.parametrize("site", ["none", "same-origin"])
def test_prompt_none_works_where_consent_is_remembered(issuer: Issuer, site: str):
    client = operator_client(issuer, f"silent-{site}")
    alice = signed_in(issuer, client)
    alice.approve(alice.open(client))
    silent = client.parameters(prompt="none")
    assert where(alice.http.get("/authorize", params=silent, headers={"sec-fetch-site": site})) == "code"
    for other in ("cross-site", "same-site", ""):
        answer = alice.http.get("/authorize", params=silent, headers={"sec-fetch-site": other})
        assert where(answer) == "consent_required"
    spoken = client.parameters(prompt="consent")
    assert where(alice.http.get("/authorize", params=spoken, headers=ITSELF)) == "consent"


def test_consent_covers_what_was_agreed_to_and_no_more(issuer: Issuer):
    client = operator_client(issuer, "covered")
    alice = signed_in(issuer, client)
    asked = "notes:read notes:write"
    assert where(alice.approve(alice.open(client, scope=asked), scope="notes:read")) == "code"

    def silently(**changes: Any) -> str:
        return where(alice.http.get("/authorize", params=client.parameters(**changes), headers=ITSELF))

    assert silently(scope="notes:read") == "code"
    assert silently(scope=asked) == "consent"
    assert silently(scope="mcp:tools") == "consent"
    assert silently(scope="notes:read", redirect_uri="http://127.0.0.1:8001/callback") == "consent"
    bob = Person(issuer.origin, "bob")
    assert where(bob.consent_page(client, scope="notes:read")) == "consent"


def test_consent_of_a_client_that_is_trusted_no_more_is_forgotten(issuer: Issuer):
    """The operator made it public: who answers at that loopback address, nobody can prove from now on."""
    client = operator_client(issuer, "made-public")
    alice = signed_in(issuer, client)
    alice.approve(alice.open(client))
    assert where(alice.http.get("/authorize", params=client.parameters(), headers=ITSELF)) == "code"

    def make_public(tx: Transaction) -> None:
        known = tx.clients.get(client.id)
        assert known
        tx.clients.put(dataclasses.replace(known, auth_method="none", secrets=()))

    issuer.run(make_public)
    assert where(alice.http.get("/authorize", params=client.parameters(), headers=ITSELF)) == "consent"


# -- how the answer goes back ----------------------------------------------------------------------------


def test_a_redirect_tells_nobody_else(client: Client, person: Person):
    """Neither the code nor the pages on the way to it are kept, or told to the next site as the one before it."""
    sign_in = person.open(client)
    onward = person.post(form_of(sign_in), person="alice")
    question = person.http.get(onward.headers["location"])
    for moved in (onward, person.approve(question), person.open(client, scope='a"b')):
        assert moved.status_code == 303
        assert moved.headers["cache-control"] == "no-store"
        assert moved.headers["referrer-policy"] == "no-referrer"


def test_the_answer_names_the_issuer_and_gives_state_back_untouched(client: Client, person: Person):
    state = "a b+c%20\u00e9&=?#\"'<>"
    answer = answer_of(person.approve(person.consent_page(client, state=state)))
    assert set(answer) == {"code", "state", "iss"}
    assert (answer["state"], answer["iss"]) == (state, person.origin)
    denied = answer_of(person.approve(person.consent_page(client, state=state), decision="deny"))
    assert denied == {
        "error": "access_denied",
        "error_description": "the person said no",
        "state": state,
        "iss": person.origin,
    }
    assert "state" not in answer_of(person.open(client, state=None, scope='"'))


def test_form_post_carries_the_answer_in_a_page(client: Client, person: Person):
    page = person.approve(person.consent_page(client, response_mode="form_post", state='"><script>'))
    assert page.status_code == 200
    form = form_of(page)
    assert form.action == client.redirect_uri
    assert (form.fields["state"], form.fields["iss"]) == ('"><script>', person.origin)
    assert client.redeem(form.fields["code"]).status_code == 200
    assert page.headers["cache-control"] == "no-store"
    error = form_of(person.open(client, response_mode="form_post", prompt="none", max_age="x"))
    assert error.fields["error"] == "invalid_request"


def test_a_request_by_post_starts_again_as_get(client: Client, person: Person):
    sent = client.parameters(resource=["http://127.0.0.1:8000/mcp"], state="\u00e9 +&")
    moved = person.http.post("/authorize", data=sent)
    assert moved.status_code == 303
    assert where(person.http.get(moved.headers["location"])) == "sign in"
    question = person.sign_in(person.http.get(moved.headers["location"]))
    assert answer_of(person.approve(question))["state"] == "\u00e9 +&"


def test_a_page_for_whoever_cannot_be_sent_back(client: Client, person: Person):
    for bent in ({"redirect_uri": "https://evil.test"}, {"client_id": "unknown"}, {"redirect_uri": None}):
        page = person.open(client, **bent)
        assert (page.status_code, "location" in page.headers) == (400, False)
        assert page.headers["content-type"].startswith("text/html")
    assert "https://evil.test" in person.open(client, redirect_uri="https://evil.test").text
    bad_escape = person.http.get("/authorize?client_id=%zz")
    assert (bad_escape.status_code, bad_escape.headers["content-type"][:9]) == (400, "text/html")


def test_a_page_says_what_is_wrong_with_the_request_itself(client: Client, person: Person):
    """It sends nobody to remove a sign-in that is good, nor to register an address that is."""
    nameless = person.open(client, client_id=None)
    assert "names no program" in nameless.text
    assert "Remove the stored sign-in" not in nameless.text
    twice = person.open(client, client_id=[client.id] * 2)
    assert (nameless.status_code, twice.status_code) == (400, 400)
    assert "The request cannot be read" in twice.text
    assert "unknown address" not in twice.text


def test_scopes_that_are_dropped_are_told_to_the_operator(
    issuer: Issuer, public: Issuer, client: Client, person: Person, monkeypatch: pytest.MonkeyPatch
):
    noted: dict[str, object] = {}
    monkeypatch.setattr(log, "note", noted.update)
    person.open(client, scope="mcp:tools strange")
    assert "scope_dropped" not in noted, "in development any scope is granted"
    other = operator_client(public, "dropped", redirect_uris=HTTPS)
    other.authorize(scope="mcp:tools strange nötes", redirect_uri=HTTPS[0])
    assert noted["error"] == "invalid_scope", "characters that no scope has are refused"
    other.authorize(scope="strange mcp:tools more openid", redirect_uri=HTTPS[0])
    assert noted["scope_dropped"] == "strange more"


def test_outside_development_the_page_shows_nothing_that_was_sent(public: Issuer):
    page = public.http.get("/authorize", params={"client_id": "wwwwwwww", "redirect_uri": "https://evil.test"})
    assert page.status_code == 400
    assert "evil.test" not in page.text
    assert "wwwwwwww" not in page.text
    request_id = page.headers["x-request-id"]
    assert request_id in page.text


def test_the_sole_redirect_uri_need_not_be_sent(issuer: Issuer, person: Person):
    """OAuth 2.1 §4.1.1 lets it out where one is registered; the token request then names it all the same."""
    client = operator_client(issuer, "sole", redirect_uris=HTTPS)
    client.redirect_uri = HTTPS[0]
    code = answer_of(person.approve(person.consent_page(client, redirect_uri=None)))["code"]
    assert client.redeem(code).status_code == 200


def test_a_client_of_machines_cannot_send_people(issuer: Issuer, person: Person):
    client = operator_client(issuer, "no-people", grant_types=("client_credentials",))
    assert where(person.open(client)) == "unauthorized_client"


# -- automatic approval ----------------------------------------------------------------------------------


def test_automatic_approval_is_for_programs_and_loopback(tmp_path: Path):
    with started(tmp_path, ISSUER_AUTO_APPROVE="alice") as issuer:
        client = Client.register(issuer.http, redirect_uris=["http://127.0.0.1/callback", "https://app.test/cb"])
        sent = client.parameters(scope="openid mcp:tools")
        assert client.tokens(scope="openid mcp:tools")["scope"] == "openid mcp:tools"
        assert claims(client.tokens()["access_token"])["sub"] == "alice"
        for site in ("cross-site", "same-site", "same-origin"):
            assert where(issuer.http.get("/authorize", params=sent, headers={"sec-fetch-site": site})) == "sign in"
        assert where(issuer.http.get("/authorize", params=sent, headers=ITSELF)) == "code"
        elsewhere = {**sent, "redirect_uri": "https://app.test/cb"}
        assert where(issuer.http.get("/authorize", params=elsewhere)) == "sign in"
        assert where(issuer.http.get("/authorize", params={**sent, "code_challenge": "x"})) == "invalid_request"


def test_automatic_approval_of_somebody_unknown_is_a_page_that_says_so(tmp_path: Path):
    with started(tmp_path, ISSUER_AUTO_APPROVE="carol") as issuer:
        page = Client.register(issuer.http).authorize()
        assert page.status_code == 400
        assert "ISSUER_AUTO_APPROVE" in html.unescape(page.text)
        assert not re.search(r"\bcode=", page.text)
