"""Rows NET: broken HTTP of every kind, on both services, as bytes."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.hostile import raw
from tests.hostile.rows import row
from tests.hostile.target import Target
from tests.requirements import requirement

HELD = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
REFUSED = {400, 414, 421, 431, 501}

HEADERS = [
    *("Host: {host}", "Host: x", "Content-Length: 3", "Content-Length: 0", "Transfer-Encoding: chunked"),
    *("Connection: close", "Connection: upgrade", "Upgrade: h2c", "Upgrade: websocket", "Expect: 100-continue"),
]
FOREIGN = ["", "evil.example", "{host}.evil.example", "{host}.", "evil#{host}", "a/b", "{host},{host}", "[::1]:1"]

BROKEN_HEADS = {
    "two Host": "GET /healthz HTTP/1.1\r\nHost: {host}\r\nHost: evil.example\r\n\r\n",
    "two Host alike": "GET /healthz HTTP/1.1\r\nHost: {host}\r\nhost: {host}\r\n\r\n",
    "no Host": "GET /healthz HTTP/1.1\r\n\r\n",
    "no Host in 1.0": "GET /healthz HTTP/1.0\r\n\r\n",
    "absolute form, other host": "GET http://evil.example/healthz HTTP/1.1\r\nHost: {host}\r\n\r\n",
    "absolute form, user": "GET http://a:b@{host}/healthz HTTP/1.1\r\nHost: {host}\r\n\r\n",
    "absolute form, other scheme": "GET ftp://{host}/healthz HTTP/1.1\r\nHost: {host}\r\n\r\n",
    "absolute form, other host, no path": "GET http://evil.example HTTP/1.1\r\nHost: {host}\r\n\r\n",
    "absolute form, no host": "GET http:// HTTP/1.1\r\nHost: {host}\r\n\r\n",
    "authority form": "GET {host} HTTP/1.1\r\nHost: {host}\r\n\r\n",
    "CL and TE": "{post}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "TE and CL": "{post}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    "two CL": "{post}Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcd",
    "two CL alike": "{post}Content-Length: 4\r\nContent-Length: 4\r\n\r\nabcd",
    "CL list": "{post}Content-Length: 4, 4\r\n\r\nabcd",
    "CL -1": "{post}Content-Length: -1\r\n\r\n",
    "CL +4": "{post}Content-Length: +4\r\n\r\nabcd",
    "CL hex": "{post}Content-Length: 0x4\r\n\r\nabcd",
    "CL huge": "{post}Content-Length: 99999999999999999999999\r\n\r\nabcd",
    "TE chunked, identity": "{post}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "TE gzip, chunked": "{post}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "TE identity": "{post}Transfer-Encoding: identity\r\n\r\n",
    "TE in 1.0": "POST /register HTTP/1.0\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "TE xchunked": "{post}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "LF alone": "GET /healthz HTTP/1.1\nHost: {host}\n\n",
    "one LF": "GET /healthz HTTP/1.1\r\nHost: {host}\nX: y\r\n\r\n",
    "CR alone": "GET /healthz HTTP/1.1\r\nHost: {host}\rX: y\r\n\r\n",
    "obs-fold": "GET /healthz HTTP/1.1\r\nHost: {host}\r\nX: a\r\n b\r\n\r\n",
    "obs-fold of Host": "GET /healthz HTTP/1.1\r\nHost: {host}\r\n\tevil\r\n\r\n",
    "space before colon": "GET /healthz HTTP/1.1\r\nHost : {host}\r\n\r\n",
    "header without colon": "GET /healthz HTTP/1.1\r\nHost: {host}\r\nX-nothing\r\n\r\n",
    "NUL in a value": "GET /healthz HTTP/1.1\r\nHost: {host}\r\nX: a\0b\r\n\r\n",
    "escape in a value": "GET /healthz HTTP/1.1\r\nHost: {host}\r\nUser-Agent: \x1b[31mred\r\n\r\n",
    "space in the target": "GET /health z HTTP/1.1\r\nHost: {host}\r\n\r\n",
    "NUL in the target": "GET /health\0z HTTP/1.1\r\nHost: {host}\r\n\r\n",
    "HTTP/2.0": "GET /healthz HTTP/2.0\r\nHost: {host}\r\n\r\n",
    "HTTP/0.9": "GET /healthz\r\n\r\n",
    "HTTP/1.9": "GET /healthz HTTP/1.9\r\nHost: {host}\r\n\r\n",
    "preface of HTTP/2": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "chunk size -4": "{post}Transfer-Encoding: chunked\r\n\r\n-4\r\nabcd\r\n0\r\n\r\n",
    "chunk size beyond 64 bit": "{post}Transfer-Encoding: chunked\r\n\r\n" + "f" * 20 + "\r\n",
    "chunks parted by LF": "{post}Transfer-Encoding: chunked\r\n\r\n4\nabcd\n0\n\n",
    "TLS": "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
}  # fmt: skip


@requirement("rfc9112-3.2", "rfc9112-6.3")
@row("NET-04")
@pytest.mark.parametrize("name", BROKEN_HEADS)
def test_broken_framing_is_refused(either: Target, name: str) -> None:
    expect = {"TLS": {501}}.get(name, {400})
    post = f"POST /register HTTP/1.1\r\nHost: {either.host}\r\n"
    answer = either.raw(BROKEN_HEADS[name].format(host=either.host, post=post).encode("latin-1"), expect=expect)
    assert answer.closed, "what follows broken framing cannot be trusted"


@row("NET-04")
@pytest.mark.parametrize("host", FOREIGN)
def test_a_foreign_host_is_misdirected(either: Target, host: str) -> None:
    sent = f"GET /.well-known/jwks.json HTTP/1.1\r\nHost: {host.format(host=either.host)}\r\n\r\n"
    answer = either.raw(sent.encode(), expect={421})
    assert either.host in answer.body.decode(), "the answer says under which name the server answers"


@row("NET-04")
def test_absolute_form_for_this_very_host_is_served(either: Target) -> None:
    sent = f"GET http://{either.host}/nothing HTTP/1.1\r\nHost: {either.host}\r\n\r\n"
    assert b"not_found" in either.raw(sent.encode(), expect={404}).body


@row("NET-04")
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS"])
@pytest.mark.parametrize("scheme", ["http", "HTTPS"])
@pytest.mark.parametrize("query", ["", "?x=1"])
def test_absolute_form_without_a_path_is_answered(either: Target, method: str, scheme: str, query: str) -> None:
    """An empty path is "/", or of OPTIONS the server as a whole (RFC 9110 §4.2.3, RFC 9112 §3.2.4)."""
    either.raw(
        f"{method} {scheme}://{either.host}{query} HTTP/1.1\r\nHost: {either.host}\r\n\r\n".encode(), expect={404}
    )
    [line] = either.log_since()
    path = "*" if method == "OPTIONS" else "/"
    assert line["path"] == (f"{path}?x=***" if query and path == "/" else path)


@row("NET-04")
@pytest.mark.parametrize(
    ("status", "sent"),
    [
        (400, "GET /healthz HTTP/2.0\r\nX-Request-Id: {id}\r\nHost: {host}\r\n\r\n"),
        (431, "GET /healthz HTTP/1.1\r\nX-Request-Id: {id}\r\nHost: {host}\r\n" + "X: y\r\n" * 200 + "\r\n"),
        (414, "GET /" + "x" * 20_000 + " HTTP/1.1\r\nX-Request-Id: {id}\r\nHost: {host}\r\n\r\n"),
        (501, "BREW /healthz HTTP/1.1\r\nX-Request-Id: {id}\r\nHost: {host}\r\n\r\n"),
    ],
)
def test_what_is_refused_before_it_is_a_request_has_an_id_too(either: Target, status: int, sent: str) -> None:
    """The one that was sent where it was read before the refusal, else a new one: in the answer and in the log."""
    answer = either.raw(sent.format(id="mine-1", host=either.host).encode(), expect={status})
    assert (answer.headers["x-request-id"] == "mine-1") is (status in (400, 431))
    [line] = either.log_since()
    assert line["request_id"] == answer.headers["x-request-id"]
    assert line["status"] == status


@row("NET-04")
def test_a_request_refused_in_its_body_keeps_its_id(issuer: Target) -> None:
    head = (
        f"POST /register HTTP/1.1\r\nX-Request-Id: mine-2\r\nHost: {issuer.host}\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    assert issuer.raw(f"{head}zz".encode(), expect={400}).headers["x-request-id"] == "mine-2"
    assert [line["request_id"] for line in issuer.log_since()] == ["mine-2"]


@requirement("rfc9112-5.1")
@pytest.mark.parametrize("blanks", ["", " ", "  ", " \t"])
def test_blanks_around_a_header_are_no_part_of_it(either: Target, blanks: str) -> None:
    sent = f"GET /.well-known/x HTTP/1.1\r\nHost:{blanks}{either.host}{blanks}\r\n\r\n"
    either.raw(sent.encode(), expect={404})


@row("NET-04")
def test_trailers_do_not_become_headers(issuer: Target) -> None:
    """A trailing Origin would otherwise be taken for the request's."""
    sent = (
        f"POST /dev/token HTTP/1.1\r\nHost: {issuer.host}\r\nTransfer-Encoding: chunked\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\n\r\n9\r\nsub=alice\r\n0\r\n"
        "Host: evil.example\r\nOrigin: https://evil.example\r\n\r\n"
    )
    assert b"access_token" in issuer.raw(sent.encode(), expect={200}).body


