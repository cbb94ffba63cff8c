"""What pages are made of: headers, escaping and words; no browser needed."""

from __future__ import annotations

import base64
import hashlib
import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.issuer.pages.gallery import GALLERY, LONG_HOST, consent, sign_in

from issuer.web import pages, render

STATUS = {"sign_in_wrong": 403, "sign_in_wait": 429, "error": 403, "error_development": 400}


def hashes(text: str, tag: str) -> list[str]:
    found = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
    return ["'sha256-" + base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() + "'" for s in found]


@pytest.mark.parametrize("name", GALLERY)
def test_headers(name: str) -> None:
    """The row CON-04 of the hostile inputs."""
    response = GALLERY[name]()
    text = bytes(response.body).decode()
    script = hashes(text, "script") if name == "form_post" else ["'none'"]
    assert response.status_code == STATUS.get(name, 200)
    assert dict(response.headers) == {
        "content-security-policy": f"default-src 'none'; style-src {hashes(text, 'style')[0]}; script-src {script[0]}; "
        "img-src data:; base-uri 'none'; frame-ancestors 'none'",
        "x-frame-options": "DENY",
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cache-control": "no-store",
        "content-length": str(len(response.body)),
        "content-type": "text/html; charset=utf-8",
    } | ({"retry-after": "42"} if name == "sign_in_wait" else {})


@pytest.mark.parametrize("name", GALLERY)
def test_forms_post_below_the_issuer_with_their_transaction(name: str) -> None:
    forms = re.findall(r"<form.*?</form>", bytes(GALLERY[name]().body).decode(), re.DOTALL)
    if name == "form_post":
        assert len(forms) == 1
        return
    for form in forms:
        assert re.search(r'method="post" action="(login|consent|logout|account)"', form)
        assert re.search(r'<input type="hidden" name="transaction" value="t-\d">', form)


@given(st.text(st.characters(exclude_categories=())))
def test_any_text_stays_text(text: str) -> None:
    """The row CON-03: whatever was sent, the page has the same tags as with a harmless word."""

    def tags(word: str) -> list[str]:
        scopes = [pages.ScopeLine(word, word + ".")]
        page = consent(client_name=word, client_id_host=word + "h", redirect_host=word, scopes=scopes, person=word)
        error = pages.error(status=400, title=word, explain=word, fix=word, details=[(word, word)], request_id="r")
        return re.findall(r"<[a-z/!][a-z0-9]*", (bytes(page.body) + bytes(error.body)).decode())

    assert tags(text) == tags("word")


@given(st.text(st.characters(exclude_categories=("Cc", "Cs"))))
def test_values_arrive_as_they_were(text: str) -> None:
    body = bytes(pages.form_post(action="https://a.example/cb", fields=[("state", text)]).body).decode()
    value = re.search(r'name="state" value="(.*?)">', body, re.DOTALL)
    assert value
    assert html.unescape(value[1]) == text


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Claude", "Claude"),
        ("  a \n\t b ", "a b"),
        ("\u202eedualC", "edualC"),
        ("Cla\u200bude", "Cla ude"),
        ("", "no name"),
        ("\u2066\u200f\x00", "no name"),
        ("x" * 80, "x" * 80),
        ("x" * 81, "x" * 79 + "…"),
    ],
)
def test_names_of_strangers(name: str, shown: str) -> None:
    body = bytes(consent(client_name=name).body).decode()
    assert f"“<bdi>{shown}</bdi>” asks for access" in body


def test_hosts_are_never_cut() -> None:
    assert f"<bdi>{LONG_HOST}</bdi>" in bytes(consent(redirect_host=LONG_HOST).body).decode()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (1, "1 second"),
        (59, "59 seconds"),
        (60, "1 minute"),
        (61, "61 seconds"),
        (121, "3 minutes"),
        (3600, "1 hour"),
        (7300, "3 hours"),
    ],
)
def test_durations_are_long_enough(seconds: int, words: str) -> None:
    body = bytes(sign_in(retry_after=seconds).body).decode()
    assert f"Wait {words}, then" in body


def test_every_template_is_compiled_at_start() -> None:
    assert {name.removesuffix(".html") for name in render._TEMPLATES} >= {
        "sign_in", "consent", "callback", "form_post", "error", "signed_out", "confirm_sign_out", "account",
    }  # fmt: skip
