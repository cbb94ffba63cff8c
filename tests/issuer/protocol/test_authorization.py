"""The authorization request (OAuth 2.1 §4.1.1, OpenID Connect Core §3.1.2.1): what is read, and what comes next."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issuer.errors import OAuthError
from issuer.protocol import authorization
from issuer.protocol.authorization import AuthorizationRequest, IssueCode, Rules, ShowConsent, ShowLogin
from issuer.web.form import Form

RULES = Rules(scopes={"a", "b", "openid"}, default_scope=("a",), any_scope=False, resources={"https://r.test/mcp": "x"})
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
LEAST = {"response_type": "code", "code_challenge": CHALLENGE, "code_challenge_method": "S256"}


def read(*more: tuple[str, str], without: str = "", **parameters: str) -> AuthorizationRequest:
    pairs = [(name, value) for name, value in {**LEAST, **parameters}.items() if name != without]
    return authorization.read(Form([*pairs, *more]), RULES, {"alice's token": "alice"}.get)


def refusal(*more: tuple[str, str], without: str = "", **parameters: str) -> str:
    with pytest.raises(OAuthError) as refused:
        read(*more, without=without, **parameters)
    return refused.value.code


def test_the_least_there_can_be():
    assert read() == AuthorizationRequest(
        scope=("a",),
        resources=("https://r.test/mcp",),
        code_challenge=CHALLENGE,
        nonce=None,
        prompt=frozenset(),
        max_age=None,
        login_hint=None,
        subject=None,
    )


def test_all_there_can_be():
    asked = read(scope="openid b x", nonce="n", prompt="login consent", max_age="0", login_hint="alice", state="s")
    assert asked.scope == ("openid", "b")
    assert (asked.nonce, asked.max_age, asked.login_hint) == ("n", 0, "alice")
    assert read(id_token_hint="alice's token").subject == "alice"
    assert asked.prompt == {"login", "consent"}
    assert read(response_mode="form_post", resource="https://r.test/mcp", x="y") == read(response_mode="query")


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"without": "response_type"}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code id_token"}, "unsupported_response_type"),
        ({"response_type": "Code"}, "unsupported_response_type"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"response_mode": "query.jwt"}, "invalid_request"),
        ({"without": "code_challenge"}, "invalid_request"),
        ({"without": "code_challenge_method"}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"scope": "unknown"}, "invalid_scope"),
        ({"scope": 'a"'}, "invalid_scope"),
        ({"resource": "https://other.test"}, "invalid_target"),
        ({"request": "eyJ"}, "request_not_supported"),
        ({"request_uri": "https://x.test"}, "request_uri_not_supported"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"max_age": "-1"}, "invalid_request"),
        ({"max_age": "1.5"}, "invalid_request"),
        ({"max_age": "1e3"}, "invalid_request"),
        ({"max_age": "\u0661"}, "invalid_request"),
        ({"max_age": "9" * 10}, "invalid_request"),
        ({"max_age": " 1"}, "invalid_request"),
        ({"nonce": "n" * 513}, "invalid_request"),
        ({"login_hint": "n" * 257}, "invalid_request"),
        ({"id_token_hint": "another token"}, "invalid_request"),
    ],
)
def test_what_goes_back_to_the_client_as_an_error(parameters: dict[str, str], code: str):
    assert refusal(**parameters) == code


@pytest.mark.parametrize("name", [*LEAST, "scope", "state", "nonce", "prompt", "unknown"])
def test_a_parameter_stands_once(name: str):
    assert refusal((name, "one"), (name, "two")) == "invalid_request"


def test_prompts_that_nobody_defined_are_ignored():
    assert read(prompt="create login").prompt == {"login"}
    assert read(prompt="create").prompt == frozenset()


NOW = 1000
prompts = st.sets(st.sampled_from(["login", "consent", "select_account"])) | st.just({"none"})
situations = st.fixed_dictionaries(
    {
        "auth_time": st.none() | st.integers(NOW - 200, NOW),
        "subject": st.sampled_from(["alice", "bob"]),
        "signed_in_for_this": st.booleans(),
        "consented": st.booleans(),
    }
)


def asked(prompt: set[str], max_age: int | None, hinted: str | None = None) -> AuthorizationRequest:
    return AuthorizationRequest(("a",), ("r",), CHALLENGE, None, frozenset(prompt), max_age, None, hinted)


@given(prompts, st.none() | st.integers(0, 300), st.none() | st.just("alice"), situations)
def test_the_next_step(prompt: set[str], max_age: int | None, hinted: str | None, situation: dict[str, Any]):
    """Each step, told from the sentences of OpenID Connect Core §3.1.2.3 instead of from the code."""
    nobody = situation["auth_time"] is None
    if nobody:
        situation = {**situation, "subject": None}
    too_old = not nobody and max_age is not None and (max_age == 0 or NOW - situation["auth_time"] > max_age)
    another = hinted is not None and not nobody and situation["subject"] != hinted
    once_more = too_old or {"login", "select_account"} & prompt or another
    must_sign_in = nobody or (once_more and not situation["signed_in_for_this"])
    must_agree = not situation["consented"] or "consent" in prompt
    if another and not must_sign_in:
        expected: object = "login_required"
    elif prompt != {"none"}:
        expected = ShowLogin() if must_sign_in else ShowConsent() if must_agree else IssueCode()
    else:
        expected = "login_required" if must_sign_in else "consent_required" if must_agree else IssueCode()
    try:
        step: object = authorization.decide(asked(prompt, max_age, hinted), now=NOW, **situation)
    except OAuthError as error:
        step = error.code
    assert step == expected


def test_a_sign_in_older_than_max_age_is_asked_for_again_just_then():
    def step(max_age: int, auth_time: int, signed_in_for_this: bool = False) -> object:
        return authorization.decide(
            asked(set(), max_age),
            subject="alice",
            auth_time=auth_time,
            signed_in_for_this=signed_in_for_this,
            consented=True,
            now=NOW,
        )

    assert step(100, NOW - 100) == IssueCode()
    assert step(100, NOW - 101) == ShowLogin()
    assert step(0, NOW) == ShowLogin()
    assert step(0, NOW - 1, signed_in_for_this=True) == IssueCode()
