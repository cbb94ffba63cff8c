"""PKCE (RFC 7636): the vector of Appendix B, and a round trip for every verifier there can be."""

from __future__ import annotations

import base64
import hashlib
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issuer.errors import InvalidGrant, InvalidRequest
from issuer.protocol import pkce

# RFC 7636 Appendix B.
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
UNRESERVED = string.ascii_letters + string.digits + "-._~"
verifiers = st.text(UNRESERVED, min_size=43, max_size=128)


def challenge_of(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode("ascii")).digest()).decode().rstrip("=")


def test_the_vector_of_the_rfc():
    assert pkce.check_challenge(CHALLENGE, "S256") == CHALLENGE
    pkce.check_verifier(VERIFIER, CHALLENGE)
    assert challenge_of(VERIFIER) == CHALLENGE


@given(verifiers)
def test_every_well_formed_verifier_opens_its_own_challenge(verifier: str):
    challenge = pkce.check_challenge(challenge_of(verifier), "S256")
    pkce.check_verifier(verifier, challenge)


@given(verifiers, verifiers)
def test_no_verifier_opens_the_challenge_of_another(verifier: str, other: str):
    if verifier != other:
        with pytest.raises(InvalidGrant, match="does not match"):
            pkce.check_verifier(verifier, challenge_of(other))


@pytest.mark.parametrize(
    "verifier",
    ["", VERIFIER[:42], "a" * 129, VERIFIER + "=", VERIFIER[:-1] + "+", VERIFIER + "\n", " " + VERIFIER, "é" * 43],
)
def test_a_malformed_verifier_is_refused_before_it_is_hashed(verifier: str):
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    with pytest.raises(InvalidGrant, match="malformed"):
        pkce.check_verifier(verifier, challenge)


def test_a_missing_verifier_is_a_bad_request():
    with pytest.raises(InvalidRequest, match="code_verifier is missing"):
        pkce.check_verifier(None, CHALLENGE)


@pytest.mark.parametrize("method", [None, "", "plain", "s256", "S512", "S256 "])
def test_s256_is_the_only_method(method: str | None):
    with pytest.raises(InvalidRequest, match="code_challenge_method must be S256"):
        pkce.check_challenge(CHALLENGE, method)


@pytest.mark.parametrize(
    "challenge",
    [
        "",
        CHALLENGE[:-1],
        CHALLENGE + "=",
        CHALLENGE + "A",
        CHALLENGE.replace("-", "+"),
        CHALLENGE[:-1] + "N",  # the same bytes, spelled otherwise: spare bits are not zero
        CHALLENGE + "\n",
    ],
)
def test_a_challenge_is_the_one_spelling_of_32_bytes(challenge: str):
    with pytest.raises(InvalidRequest, match="43 characters"):
        pkce.check_challenge(challenge, "S256")


def test_a_missing_challenge_says_that_pkce_is_required():
    with pytest.raises(InvalidRequest, match="PKCE with S256 is required"):
        pkce.check_challenge(None, None)
