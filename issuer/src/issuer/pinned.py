"""The only file that speaks HTTP outwards: one GET over a connection to addresses that were checked before.

No name is looked up again, nothing is followed, and what is read is bounded, whatever it is.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Any

import httpcore
import httpx

_FAILURES = (
    httpx.HTTPError,
    httpx.InvalidURL,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.TimeoutException,
)
_HEADERS = {
    "Accept": "application/json",
    "Accept-Encoding": "identity",
    "Connection": "close",
    "User-Agent": "mcp-issuer",
}
_MOST_HEADER_BYTES = 16 * 1024
_PATIENCE = 2.0
"""Seconds for one address, so that a dead one leaves time for the next."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A response. The body is read for status 200 alone, and no further than the part that makes it too long."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


def system_context() -> ssl.SSLContext:
    """SSL_CERT_FILE or SSL_CERT_DIR when they are set, as everywhere, else the certificates of `certifi`."""
    return httpx.create_ssl_context()


async def get(url: str, addresses: list[str], context: ssl.SSLContext, most_bytes: int, patience: float) -> Answer:
    """The answer to one GET. `patience` is seconds for each single read and write. Raises OSError."""
    transport = _Transport(addresses, context, most_bytes)
    try:
        async with (
            httpx.AsyncClient(transport=transport, trust_env=False, timeout=patience) as client,
            client.stream("GET", url, headers=_HEADERS) as response,
        ):
            body = bytearray()
            if response.status_code == 200:
                async for part in response.aiter_raw():
                    body += part
                    if len(body) > most_bytes:
                        break
            return Answer(response.status_code, response.headers.multi_items(), bytes(body))
    except _FAILURES as error:
        raise ConnectionError(f"{type(error).__name__}: {error}") from None


class _Stream(httpcore.AsyncNetworkStream):
    """Reads at most `left` bytes: headers, interim responses (a flood of which has no other end) and body together."""

    def __init__(self, inner: httpcore.AsyncNetworkStream, left: int) -> None:
        self._inner = inner
        self._left = left

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._left <= 0:
            raise httpcore.RemoteProtocolError("the answer is too long")
        part = await self._inner.read(min(max_bytes, self._left), timeout)
        self._left -= len(part)
        return part

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        await self._inner.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        try:
            return _Stream(await self._inner.start_tls(ssl_context, server_hostname, timeout), self._left)
        except BaseException:  # a deadline cancels, and httpcore closes for errors alone
            await self.aclose()
            raise

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _Backend(httpcore.AnyIOBackend):
    """Connects to the given addresses, whatever host is asked for; TLS still proves the host."""

    def __init__(self, addresses: list[str], most_bytes: int) -> None:
        self._addresses = addresses
        self._most_bytes = most_bytes

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        for address in self._addresses[:-1]:
            try:
                return _Stream(await super().connect_tcp(address, port, _PATIENCE), self._most_bytes)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return _Stream(await super().connect_tcp(self._addresses[-1], port, timeout), self._most_bytes)

    async def connect_unix_socket(self, *_: Any, **__: Any) -> httpcore.AsyncNetworkStream:
        raise httpcore.ConnectError("only checked addresses are connected to")


class _Body(httpx.AsyncByteStream):
    def __init__(self, inner: Any) -> None:
        self._inner = inner

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._inner:
            yield part

    async def aclose(self) -> None:
        await self._inner.aclose()


class _Transport(httpx.AsyncBaseTransport):
    """One request's connection: nothing is kept for the next, which may be to another name at the same address."""

    def __init__(self, addresses: list[str], context: ssl.SSLContext, most_bytes: int) -> None:
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=context,
            max_connections=1,
            max_keepalive_connections=0,
            network_backend=_Backend(addresses, most_bytes + _MOST_HEADER_BYTES),
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        answer = await self._pool.handle_async_request(
            httpcore.Request(
                request.method,
                httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
                headers=request.headers.raw,
                extensions=request.extensions,
            )
        )
        return httpx.Response(answer.status, headers=answer.headers, stream=_Body(answer.stream))

    async def aclose(self) -> None:
        await self._pool.aclose()
