"""What no request may do, whatever it asks for (RFC 9110 §7.4, §9.1): the ASGI gate before routing.

Unknown Host, unknown method, encoded path, doubled credentials, too many at once. Twin of the other
service's file.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Collection, Iterable
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_FORWARDING = frozenset(
    "forwarded via x-real-ip x-client-ip x-cluster-client-ip true-client-ip cf-connecting-ip fastly-client-ip"
    " fly-client-ip x-envoy-external-address".split()
)
_FORWARDING_FAMILIES = ("x-forwarded", "x-original", "tailscale-")
_ONCE = frozenset({b"authorization", b"content-type"})

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class BodyTooLarge(Exception):
    """The request body is larger than its reader allows; answer 413."""


async def read_body(scope: Scope, receive: Receive, limit: int) -> bytes:
    """The whole body, never holding more than `limit` bytes and one network read.

    Raises BodyTooLarge (at once when Content-Length says so) or starlette's ClientDisconnect.
    """
    for name, value in scope["headers"]:
        if name == b"content-length" and int(value) > limit:
            raise BodyTooLarge
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientDisconnect
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise BodyTooLarge
        parts.append(part)
        if not message.get("more_body"):
            return parts[0] if len(parts) == 1 else b"".join(parts)


def networks(addresses: Iterable[str]) -> tuple[Network, ...]:
    """Parse `TRUSTED_PROXIES`: addresses or CIDR blocks. Raises ValueError."""
    return tuple(ipaddress.ip_network(address) for address in addresses)


def came_through_proxy(headers: Iterable[str]) -> bool:
    """Whether a proxy says that it passed the request on: what is for the operator alone then stays hidden.

    headers: their names in lower case.
    """
    return any(name in _FORWARDING or name.startswith(_FORWARDING_FAMILIES) for name in headers)


class Guard:
    """ASGI middleware, to stand right inside `log.RequestLog`.

    allowed_hosts: `name` (any port) or `name:port`, lower case; `*` takes any Host.
    settings: what names them, and what names others; told in the refusal.
    open_paths: answered under any Host (health checks of orchestrators use addresses).
    trusted_proxies: whose `X-Forwarded-For` is believed; it replaces `scope["client"]`.
    scheme: of the public origin, which absolute links bear, whoever ended TLS before us; None leaves it as it is.
    quick_paths: answered from memory, to whoever must find out what is the matter.
    concurrency: requests in progress, streams included, beyond which the answer is 503. Open and quick paths have
        as much room again, of their own: those who watch and those who begin get in however busy the others are.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        allowed_hosts: Collection[str],
        settings: tuple[str, str],
        open_paths: Collection[str] = (),
        quick_paths: Collection[str] = (),
        trusted_proxies: Collection[Network] = (),
        scheme: str | None = None,
        concurrency: int = 1000,
    ) -> None:
        self.app = app
        self.hosts = frozenset(host.lower().encode() for host in allowed_hosts)
        self.open_paths = frozenset(open_paths)
        self.proxies = tuple(trusted_proxies)
        self.scheme = scheme
        self.apart = self.open_paths.union(quick_paths)
        self.room = [concurrency, concurrency]  # for all paths but those, and for those
        names = " or ".join(sorted(allowed_hosts))
        self.misdirected = f"This server answers as {names}; {settings[0]} is its name, {settings[1]} adds others."

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        host = b""
        seen: set[bytes] = set()
        doubled = b""
        for name, value in scope["headers"]:
            if name == b"host":
                host = value
            elif name in _ONCE or name == b"origin":
                if name in seen:
                    doubled = name
                seen.add(name)
        if scope["method"] not in METHODS:
            await refuse(send, 501, "invalid_request", "This server does not know that request method.")
        elif not self._ours(host) and scope["path"] not in self.open_paths:
            await refuse(send, 421, "invalid_request", self.misdirected)
        elif doubled:
            status = 403 if doubled == b"origin" else 400
            await refuse(send, status, "invalid_request", f"The {doubled.decode()} header appears twice.")
        elif b"%" in scope.get("raw_path", b"") or "\\" in scope["path"]:
            # No path of ours needs encoding; decoding would let /dev%2Ftoken pass a proxy's rule for /dev/.
            await refuse(send, 404, "not_found", "There is nothing at this path.")
        elif self.room[which := scope["path"] in self.apart] <= 0:
            retry = (b"retry-after", b"1")
            await refuse(send, 503, "temporarily_unavailable", "Too many requests at once; try again.", retry)
        else:
            if self.scheme:
                scope["scheme"] = self.scheme
            if self.proxies:
                self._believe_proxy(scope)
            self.room[which] -= 1
            try:
                await self.app(scope, receive, send)
            finally:
                self.room[which] += 1

    def _ours(self, host: bytes) -> bool:
        if host in self.hosts or b"*" in self.hosts:
            return True
        host = host.lower()
        name, colon, port = host.rpartition(b":")
        if not colon or b":" in name.rpartition(b"]")[2] or not (port.isdigit() or not port):
            return host in self.hosts
        return host in self.hosts or name in self.hosts

    def _believe_proxy(self, scope: Scope) -> None:
        """The right-most address that is no trusted proxy's is the client's; all left of it is a claim."""
        client = scope.get("client")
        forwarded = b",".join(value for name, value in scope["headers"] if name == b"x-forwarded-for")
        if not client or not forwarded or not self._trusted(client[0]):
            return
        for hop in reversed(forwarded.decode("latin-1").split(",")):
            address = hop.strip()
            try:
                ipaddress.ip_address(address)
            except ValueError:
                return
            scope["client"] = (address, 0)
            if not self._trusted(address):
                return

    def _trusted(self, address: str) -> bool:
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self.proxies)


async def refuse(send: Send, status: int, error: str, description: str, *headers: tuple[bytes, bytes]) -> None:
    """An OAuth-shaped JSON error (RFC 6749 §5.2)."""
    body = json.dumps({"error": error, "error_description": description}).encode()
    fixed: list[tuple[bytes, bytes]] = [
        (b"content-type", b"application/json"),
        (b"cache-control", b"no-store"),
        (b"content-length", b"%d" % len(body)),
    ]
    start: dict[str, Any] = {"type": "http.response.start", "status": status, "headers": [*fixed, *headers]}
    await send(start)
    await send({"type": "http.response.body", "body": body})
