"""What a fetch accepts of a host that behaves, and of one that does not: bounded in time and size, JSON or nothing."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import time

import pytest
from tests.issuer.fetch.hosts import PUBLIC, Host, Internet, response

from issuer import fetch
from issuer.fetch import Fetcher, FetchFailed

URL = "https://client.test/client.json"
MOST = 5 * 1024


async def test_a_document_is_fetched_by_name_from_the_checked_address(
    fetcher: Fetcher, host: Host, internet: Internet
) -> None:
    host.answer = response({"a": 1}, headers={"Cache-Control": "max-age=600"})
    fetched = await fetcher.json(URL, MOST)
    assert fetched.document == {"a": 1}
    assert fetched.fresh_seconds == 600
    assert internet.connects == [(PUBLIC, 443)]
    assert internet.lookups == {"client.test": 1}


async def test_a_request_says_nothing_of_us(fetcher: Fetcher, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    host.answer = response({"a": 1}, headers={"Set-Cookie": "a=b; Domain=client.test"})
    await fetcher.json(URL, MOST)
    await fetcher.json(URL, MOST)
    for request in host.requests:
        line, *headers = request.decode().lower().rstrip().split("\r\n")
        assert line == "get /client.json http/1.1"
        assert sorted(header.partition(":")[0] for header in headers) == [
            "accept", "accept-encoding", "connection", "host", "user-agent",
        ]  # fmt: skip
        assert "host: client.test" in headers
        assert "accept-encoding: identity" in headers
    assert host.connections == 2, "no connection is kept for the next fetch"


@pytest.mark.parametrize("kind", ["application/json", "Application/JSON; charset=utf-8", "application/foo+json"])
async def test_json_types(fetcher: Fetcher, host: Host, kind: str) -> None:
    host.answer = response(kind=kind)
    assert (await fetcher.json(URL, MOST)).document == {}


@pytest.mark.parametrize(
    "kind", [None, "text/html", "text/json", "application/jsonp", "application/javascript", "", "json", "text/x+json"]
)
async def test_other_types_are_refused(fetcher: Fetcher, host: Host, kind: str | None) -> None:
    host.answer = response(kind=kind)
    with pytest.raises(FetchFailed, match="not application/json") as failed:
        await fetcher.json(URL, MOST)
    assert failed.value.answered


@pytest.mark.parametrize(
    ("status", "answered"),
    [
        ("201 Created", True), ("204 No Content", True), ("206 Partial Content", True), ("304 Not Modified", True),
        ("301 Moved Permanently", True), ("302 Found", True), ("307 Temporary Redirect", True), ("404 Not Found", True),
        ("410 Gone", True), ("429 Too Many Requests", False), ("500 Internal Server Error", False), ("503 Busy", False),
    ],
)  # fmt: skip
async def test_only_200_counts_and_nothing_is_followed(
    fetcher: Fetcher, host: Host, internet: Internet, status: str, answered: bool
) -> None:
    host.answer = response(status=status, headers={"Location": "https://127.0.0.1/x"})
    with pytest.raises(FetchFailed, match=status[:3]) as failed:
        await fetcher.json(URL, MOST)
    assert failed.value.answered is answered
    assert internet.connects == [(PUBLIC, 443)]


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"null", b"NaN", b'{"a": NaN}', b'"text"', b'\xef\xbb\xbf{"a": 1}', b'{"a": 1, "a": 2}',
        '{"a": 1}'.encode("utf-16"), b'{"a": "\xff"}', b'{"a": "\\ud800"}', b"[" * 1000 + b"]" * 1000,
        b'{"a": ' + b"[" * 1000 + b"]" * 1000 + b"}", b"{} {}", b"<html>",
    ],
    ids=lambda body: repr(body[:20]),
)  # fmt: skip
async def test_what_is_no_json_object_is_refused(fetcher: Fetcher, host: Host, body: bytes) -> None:
    host.answer = response(body)
    with pytest.raises(FetchFailed, match="not a JSON object") as failed:
        await fetcher.json(URL, MOST)
    assert failed.value.answered


async def test_a_document_may_have_just_so_many_bytes(fetcher: Fetcher, host: Host) -> None:
    host.answer = response(b'{"a":"' + b"x" * (MOST - 8) + b'"}')
    assert (await fetcher.json(URL, MOST)).document["a"]
    host.answer = response(b'{"a":"' + b"x" * (MOST - 7) + b'"}')
    with pytest.raises(FetchFailed, match=f"more than {MOST} bytes"):
        await fetcher.json(URL, MOST)


async def test_an_endless_body_is_left(fetcher: Fetcher, host: Host) -> None:
    sent = 0

    async def endless(_: bytes, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n{")
        while True:
            writer.write(b" " * 65536)
            sent += 65536
            await writer.drain()

    host.answer = endless
    began = time.monotonic()
    with pytest.raises(FetchFailed, match="more than"):
        await fetcher.json(URL, MOST)
    assert time.monotonic() - began < 2
    assert sent < 16 * 2**20, "the sender was left, not read to its end"


async def test_a_compressed_body_is_refused_unread(fetcher: Fetcher, host: Host) -> None:
    bomb = gzip.compress(b" " * 4_000_000)
    host.answer = response(bomb, headers={"Content-Encoding": "gzip"})
    with pytest.raises(FetchFailed, match="compressed"):
        await fetcher.json(URL, MOST)


@pytest.mark.parametrize(
    "interim", [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n"]
)
async def test_a_flood_of_interim_responses_ends(fetcher: Fetcher, host: Host, interim: bytes) -> None:
    async def flood(_: bytes, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(interim * 1000)
            await writer.drain()

    host.answer = flood
    began = time.monotonic()
    with pytest.raises(FetchFailed, match="too long"):
        await fetcher.json(URL, MOST)
    assert time.monotonic() - began < 2


async def test_endless_headers_end(fetcher: Fetcher, host: Host) -> None:
    host.answer = b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: %s\r\n" % (n, b"y" * 1000) for n in range(5000)) + b"\r\n"
    with pytest.raises(FetchFailed, match="too long"):
        await fetcher.json(URL, MOST)


async def test_a_trickle_ends_with_the_deadline(fetcher: Fetcher, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "DEADLINE", 0.5)

    async def trickle(_: bytes, writer: asyncio.StreamWriter) -> None:
        for byte in itertools.cycle(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX: yyyyyyyyyyyyyyyyyyyyyyyy"
        ):
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.05)

    host.answer = trickle
    began = time.monotonic()
    with pytest.raises(FetchFailed, match="did not answer in full"):
        await fetcher.json(URL, MOST)
    assert time.monotonic() - began < 1.5


def test_the_deadline_is_five_seconds() -> None:
    assert fetch.DEADLINE == 5


async def test_a_resolver_that_hangs_ends_with_the_deadline(
    fetcher: Fetcher, host: Host, internet: Internet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "DEADLINE", 0.2)
    internet.slow = 60
    with pytest.raises(FetchFailed, match="did not answer in full"):
        await fetcher.json(URL, MOST)
    assert not internet.connects


async def test_few_fetches_run_at_one_host_and_overall(fetcher: Fetcher, host: Host, internet: Internet) -> None:
    at_once: list[int] = []
    under_way = 0

    async def count(_: bytes, writer: asyncio.StreamWriter) -> None:
        nonlocal under_way
        under_way += 1
        at_once.append(under_way)
        await asyncio.sleep(0.02)
        under_way -= 1
        writer.write(response())

    host.answer = count
    await asyncio.gather(*(fetcher.json(f"{URL}/{n}", MOST) for n in range(20)))
    assert max(at_once) == 4

    internet.names |= {f"h{n}.test": [["93.184.215.99"]] for n in range(100)}
    answers = await asyncio.gather(
        *(fetcher.json(f"https://h{n}.test/", MOST) for n in range(100)), return_exceptions=True
    )
    refused = [str(answer) for answer in answers if "too many fetches" in str(answer)]
    assert len(refused) == 100 - 64
    assert not fetcher._hosts, "hosts are forgotten"
