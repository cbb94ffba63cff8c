"""All that is fetched: small JSON documents from hosts that strangers name (RFC 9111 §4.2 for how long they last).

A fetch may reach public addresses alone, and looks them up once: what was checked is what is connected to. It ends
after five seconds whatever the other side does, reads a few kilobytes, follows nothing, and says nothing of us but
the request itself: no cookies, no credentials, no referrer, no proxy from the environment.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from issuer import resolver
from issuer.protocol import freshness, outbound_url, strict_json
from issuer.protocol.outbound_url import Target
from issuer.resolver import Resolve

DEADLINE = 5.0
_MOST_AT_ONCE = 16
_MOST_AT_ONE_HOST = 4
_MOST_WAITING = 64


class FetchFailed(Exception):
    """Nothing usable was fetched. The text is for the log alone: it would tell a stranger what this server can reach.

    `answered` says that the host did answer, and that this answer is the reason: asking again will not help.
    """

    def __init__(self, detail: str, *, answered: bool = False) -> None:
        super().__init__(detail)
        self.answered = answered


@dataclass(frozen=True, slots=True)
class Fetched:
    """A JSON object, and for how many seconds its host says that it holds (None when it says nothing)."""

    document: dict[str, Any]
    fresh_seconds: int | None


class Fetcher:
    """Fetches, a bounded number at once.

    loopback: literal loopback hosts may be fetched from too. open_ports: hosts with a port beside 443.
    resolve and context are the system's unless a test brings its own.
    """

    def __init__(
        self,
        *,
        loopback: bool = False,
        open_ports: Collection[tuple[str, int]] = (),
        resolve: Resolve = resolver.lookup,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self._loopback = loopback
        self._open_ports = open_ports
        self._resolve = resolve
        self._context = context
        self._waiting = 0
        self._all = asyncio.Semaphore(_MOST_AT_ONCE)
        self._hosts: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(_MOST_AT_ONE_HOST))
        self._users: defaultdict[str, int] = defaultdict(int)

    def target(self, url: str) -> Target:
        """Where it would go for `url`. Raises ValueError, with what is wrong with it."""
        return outbound_url.read(url, loopback=self._loopback, open_ports=self._open_ports)

    async def json(self, url: str, most_bytes: int) -> Fetched:
        """The JSON object at `url`, of at most `most_bytes` bytes. Raises FetchFailed."""
        try:
            target = self.target(url)
        except ValueError as error:
            raise FetchFailed(f"the URL cannot be fetched: {error}", answered=True) from None
        try:
            async with asyncio.timeout(DEADLINE), self._turn(target.host):
                addresses = await resolver.checked(target, self._resolve)
                return await self._get(url, addresses, most_bytes)
        except TimeoutError:
            raise FetchFailed(f"{target.host} did not answer in full within {DEADLINE:.0f} s") from None
        except OSError as error:
            raise FetchFailed(str(error)) from None

    @asynccontextmanager
    async def _turn(self, host: str) -> AsyncIterator[None]:
        """Wait for a turn, overall and at this host; when too many wait already, be refused at once."""
        if self._waiting >= _MOST_WAITING:
            raise FetchFailed("too many fetches are under way")
        self._waiting += 1
        self._users[host] += 1
        try:
            async with self._hosts[host], self._all:
                yield
        finally:
            self._waiting -= 1
            self._users[host] -= 1
            if not self._users[host]:
                del self._users[host], self._hosts[host]

    async def _get(self, url: str, addresses: list[str], most_bytes: int) -> Fetched:
        # Imported at the first fetch: a start does not wait for it.
        from issuer import pinned

        if self._context is None:
            self._context = pinned.system_context()
        answer = await pinned.get(url, addresses, self._context, most_bytes, DEADLINE)
        if answer.status != 200:
            # 429 and 5xx are a host in trouble, the rest is its answer.
            trouble = answer.status == 429 or answer.status >= 500
            raise FetchFailed(f"the host answered {answer.status}", answered=not trouble)
        _check_headers(dict(answer.headers))
        if len(answer.body) > most_bytes:
            raise FetchFailed(f"the document has more than {most_bytes} bytes", answered=True)
        try:
            document = strict_json.read_object(answer.body)
        except ValueError as error:
            raise FetchFailed(f"the body is not a JSON object: {error}", answered=True) from None
        return Fetched(document, freshness.seconds(answer.headers))


def _check_headers(headers: Mapping[str, str]) -> None:
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise FetchFailed("the document is not application/json", answered=True)
    if headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise FetchFailed("the document is compressed, which was not asked for", answered=True)
