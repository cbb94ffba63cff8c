"""Row CON-17: signing out at the word of another site, or of a client that proves nothing."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from tests.hostile.forge import b64
from tests.hostile.rows import row
from tests.hostile.target import Target
from tests.hostile.test_con import AWAY, refused
from tests.support.oauth import Client, Person, answer_of, form_of

BYE = "https://app.example/bye"
STRANGER = rsa.generate_private_key(65537, 2048)
BENT_HINTS: dict[str, Callable[[str], str | None]] = {
    "none": lambda hint: None,
    "alg none": lambda hint: ".".join([bent_part(hint, 0, alg="none"), hint.split(".")[1], ""]),
    "no signature": lambda hint: hint.rpartition(".")[0] + ".",
    "another claim": lambda hint: ".".join([hint.split(".")[0], bent_part(hint, 1, sub="bob"), hint.split(".")[2]]),
    "signed by another": lambda hint: by_stranger(hint.rpartition(".")[0]),
}


def bent_part(hint: str, number: int, **changes: str) -> str:
    part = hint.split(".")[number]
    return b64(json.dumps({**json.loads(base64.urlsafe_b64decode(part + "==")), **changes}).encode())


def by_stranger(signed: str) -> str:
    return f"{signed}.{b64(STRANGER.sign(signed.encode(), padding.PKCS1v15(), SHA256()))}"


@row("CON-17")
def test_an_image_elsewhere_signs_nobody_out(issuer: Target, client: Client, person: Person) -> None:
    person.consent_page(client)
    with issuer.holds():
        answer = person.http.get("/logout", headers={"sec-fetch-site": "cross-site"})
    assert answer.status_code == 200
    assert 'name="decision"' in person.open(client).text, "still signed in"
    with issuer.holds():
        refused(person.http.post("/logout", data={**form_of(answer).fields}, headers=AWAY))


@row("CON-17")
@pytest.mark.parametrize("name", BENT_HINTS)
def test_a_hint_that_proves_nothing_leads_nowhere(issuer: Target, leaving: Client, person: Person, name: str) -> None:
    """The person says yes, and is signed out; whoever sent them is not known, and so gets no link."""
    hint = BENT_HINTS[name](id_token(leaving, person))
    assert "app.example" not in signed_out(issuer, person, id_token_hint=hint, post_logout_redirect_uri=BYE)


@row("CON-17")
@pytest.mark.parametrize(
    "uri",
    ["https://evil.example/", BYE + "?foo=bar", BYE + "/", BYE + "#x", "javascript:alert(1)", "//app.example/bye"],
)
def test_an_address_that_is_not_registered_is_no_link(
    issuer: Target, leaving: Client, person: Person, uri: str
) -> None:
    hint = id_token(leaving, person)
    text = signed_out(issuer, person, id_token_hint=hint, post_logout_redirect_uri=uri)
    assert 'href="account"' in text
    assert not [word for word in ("app.example", "evil.example", "javascript:") if word in text]
    hint = id_token(leaving, person)
    text = signed_out(issuer, person, id_token_hint=hint, post_logout_redirect_uri=BYE)
    assert f'href="{BYE}"' in text, "and for all else the same request is right"


@pytest.fixture
def leaving(issuer: Target) -> Client:
    return Client.register(issuer.client, client_name="Leaving", post_logout_redirect_uris=[BYE])


def id_token(client: Client, person: Person) -> str:
    question = person.consent_page(client, scope="openid")
    token: str = client.redeem(answer_of(person.approve(question))["code"]).json()["id_token"]
    return token


def signed_out(issuer: Target, person: Person, **asked: str | None) -> str:
    """The page after the yes; that it is a page, and what it holds, is judged by whoever asked."""
    with issuer.holds(changes=True, events=2):
        sent = {name: value for name, value in asked.items() if value is not None}
        question = person.http.get("/logout", params=sent, headers={"sec-fetch-site": "cross-site"})
        done = person.post(form_of(question))
    assert done.status_code == 200
    assert "location" not in done.headers
    assert not [name for name in person.http.cookies if name.startswith("session")], "signed out, whoever asked"
    return question.text + done.text