@row("NET-04")
@HELD
@given(
    head=st.lists(
        st.one_of(
            st.sampled_from(HEADERS),
            st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=40),
        ),
        max_size=6,
    ),
    end=st.sampled_from(["\r\n", "\r\n", "\r\n", "\n", "\r", "\r\n "]),
    line=st.sampled_from(["GET /healthz", "POST /dev/token", "OPTIONS *", "GET *", "HEAD //healthz", "PUT /mcp"]),
    version=st.sampled_from(["HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/1.1 ", "http/1.1", ""]),
    body=st.binary(max_size=20),
)
def test_no_head_whatever_breaks_the_server(
    either: Target, head: list[str], end: str, line: str, version: str, body: bytes
) -> None:
    lines = [f"{line} {version}", *(name.format(host=either.host) if "{host}" in name else name for name in head)]
    sent = (end.join(lines) + end + end).encode("latin-1") + body + b"\r\n"
    either.raw(sent, expect={0, 200, 401, 404, 405, *REFUSED}, events=None, patience=0.05)


@row("NET-07")
@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PURGE", "PROPFIND", "FOO", "get", "A" * 10_240, "PO ST", "\0"])
def test_unknown_methods(either: Target, method: str) -> None:
    sent = f"{method} /healthz HTTP/1.1\r\nHost: {either.host}\r\n\r\n"
    either.raw(sent.encode(), expect={400, 405, 501})
    assert {line["level"] for line in either.log_since()} == {"info"}, "nothing is wrong with the server"


