"""Host names to addresses, checked: one address that is not public condemns them all (RFC 6890)."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address

from issuer.protocol.outbound_url import Target
from issuer.protocol.special_use import is_public

Resolve = Callable[[str, int], Awaitable[list[str]]]
"""From a host and port to addresses, as text. Raises OSError."""

# Threads of its own: a name server that never answers must not keep passwords from being checked.
_THREADS = ThreadPoolExecutor(8, thread_name_prefix="resolver")
_MOST_ADDRESSES = 4


class Forbidden(OSError):
    """The host leads to an address that must not be reached."""


async def lookup(host: str, port: int) -> list[str]:
    """What the system says."""
    loop = asyncio.get_running_loop()
    found = await loop.run_in_executor(
        _THREADS, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    )
    # A scope is lost here, and an address that needs one is not public anyway.
    return [str(entry[4][0]) for entry in found]


async def checked(target: Target, resolve: Resolve) -> list[str]:
    """The addresses to connect to, in order; a loopback target's are loopback. Raises OSError."""
    name = target.host.strip("[]")
    found = list(dict.fromkeys(await resolve(name, target.port)))
    addresses = [ip_address(text) for text in found]
    if not addresses:
        raise OSError("the host has no address")
    for address in addresses:
        if not (address.is_loopback if target.loopback else is_public(address)):
            raise Forbidden(f"{name} leads to {address}, which must not be reached")
    return found[:_MOST_ADDRESSES]
