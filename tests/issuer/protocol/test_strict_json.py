"""Strict JSON (RFC 8259, RFC 7493): what two readers could take for two things is refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issuer.protocol import strict_json

text = st.text(st.characters(codec="utf-8"), max_size=20)
leaves = st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    leaves | text, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4)
)


@given(st.dictionaries(text, values, max_size=5), st.booleans())
def test_every_object_there_is_comes_back(document: dict[str, object], ascii_only: bool):
    assert strict_json.read_object(json.dumps(document, ensure_ascii=ascii_only).encode()) == document


@given(st.binary(max_size=60))
def test_any_bytes_are_an_object_or_a_value_error(raw: bytes):
    try:
        document = strict_json.read_object(raw)
    except ValueError:
        return
    assert document == json.loads(raw.decode("utf-8"))


@given(text, values, values)
def test_a_member_stands_once_however_deep(name: str, one: object, other: object):
    member = json.dumps(name)
    inner = f"{{{member}:{json.dumps(one)},{member}:{json.dumps(other)}}}"
    for document in (inner, f'{{"a":{inner}}}', f'{{"a":[{inner}]}}'):
        with pytest.raises(ValueError, match="twice"):
            strict_json.read_object(document.encode())


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"null",
        b"[]",
        b'"x"',
        b"1",
        b"{",
        b'{"a":1}{"b":2}',
        b'{"a":1,}',
        b"{'a':1}",
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":-Infinity}',
        b'{"a":1e400}',
        b'{"a":-1e400}',
        b'{"a":' + b"9" * 5000 + b"}",
        b'{"a":"\\ud800"}',
        b'{"\\udfff":1}',
        b'{"a":"\xff"}',
        b'{"a":"\xed\xa0\x80"}',
        b'\xef\xbb\xbf{"a":1}',
        '{"a":1}'.encode("utf-16"),
        '{"a":1}'.encode("utf-32"),
        b'{"a":"\n"}',
        b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"a":' * 1500 + b"1" + b"}" * 1500,
    ],
)
def test_what_is_not_one_object_in_utf_8(raw: bytes):
    with pytest.raises(ValueError):
        strict_json.read_object(raw)


def test_a_paired_surrogate_escape_is_a_character():
    assert strict_json.read_object(b'{"a":"\\ud83d\\ude00"}') == {"a": "\U0001f600"}


WHY = {
    "twice": b'{"hunter2":1,"hunter2":2}',
    "NaN": b'{"hunter2":NaN}',
    "too large": b'{"hunter2":1e400}',
    "digits": b'{"hunter2":' + b"9" * 41 + b"}",
    "deeper than 32": b'{"hunter2":' + b"[" * 40 + b"]" * 40 + b"}",
    "half of a surrogate pair": b'{"hunter2":"\\ud800"}',
    "not UTF-8": b'{"hunter2":"\xff"}',
    "not JSON": b'{"hunter2":}',
    "no object": b'["hunter2"]',
}


@pytest.mark.parametrize(("why", "raw"), WHY.items(), ids=WHY)
def test_the_reason_is_told_and_the_text_is_not(why: str, raw: bytes):
    with pytest.raises(strict_json.NotStrict, match=why) as refused:
        strict_json.read_object(raw)
    assert "hunter2" not in str(refused.value)
