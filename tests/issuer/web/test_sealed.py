"""Seals: whatever was sealed comes back, and nobody but the holder of the secret can make one."""

from __future__ import annotations

import base64

from hypothesis import given
from hypothesis import strategies as st

from issuer.web.sealed import seal, unseal

SECRET = bytes(range(32))
text = st.text(st.characters(codec="utf-8"), max_size=12)
values = text | st.integers() | st.booleans() | st.none() | st.lists(text, max_size=3)
contents = st.dictionaries(text, values, max_size=4)


@given(contents, st.binary(min_size=32, max_size=32))
def test_what_is_sealed_comes_back_to_its_maker_alone(content: dict[str, object], other: bytes):
    sealed = seal(SECRET, content)
    assert unseal(SECRET, sealed) == content
    assert (unseal(other, sealed) is None) == (other != SECRET)


@given(contents, st.integers(0, 10_000), st.characters(codec="ascii"))
def test_a_changed_character_breaks_the_seal(content: dict[str, object], place: int, character: str):
    sealed = seal(SECRET, content)
    place %= len(sealed)
    changed = sealed[:place] + character + sealed[place + 1 :]
    assert (unseal(SECRET, changed) is None) == (changed != sealed)


@given(st.text(max_size=60))
def test_any_text_is_no_seal(made_up: str):
    assert unseal(SECRET, made_up.encode("utf-8", "replace").decode()) is None


def test_a_seal_has_one_spelling():
    sealed = seal(SECRET, {"a": 1})
    for near in (sealed.upper(), sealed + "=", sealed + "A", " " + sealed, sealed[:-1], sealed + "\n"):
        assert unseal(SECRET, near) is None


def test_a_seal_is_text_that_a_form_and_a_url_can_carry():
    sealed = seal(SECRET, {"a": '\u00e9\U0001f600<>&"'})
    assert sealed.isascii()
    assert not set(sealed) & set("<>&\"'+ ")


def test_a_seal_that_is_too_long_is_not_even_checked():
    sealed = seal(SECRET, {"a": "x" * 40_000})
    assert unseal(SECRET, sealed) is None
    assert base64.urlsafe_b64decode(sealed.partition(".")[0]).startswith(b'{"a":"x')
