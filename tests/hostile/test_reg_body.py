"""Rows REG-15 to REG-24: bodies of registrations that are no JSON object, too deep, too large or never end."""

from __future__ import annotations

import contextlib
import json
import select
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.hostile import raw
from tests.hostile.rows import row
from tests.hostile.target import Target
from tests.hostile.test_net import HELD
from tests.support.oauth import Client

JSON = {"content-type": "application/json"}
GOOD = {"redirect_uris": ["https://app.test/cb"], "client_name": "A name of some length"}
LIMIT = 64 * 1024
HEAD = "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"


def unreadable(issuer: Target, body: bytes, why: str = "") -> None:
    answer = issuer.send("POST", "/register", expect=400, error="invalid_client_metadata", content=body, headers=JSON)
    assert answer.headers["cache-control"] == "no-store"
    assert why in answer.json()["error_description"]


@row("REG-15")
@pytest.mark.parametrize(
    "body",
    [
        *(b"null", b"[]", b'"x"', b"1", b"{", b"", b'{"a":1}{"b":2}', b"true", b"}", b"{}x", b"{'a':1}", b'{"a":1,}'),
        *(b'[{"redirect_uris":["https://app.test/cb"]}]', b"redirect_uris=https://app.test/cb", b"<xml/>", b"\0", b" "),
        *(b'{"a" 1}', b'{"a":01}', b'{"a":"\n"}', b"{a:1}", b'{"a":1}//', b"{\"a\":'x'}", b'"' + b"x" * 100, b"nul"),
    ],
)
def test_a_body_is_one_object(issuer: Target, body: bytes) -> None:
    unreadable(issuer, body)


@row("REG-15")
@HELD
@given(body=st.binary(max_size=80))
def test_no_bytes_end_in_more_than_a_refusal(issuer: Target, body: bytes) -> None:
    errors = {"invalid_client_metadata", "invalid_redirect_uri"}
    issuer.send("POST", "/register", expect=400, error=errors, content=body, headers=JSON)


@row("REG-15")
@pytest.mark.parametrize("name", ["redirect_uris", "client_name", "x"])
def test_a_member_twice(issuer: Target, name: str) -> None:
    """Of two readers one takes the first and one the last."""
    whole = json.dumps({**GOOD, "x": 1}).encode()
    unreadable(issuer, whole[:-1] + b',"' + name.encode() + b'":["https://evil.test/cb"]}', "stands twice")


@row("REG-16")
@pytest.mark.parametrize("opened", [b"[", b'{"a":', b'[{"a":'])
@pytest.mark.parametrize("times", [1_500, 10_000, 100_000])
@pytest.mark.parametrize("closed", [True, False])
def test_deep_nesting(issuer: Target, opened: bytes, times: int, closed: bool) -> None:
    end = (
        b"0"
        + b"".join({b"[": b"]", b"{": b"}"}[c] for c in (bytes([c]) for c in reversed(opened)) if c in b"[{") * times
    )
    body = b'{"redirect_uris":["https://app.test/cb"],"x":' + opened * times + (end + b"}" if closed else b"")
    started = time.monotonic()
    errors = {"invalid_client_metadata", "invalid_request"}
    answer = issuer.send("POST", "/register", expect={400, 413}, error=errors, content=body, headers=JSON)
    assert answer.status_code == 413 or not closed or "nested deeper" in answer.json()["error_description"]
    assert time.monotonic() - started < 2


NUMBERS = [b"NaN", b"Infinity", b"-Infinity", b"nan", b"+1", b"0x10", b".5", b"1."]


@row("REG-17")
@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("name", ["client_name", "client_id_issued_at", "redirect_uris", "jwks", "x"])
def test_numbers_that_are_none(issuer: Target, number: bytes, name: str) -> None:
    unreadable(issuer, b'{"redirect_uris":["https://app.test/cb"],"y":[{"%s":%s}]}' % (name.encode(), number))
    unreadable(issuer, b'{"%s":%s}' % (name.encode(), number))


@row("REG-18")
@pytest.mark.parametrize("text", [r"\ud800", r"\udfff", r"a\ud800b", r"\ud800\ud800", r"\udc00\ud800", r"\uD83D"])
def test_half_a_character(issuer: Target, text: str) -> None:
    for member in (
        f'"client_name":"{text}"',
        f'"x":"{text}"',
        f'"{text}":1',
        f'"contacts":["{text}"]',
        f'"y":[["{text}"]]',
    ):
        whole = b'{"redirect_uris":["https://app.test/cb"],' + member.encode() + b"}"
        unreadable(issuer, whole, "half of a surrogate pair")


@row("REG-20")
@pytest.mark.parametrize("number", ["9" * 5_000, "-" + "9" * 5_000, "1e400", "-1e400", "1" * 41, "1e99999999"])
@pytest.mark.parametrize("name", ["x", "client_id_issued_at", "client_name", "redirect_uris"])
def test_numbers_without_end(issuer: Target, number: str, name: str) -> None:
    unreadable(issuer, f'{{"redirect_uris":["https://app.test/cb"],"y":{{"{name}":{number}}}}}'.encode())


@row("REG-20")
@pytest.mark.parametrize("name", ["client_id_issued_at", "client_secret_expires_at"])
@pytest.mark.parametrize("moment", [-1, -(10**30), 1.5, "1", True, [], {}])
def test_moments_that_are_none(issuer: Target, name: str, moment: Any) -> None:
    unreadable(issuer, json.dumps({**GOOD, name: moment}).encode())


