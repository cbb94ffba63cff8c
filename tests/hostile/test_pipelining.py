"""Rows NET-12: many requests on one connection before the first is answered (RFC 9112 §9.3.2)."""

from __future__ import annotations

import contextlib
import re
import threading

import pytest
from tests.hostile import raw
from tests.hostile.rows import row
from tests.hostile.target import Target
from tests.requirements import requirement

MOST_TAKEN = 32 * 2**20  # bytes that one may be rid of; the kernel's own buffers hold up to ten million or so
PATIENCE = 3  # seconds without a byte taken, after which the server has stopped to read


def ask(target: Target, name: str, more: str = "") -> bytes:
    return f"GET /healthz HTTP/1.1\r\nHost: {target.host}\r\nX-Request-Id: {name}\r\n{more}\r\n".encode()


def form(target: Target, name: str, subject: str) -> bytes:
    """A POST that reads its body, which it leaves out."""
    return (
        f"POST /dev/token HTTP/1.1\r\nHost: {target.host}\r\nX-Request-Id: {name}\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(subject) + 4}\r\n\r\n"
    ).encode()


def answered(wire: bytes) -> list[tuple[str, str]]:
    """Status and request id of each answer, in their order."""
    statuses = re.findall(rb"HTTP/1\.1 (\d+) ", wire)
    names = re.findall(rb"x-request-id: (\S+)", wire)
    return [(status.decode(), name.decode()) for status, name in zip(statuses, names, strict=True)]


@row("NET-12")
@pytest.mark.parametrize("head", ["GET /healthz HTTP/1.1", "HEAD /healthz HTTP/1.1", "POST /token HTTP/1.1"])
def test_who_reads_no_answer_cannot_go_on_asking(either: Target, head: str) -> None:
    sent = f"{head}\r\nHost: {either.host}\r\n\r\n".encode() * 1000
    taken = 0
    with either.holds(events=None), raw.connect(either.origin) as connection:
        connection.settimeout(PATIENCE)
        with contextlib.suppress(TimeoutError):
            while taken < 2 * MOST_TAKEN:
                taken += connection.send(sent)
    assert taken < MOST_TAKEN, "the server takes requests that it cannot answer"


@requirement("rfc9112-9.3.2")
@row("NET-12")
def test_who_reads_is_answered_however_many_wait(either: Target) -> None:
    names = [f"honest-{n}" for n in range(5000)]
    with either.holds(events=None), raw.connect(either.origin) as connection:
        sent = b"".join(ask(either, name) for name in names)
        sender = threading.Thread(target=connection.sendall, args=(sent,), daemon=True)
        sender.start()
        connection.settimeout(20)
        received = b""
        while received.count(b'{"status":"ok"}') < len(names):
            part = connection.recv(2**20)
            assert part, "closed before all was answered"
            received += part
        sender.join()
    assert answered(received) == [("200", name) for name in names]


@row("NET-12")
def test_bodies_and_offers_to_upgrade_may_wait_too(issuer: Target) -> None:
    """Of the last the body comes only when all before it is answered."""
    upgrade = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n"
    names = [f"mixed-{n}" for n in range(200)]
    parts = [
        ask(issuer, name, upgrade) if n % 3 == 0 else form(issuer, name, "alice") + b"sub=alice"
        for n, name in enumerate(names)
    ]
    with issuer.holds(events=None), raw.connect(issuer.origin) as connection:
        connection.sendall(b"".join(parts) + form(issuer, "last", "bob"))
        first = raw.read(connection, 5, len(names))
        connection.sendall(b"sub=bob")
        last = raw.read(connection, 5)
    assert answered(first.wire) == [("200", name) for name in names]
    assert answered(last.wire) == [("200", "last")]


@row("NET-12")
@pytest.mark.parametrize("broken", [b"zz\r\n", b"-1\r\n"])
def test_a_broken_body_is_refused_in_its_turn(either: Target, broken: bytes) -> None:
    """The requests before it are good, and theirs are the first answers."""
    head = (
        f"POST /register HTTP/1.1\r\nHost: {either.host}\r\nX-Request-Id: broken\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    for before in (1, 2, 20):
        names = [f"good-{n}" for n in range(before)]
        sent = b"".join(ask(either, name) for name in names) + head.encode() + broken
        answer = either.raw(sent, expect={200}, events=1, patience=5)
        assert answered(answer.wire) == [*(("200", name) for name in names), ("400", "broken")]
        assert answer.closed
        assert [line["level"] for line in either.log_since()] == ["info"]


@row("NET-12")
def test_who_leaves_takes_the_waiting_requests_along(issuer: Target) -> None:
    with issuer.holds(events=None):
        for _ in range(20):
            with raw.connect(issuer.origin) as connection:
                connection.sendall(ask(issuer, "left") * 1000)
    assert not [line for line in issuer.log_since() if line["level"] == "error"]
