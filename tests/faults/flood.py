"""The same few requests as fast as they are answered, on several connections: what httpx would take longest for."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from urllib.parse import urlsplit

CONNECTIONS = 16


def request(method: str, origin: str, path: str, body: bytes = b"", kind: str = "", **headers: str) -> bytes:
    """One HTTP/1.1 request as bytes."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {urlsplit(origin).netloc}"]
    if body:
        lines += [f"Content-Type: {kind}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def flood(origin: str, requests: list[bytes], times: int) -> Counter[int]:
    """Send `times` requests, these in turns; how often each status was answered."""

    async def run() -> Counter[int]:
        statuses: Counter[int] = Counter()
        turns = itertools.islice(itertools.cycle(requests), times)

        async def connection() -> None:
            host, port = urlsplit(origin).hostname, urlsplit(origin).port
            reader, writer = await asyncio.open_connection(host, port)
            for sent in turns:
                writer.write(sent)
                head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 60)
                statuses[int(head[9:12])] += 1
                lower = head.lower()
                if b"content-length: " in lower:
                    await reader.readexactly(int(lower.partition(b"content-length: ")[2].partition(b"\r")[0]))
                assert b"connection: close" not in lower, head
            writer.close()

        await asyncio.gather(*(connection() for _ in range(CONNECTIONS)))
        return statuses

    return asyncio.run(run())