@row("REG-20")
def test_the_answer_of_another_server_may_be_sent(issuer: Target) -> None:
    """Some programs send back all that they were told once; it counts for nothing."""
    told = {**GOOD, "client_id_issued_at": 1, "client_secret_expires_at": 0}
    made = issuer.send("POST", "/register", expect=201, changes=True, json=told).json()
    assert made["client_id_issued_at"] > 1


@row("REG-22")
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-8-sig"])
def test_utf_8_alone(issuer: Target, encoding: str) -> None:
    text = json.dumps({**GOOD, "client_name": "日本"}, ensure_ascii=False)
    unreadable(issuer, text.encode(encoding))


@row("REG-22")
@pytest.mark.parametrize("broken", [b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\xe2\x82", b"\x80"])
def test_bytes_that_are_no_text(issuer: Target, broken: bytes) -> None:
    unreadable(issuer, json.dumps({**GOOD, "client_name": "MARK"}).encode().replace(b"MARK", broken))
    unreadable(issuer, broken + json.dumps(GOOD).encode())


@row("REG-23")
@pytest.mark.parametrize(
    "kind",
    [
        *(
            "text/plain",
            None,
            "",
            "application/x-www-form-urlencoded",
            "application/json; charset=utf-16",
            "text",
            "json",
        ),
        *("application/json, text/html", "</><script>", "invalid/@@##", "multipart/form-data; boundary=x", "text/json"),
        *("application/json; charset=latin-1", "application/jsonp", "application/json;;;", "application/", "*/*", ";"),
        *(
            "application/json; charset=utf-8; charset=utf-16",
            "application/json\tx",
            "x" * 5_000,
            "application/json\xff",
        ),
    ],
)
def test_other_media_types(issuer: Target, kind: str | None) -> None:
    headers = [] if kind is None else [(b"content-type", kind.encode("latin-1"))]
    body = json.dumps(GOOD).encode()
    errors = {"invalid_client_metadata", "invalid_request"}
    issuer.send("POST", "/register", expect={400, 415}, error=errors, content=body, headers=headers)


@row("REG-23")
@pytest.mark.parametrize(
    "kind", ["application/json; charset=UTF-8", "Application/JSON", 'application/json;charset="utf-8"']
)
def test_spellings_that_real_clients_send(issuer: Target, kind: str) -> None:
    body = json.dumps(GOOD).encode()
    issuer.send("POST", "/register", expect=201, changes=True, content=body, headers={"content-type": kind})


# -- size --------------------------------------------------------------------------------------------------


def larger(size: int) -> bytes:
    start = json.dumps(GOOD).encode()[:-1] + b',"x":"'
    return start + b"A" * (size - len(start) - 2) + b'"}'


@row("REG-24")
@pytest.mark.parametrize("size", [LIMIT + 1, 10**6, 10**8])
def test_large_bodies(issuer: Target, size: int) -> None:
    before = issuer.memory()
    answer = issuer.send("POST", "/register", expect=413, content=larger(size), headers=JSON)
    assert answer.headers["connection"] == "close"
    assert issuer.memory() - before < 16 * 2**20


@row("REG-24")
def test_what_just_fits(issuer: Target) -> None:
    issuer.send("POST", "/register", expect=201, changes=True, content=larger(LIMIT), headers=JSON)


@row("REG-24")
@pytest.mark.parametrize("path", ["/register", "/register/{id}"])
@pytest.mark.parametrize("framing", ["Content-Length: 100000000", "Transfer-Encoding: chunked"])
def test_the_answer_does_not_wait_for_the_end(issuer: Target, path: str, framing: str) -> None:
    """66 KB have come, the end never will: refused now, and the connection is closed."""
    method, more = "POST", ""
    if "{id}" in path:
        made = issuer.client.post("/register", json=GOOD).json()
        path = path.format(id=made["client_id"])
        method, more = "PUT", f"Authorization: Bearer {made['registration_access_token']}\r\n"
    head = HEAD.replace("POST", method).format(path=path, host=issuer.host) + more + framing + "\r\n\r\n"
    part = b"A" * (LIMIT + 2048)
    body = b"%x\r\n%s\r\n" % (len(part), part) if "chunked" in framing else part
    answer = issuer.raw(head.encode() + body, expect={413}, patience=3)
    assert answer.closed
    assert answer.seconds < 2.5


@row("REG-24")
def test_a_body_without_end(issuer: Target) -> None:
    chunk = b"%x\r\n%s\r\n" % (16_384, b"A" * 16_384)
    sent, most = 0, 64 * 2**20
    with issuer.holds(events=1), raw.connect(issuer.origin) as connection:
        connection.sendall(
            (HEAD.format(path="/register", host=issuer.host) + "Transfer-Encoding: chunked\r\n\r\n").encode()
        )
        with contextlib.suppress(ConnectionError):
            while sent < most and not select.select([connection], [], [], 0)[0]:
                connection.sendall(chunk)
                sent += len(chunk)
        answer = raw.read(connection, 3)
    assert answer.status == 413
    assert answer.closed
    assert sent < 8 * 2**20, "the server went on reading"


@row("REG-24")
def test_more_than_was_announced(issuer: Target) -> None:
    """The rest is the next request on the connection, and no HTTP."""
    head = HEAD.format(path="/register", host=issuer.host) + "Content-Length: 10\r\n\r\n"
    answer = issuer.raw(head.encode() + larger(10**6), expect={400}, events=None)
    assert answer.closed
    client = Client.register(issuer.client)
    assert client.tokens()["access_token"]
