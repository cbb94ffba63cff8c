"""Scopes (RFC 6749 §3.3): what is read, what is kept, what a refresh may ask for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issuer.errors import InvalidScope
from issuer.protocol import scope

ALLOWED = [chr(c) for c in range(0x21, 0x7F) if chr(c) not in '"\\']
tokens = st.text(st.sampled_from(ALLOWED), min_size=1, max_size=12)
scopes = st.lists(tokens, max_size=8, unique=True).map(tuple)
# From so few that two of them often overlap in part.
some = st.lists(st.sampled_from("abcde"), max_size=5, unique=True).map(tuple)


@given(scopes)
def test_what_is_joined_is_read_back(tokens: tuple[str, ...]):
    assert scope.parse(scope.join(tokens)) == tokens


@given(st.lists(tokens, min_size=1, max_size=6), st.sampled_from([" ", "  ", "   "]))
def test_blanks_and_repetitions_do_not_matter_and_order_stays(tokens: list[str], blank: str):
    assert scope.parse(blank + blank.join(tokens) + blank) == tuple(dict.fromkeys(tokens))


@given(st.text(min_size=1, max_size=40))
def test_any_text_is_tokens_or_an_error(text: str):
    try:
        read = scope.parse(text)
    except InvalidScope:
        assert any(c not in [*ALLOWED, " "] for c in text)
    else:
        assert read == tuple(dict.fromkeys(text.split()))


@pytest.mark.parametrize("text", ['a"b', "a\\b", "a\tb", "a\nb", "é", "a\0", "a\x7f", "x" * 2049])
def test_what_no_scope_may_hold(text: str):
    with pytest.raises(InvalidScope):
        scope.parse(text)


@pytest.mark.parametrize("text", [None, "", " ", "   "])
def test_no_scope_is_no_tokens(text: str | None):
    assert scope.parse(text) == ()


@given(asked=some, known=st.sets(st.sampled_from("abcde")), default=some)
def test_only_known_scopes_are_granted(asked: tuple[str, ...], known: set[str], default: tuple[str, ...]):
    if not asked:
        assert scope.grantable(asked, known=known, default=default) == default
    elif known & set(asked):
        granted = scope.grantable(asked, known=known, default=default)
        assert set(granted) == known & set(asked)
        assert [token for token in asked if token in granted] == list(granted)
    else:
        with pytest.raises(InvalidScope, match="scopes_supported"):
            scope.grantable(asked, known=known, default=default)


def test_development_takes_any_scope_and_still_has_a_default():
    assert scope.grantable(("made:up",), known=(), default=("d",), any_scope=True) == ("made:up",)
    assert scope.grantable((), known=(), default=("d",), any_scope=True) == ("d",)


@given(granted=some, asked=some)
def test_a_refresh_may_narrow_and_never_widen(granted: tuple[str, ...], asked: tuple[str, ...]):
    if not asked:
        assert scope.narrowed(asked, granted) == granted
    elif set(asked) <= set(granted):
        assert scope.narrowed(asked, granted) == asked
    else:
        with pytest.raises(InvalidScope, match="beyond"):
            scope.narrowed(asked, granted)
