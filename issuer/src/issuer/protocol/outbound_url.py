"""URLs that this server may be made to fetch: read without any leniency, as every reader of a URL is lenient elsewhere.

https to a host name on port 443. No user information and no fragment; no address literal, in whatever spelling, as
the names of a document's host are what people are shown and operators allow; no other port, as a fetch must not
become a knock on other services' doors, unless the operator has listed it with its host.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from issuer.protocol.redirect_uri import LOOPBACK_HOSTS

LONGEST = 512
_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[::1\]|[a-z0-9.-]+)(?::(?P<port>[1-9][0-9]{0,4}))?"
    r"(?P<path>(?:/(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})*)*)"
    r"(?P<query>\?(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*)?"
)
_LABEL = r"(?!-)[a-z0-9-]{1,63}(?<!-)"
# The last label has a letter first, so no spelling of an IPv4 address is a name (WHATWG URL §3.5: "ends in a number").
_NAME = re.compile(rf"(?=.{{1,253}}\Z)(?:{_LABEL}\.)+(?=[a-z]){_LABEL}")


@dataclass(frozen=True, slots=True)
class Target:
    """Where a URL leads. `host` as written, so with brackets around an IPv6 address."""

    scheme: str
    host: str
    port: int
    path: str
    query: str | None

    @property
    def loopback(self) -> bool:
        return self.host in LOOPBACK_HOSTS


def read(url: str, *, loopback: bool = False, open_ports: Collection[tuple[str, int]] = ()) -> Target:
    """The target of a URL. Raises ValueError, with what is wrong.

    loopback: literal loopback hosts are allowed too, by http or https and on any port (development).
    open_ports: hosts with a port beside 443 that the operator has allowed.
    """
    match = _URL.fullmatch(url) if len(url) <= LONGEST else None
    if match is None:
        raise ValueError(f"not a plain lower-case https URL of at most {LONGEST} characters")
    scheme, host = match["scheme"], match["host"]
    port = int(match["port"] or (443 if scheme == "https" else 80))
    target = Target(scheme, host, port, match["path"], match["query"])
    if loopback and target.loopback and port <= 65535:
        return target
    if scheme != "https":
        raise ValueError("not https")
    if not _NAME.fullmatch(host):
        raise ValueError("the host is not a full domain name")
    if port != 443 and (host, port) not in open_ports:
        raise ValueError("a port other than 443")
    return target
