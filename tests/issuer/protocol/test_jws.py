"""Compact JWS taken apart (RFC 7515): the vector of Appendix A.1, and nothing that is nearly one."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issuer.protocol import jws

# RFC 7515 Appendix A.1 (HS256).
RFC = (
    "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9"
    ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
    ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
)
SIGNATURE = bytes.fromhex("7418dfb49799e0254ffa607dd8adbbba16d4254d69d6bff05b58055853848d79")


def encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def test_the_vector_of_the_rfc():
    parts = jws.take_apart(RFC)
    assert parts.header == {"typ": "JWT", "alg": "HS256"}
    assert parts.claims == {"iss": "joe", "exp": 1300819380, "http://example.com/is_root": True}
    assert parts.signature == SIGNATURE
    assert parts.signed == RFC.rpartition(".")[0].encode()


@given(
    st.dictionaries(st.text(max_size=8), st.integers(0, 10**9), max_size=4),
    st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=4),
    st.binary(min_size=1, max_size=80),
)
def test_what_was_put_together_comes_apart(header: dict[str, int], claims: dict[str, str], signature: bytes):
    token = ".".join(
        (encode(json.dumps(header).encode()), encode(json.dumps(claims).encode()), encode(signature)),
    )
    parts = jws.take_apart(token)
    assert (parts.header, parts.claims, parts.signature) == (header, claims, signature)


HEADER, CLAIMS, MAC = RFC.split(".")
TWICE = encode(b'{"alg":"none","alg":"HS256"}')
DEEP = encode(b'{"a":' * 3000 + b"1" + b"}" * 3000)


@pytest.mark.parametrize(
    "token",
    [
        "",
        "..",
        HEADER,
        f"{HEADER}.{CLAIMS}",
        f"{HEADER}.{CLAIMS}.",
        f"{HEADER}..{MAC}",
        f".{CLAIMS}.{MAC}",
        f"{RFC}.{MAC}",
        f"{RFC}.{MAC}.{MAC}",
        RFC + "=",
        RFC + "\n",
        " " + RFC,
        RFC.replace("-", "+"),
        RFC[:-1] + "l",  # the same bytes with spare bits set
        f"{HEADER}.{CLAIMS}.{MAC}AA",  # a length that base64 does not have
        f"{encode(b'[]')}.{CLAIMS}.{MAC}",
        f"{encode(b'null')}.{CLAIMS}.{MAC}",
        f"{HEADER}.{encode(b'1')}.{MAC}",
        f"{TWICE}.{CLAIMS}.{MAC}",
        f"{encode(bytes([0xFF]))}.{CLAIMS}.{MAC}",
        f"{DEEP}.{CLAIMS}.{MAC}",
        f"{HEADER}.{CLAIMS}.{'A' * 16 * 1024}",
        json.dumps({"payload": CLAIMS, "signatures": [{"protected": HEADER, "signature": MAC}]}),
        "é.é.é",
    ],
)
def test_what_is_no_compact_jws(token: str):
    with pytest.raises(ValueError):
        jws.take_apart(token)


@given(st.text(max_size=60))
def test_any_text_is_refused_with_a_value_error(text: str):
    with pytest.raises(ValueError):
        jws.take_apart(text)
