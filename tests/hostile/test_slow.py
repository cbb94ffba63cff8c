"""Rows NET-01 and NET-02: clients that send half of something and then nothing, or a byte a second."""

from __future__ import annotations

import contextlib
import socket
import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from tests.faults.scale import Record, fault
from tests.hostile import raw
from tests.hostile.rows import row
from tests.hostile.target import Target

HEAD_LIMIT, BODY_LIMIT, SLACK = 10, 30, 5  # seconds
FORM = "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
UNFINISHED_HEADS = {  # what is sent at once, and what every second
    "half a header": (b"GET /healthz HTTP/1.1\r\nHo", b""),
    "nothing": (b"", b""),
    "one byte": (b"G", b""),
    "line ends": (b"\r\n\r\n", b""),
    "a header a second": (b"GET /healthz HTTP/1.1\r\n", b"X-Slow: 1\r\n"),
    "a byte a second": (b"GET /healthz HTTP/1.1\r\n", b"X"),
}


def seconds_until_closed(target: Target, start: bytes, every_second: bytes = b"") -> float:
    """How long the server bears a connection that sends this, whether it answers or not."""
    stop = threading.Event()
    with raw.connect(target.origin) as connection:
        connection.sendall(start)

        def drip() -> None:
            with contextlib.suppress(OSError):
                while not stop.wait(1):
                    connection.sendall(every_second)

        threading.Thread(target=drip, daemon=True).start()
        try:
            return raw.until_closed(connection, BODY_LIMIT + 5)
        finally:
            stop.set()


@row("NET-01")
@fault("heads of requests that never end", service="both")
def test_an_unfinished_head_is_closed(issuer: Target, resource: Target, record_property: Record) -> None:
    with (
        issuer.holds(events=None, inputs=len(UNFINISHED_HEADS)),
        resource.holds(events=None, inputs=len(UNFINISHED_HEADS)),
        ThreadPoolExecutor(2 * len(UNFINISHED_HEADS)) as pool,
    ):
        waiting = {
            f"{name}, {target.service.name}": pool.submit(seconds_until_closed, target, *sent)
            for name, sent in UNFINISHED_HEADS.items()
            for target in (issuer, resource)
        }
        took = {name: future.result() for name, future in waiting.items()}
    record_property("ways to be slow", len(took))
    record_property("longest open, s", round(max(took.values()), 1))
    assert all(seconds < HEAD_LIMIT + SLACK for seconds in took.values()), took


@row("NET-01")
def test_an_idle_connection_between_requests_stays(issuer: Target) -> None:
    """The limit is for a request that has begun; a pause between two is what keep-alive is for."""
    ask = f"GET /healthz HTTP/1.1\r\nHost: {issuer.host}\r\n\r\n".encode()
    with issuer.holds(events=None), raw.connect(issuer.origin) as connection:
        connection.sendall(ask)
        assert raw.read(connection, 2).status == 200
        time.sleep(HEAD_LIMIT + 2)
        connection.sendall(ask)
        assert raw.read(connection, 2).status == 200
        connection.sendall(b"GET /heal")
        assert raw.read(connection, HEAD_LIMIT + SLACK).status == 408


@row("NET-01")
def test_answers_may_be_read_late(issuer: Target) -> None:
    """Many of them wait here when the timer looks for the first time: that is no minute without a byte taken."""
    ask = f"GET /openapi.json HTTP/1.1\r\nHost: {issuer.host}\r\n\r\n".encode()
    times = 24 * 2**20 // len(issuer.client.get("/openapi.json").content)  # more than the kernel keeps for us
    with issuer.holds(events=None), raw.connect(issuer.origin) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        threading.Thread(target=connection.sendall, args=(ask * times,), daemon=True).start()
        time.sleep(HEAD_LIMIT + 2)
        connection.settimeout(BODY_LIMIT)
        received = 0
        while received < 24 * 2**20:
            part = connection.recv(2**20)
            assert part, "closed before all was answered"
            received += len(part)


@row("NET-02")
@fault("200 bodies that are sent by half or a byte a second", service="both")
def test_slow_bodies_are_closed_and_disturb_nobody(issuer: Target, resource: Target, record_property: Record) -> None:
    """200 connections announce 100 bytes, send 2, then nothing or a byte a second; others drip chunks for ever."""
    head = FORM.format(path="/dev/token", host=issuer.host).encode() + b"Content-Length: 100\r\n\r\nab"
    chunked = b"Transfer-Encoding: chunked\r\n\r\n"
    endless = {t: FORM.format(path="/dev/token", host=t.host).encode() + chunked for t in (issuer, resource)}
    calm = probe(issuer, 200)
    with (
        issuer.holds(events=None, inputs=201),
        resource.holds(events=None),
        ThreadPoolExecutor(2) as pool,
        contextlib.ExitStack() as stack,
    ):
        connections = [stack.enter_context(raw.connect(issuer.origin)) for _ in range(200)]
        started = time.monotonic()
        dripping = [pool.submit(seconds_until_closed, t, sent, b"1\r\nx\r\n") for t, sent in endless.items()]
        for connection in connections:
            connection.sendall(head)
        busy: list[float] = []
        while time.monotonic() - started < BODY_LIMIT - 8:
            busy += probe(issuer, 20)
            for connection in connections[::2]:
                connection.sendall(b"x")
            time.sleep(0.7)
        for connection in connections:
            assert raw.read(connection, max(0.1, started + BODY_LIMIT + SLACK - time.monotonic())).status == 408
            raw.until_closed(connection, 4)
        closed = [time.monotonic() - started, *(future.result() for future in dripping)]
    # The median: what one slow moment of a busy machine cannot change, and a blocked event loop would.
    was, became = statistics.median(calm), statistics.median(busy)
    record_property("all closed after, s", round(max(closed), 1))
    record_property("others before, median ms", round(was * 1000, 1))
    record_property("others meanwhile, median ms", round(became * 1000, 1))
    assert all(seconds < BODY_LIMIT + SLACK for seconds in closed[1:])
    assert became < max(10 * was, 0.25), f"a healthy request went from {was * 1000:.1f} to {became * 1000:.1f} ms"


def probe(target: Target, times: int) -> list[float]:
    """How many seconds healthy requests take."""
    seconds = []
    for _ in range(times):
        started = time.perf_counter()
        assert target.client.get("/healthz").status_code == 200
        seconds.append(time.perf_counter() - started)
    return seconds
