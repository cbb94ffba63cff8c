"""Secrets that we invent: their alphabet and strength, hashes at rest, and successors of refresh tokens."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issuer.protocol import secret

PREFIXES = (
    secret.CODE,
    secret.REFRESH,
    secret.CLIENT_SECRET,
    secret.CLIENT_ID,
    secret.SESSION,
    secret.REGISTRATION,
    secret.INITIAL_ACCESS,
)


def test_prefixes_tell_secrets_apart():
    assert len(set(PREFIXES)) == len(PREFIXES)
    assert not any(one != other and one.startswith(other) for one in PREFIXES for other in PREFIXES)


@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_secret_is_256_bits_that_no_encoding_can_spoil(prefix: str):
    invented = {secret.invent(prefix) for _ in range(200)}
    assert len(invented) == 200
    for one in invented:
        assert re.fullmatch(r"[A-Za-z0-9_-]+", one)
        assert len(base64.urlsafe_b64decode(one.removeprefix(prefix) + "=")) == 32


@given(st.text())
def test_what_is_stored_is_a_sha_256_and_matches_itself(text: str):
    assert secret.digest(text) == hashlib.sha256(text.encode()).hexdigest()
    assert secret.matches(text, secret.digest(text))
    assert not secret.matches(text + "x", secret.digest(text))


def test_a_lone_surrogate_is_a_wrong_secret_and_no_error():
    assert not secret.matches("\ud800", secret.digest("?"))


@given(st.binary(min_size=16, max_size=16))
def test_a_successor_is_the_hmac_of_the_salt_under_the_token_before(salt: bytes):
    token = secret.invent(secret.REFRESH)
    expected = hmac.new(token.encode(), salt, hashlib.sha256).digest()
    following = secret.successor(token, salt)
    assert following == secret.REFRESH + base64.urlsafe_b64encode(expected).decode().rstrip("=")
    assert following == secret.successor(token, salt)
    assert following != secret.successor(token, salt[::-1] + b"x")
    assert following != secret.successor(secret.invent(secret.REFRESH), salt)
