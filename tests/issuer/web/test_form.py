"""Forms and query strings as OAuth reads them (RFC 6749 §3.1, §3.2, Appendix B)."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issuer.errors import InvalidRequest
from issuer.web.form import Form, named, parse

texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12)
names = texts.filter(lambda name: name != "resource")


@given(st.dictionaries(names, texts, max_size=8))
def test_what_a_library_encodes_is_read_back(fields: dict[str, str]):
    form = parse(urlencode(fields).encode())
    assert dict(form.items()) == fields
    assert {name: form.get(name) for name in fields} == fields
    assert not form.repeated


@given(st.dictionaries(names, texts, max_size=4), st.lists(texts, max_size=4))
def test_resource_may_repeat_and_keeps_its_order(fields: dict[str, str], resources: list[str]):
    form = parse(urlencode([*fields.items(), *(("resource", one) for one in resources)]).encode())
    assert form.all("resource") == tuple(resources)
    assert form.get("resource") is None
    assert Form(form.items()).items() == form.items()
    assert not form.repeated


@given(names, texts, texts)
def test_anything_else_that_stands_twice_is_named(name: str, one: str, other: str):
    for values in ([one, other], [one, one], [one, "", other]):
        assert parse(urlencode([(name, value) for value in values]).encode()).repeated == {name}


@given(st.binary(max_size=80))
def test_any_bytes_are_a_form_or_a_bad_request(raw: bytes):
    try:
        form = parse(raw)
    except InvalidRequest:
        return
    for name, value in form.items():
        assert name
        assert value
        assert "\0" not in name + value


@pytest.mark.parametrize(
    ("raw", "fields"),
    [
        (b"", {}),
        (b"&&&", {}),
        (b"a=1&&b=2", {"a": "1", "b": "2"}),
        (b"=x&a=1", {"a": "1"}),
        (b"a&b=", {}),
        (b"a=&a=1", {"a": "1"}),
        (b"a=b=c", {"a": "b=c"}),
        (b"a=1;b=2", {"a": "1;b=2"}),
        (b"a=x+y%20z%2B", {"a": "x y z+"}),
        (b"%61=1", {"a": "1"}),
        (b"a=%C3%A9", {"a": "\u00e9"}),
        (b"A=1&a=2", {"A": "1", "a": "2"}),
    ],
)
def test_how_fields_are_read(raw: bytes, fields: dict[str, str]):
    assert dict(parse(raw).items()) == fields


@pytest.mark.parametrize(
    "raw",
    [
        *(b"a=%", b"a=%4", b"a=%zz", b"%=1", b"a=%u0041", b"a=%ff", b"a=%fe%ff", b"a=%c0%af", b"a=%ed%a0%80"),
        *(b"a=\xff", b"\xff=1", b"a=%00", b"a\0=1", b"%00=1", b"&" * 100, b"a=" + b"x" * 65_535),
    ],
)
def test_what_two_readers_could_take_for_two_things_is_refused(raw: bytes):
    with pytest.raises(InvalidRequest):
        parse(raw)


def test_the_largest_form_there_may_be():
    assert len(parse(b"&".join(b"f%d=1" % number for number in range(100))).items()) == 100
    assert parse(b"a=" + b"x" * 65_534).get("a") == "x" * 65_534


def test_what_is_required_and_missing_is_named():
    with pytest.raises(InvalidRequest, match="code is missing"):
        parse(b"code=&x=1").require("code")
    assert parse(b"code=1").require("code") == "1"


def test_the_consent_form_may_repeat_scope():
    form = parse(b"scope=a&scope=b&x=1&x=2", repeatable={"scope"})
    assert form.all("scope") == ("a", "b")
    assert form.repeated == {"x"}


def test_only_names_of_the_protocol_are_repeated_to_anybody():
    assert named({"scope", "code", "<script>"}) == "code scope"
    assert named({"<script>", "cod", "", " "}) == "one that this endpoint does not know"