@row("NET-08")
@pytest.mark.parametrize("accept", ["text/html", "application/json", "*/*", "garbage;;q=x", "", "application/xml;q=1"])
def test_errors_have_one_type_whatever_is_accepted(issuer: Target, accept: str) -> None:
    for path in ("/register", "/dev/token", "/nothing"):
        answer = issuer.send("PUT", path, expect={404, 405}, headers={"accept": accept})
        assert answer.headers["content-type"] == "application/json"


@requirement("rfc9112-9.6")
@pytest.mark.parametrize("framing", ["Content-Length: 30000000", "Transfer-Encoding: chunked"])
def test_a_refusal_is_read_by_a_client_that_is_still_sending(issuer: Target, framing: str) -> None:
    """Closing at once would make the kernel reset the connection and throw the answer away."""
    part = b"10000\r\n" + b"x" * 0x10000 + b"\r\n" if "chunked" in framing else b"x" * 0x10000
    head = f"POST /token HTTP/1.1\r\nHost: {issuer.host}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    for _ in range(5):
        with issuer.holds(), raw.connect(issuer.origin) as connection:
            connection.sendall(f"{head}{framing}\r\n\r\n".encode())
            for _ in range(300):
                connection.sendall(part)
            assert raw.read(connection, 2).status == 413


@row("NET-12")
def test_pipelined_requests_of_two_users_get_each_their_answer(issuer: Target) -> None:
    def ask(sub: str) -> bytes:
        form = f"sub={sub}"
        return (
            f"POST /dev/token HTTP/1.1\r\nHost: {issuer.host}\r\nContent-Length: {len(form)}\r\n"
            f"Content-Type: application/x-www-form-urlencoded\r\nX-Request-Id: pipe-{sub}\r\n\r\n{form}"
        ).encode()

    subjects = ["alice", "bob"] * 10
    answer = issuer.raw(b"".join(map(ask, subjects)), expect={200}, events=len(subjects))
    order = [line.partition(b"\r\n")[0].decode() for line in answer.wire.split(b"x-request-id: ")[1:]]
    assert order == [f"pipe-{sub}" for sub in subjects]


@row("NET-14")
@pytest.mark.parametrize("ranges", ["bytes=0-", "bytes=0-0,-1", "bytes=" + "0-,1-," * 1000, "bytes=9-1", "chars=0-1"])
def test_ranges_are_ignored(issuer: Target, ranges: str) -> None:
    for path in ("/.well-known/jwks.json", "/.well-known/oauth-authorization-server"):
        whole = issuer.client.get(path).content
        answer = issuer.send("GET", path, expect=200, headers={"range": ranges})
        assert answer.content == whole
        assert issuer.send("HEAD", path, expect=200, headers={"range": ranges}).content == b""
