"""Which clients may be known by a metadata document (draft-ietf-oauth-client-id-metadata-document §8.6, §8.9)."""

from __future__ import annotations

from dataclasses import dataclass

from issuer.protocol import client_document
from issuer.protocol.outbound_url import Target


@dataclass(frozen=True, slots=True)
class Policy:
    """loopback: documents on this machine too. allow, deny: hosts, `*.` before all below one; an empty allow is
    everyone, and a port beside an allowed host opens it. own: hosts and ports of this server and its resources.
    """

    on: bool = True
    loopback: bool = False
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    own: frozenset[tuple[str, int]] = frozenset()

    @property
    def open_ports(self) -> frozenset[tuple[str, int]]:
        parted = (entry.partition(":") for entry in self.allow)
        return frozenset((host, int(port)) for host, _, port in parted if port)

    def check(self, client_id: str) -> Target:
        """Where the document lies, if it may be used. Raises ValueError."""
        if not self.on:
            raise ValueError("metadata documents are off")
        target = client_document.read_url(client_id, loopback=self.loopback, open_ports=self.open_ports)
        if (target.host, target.port) in self.own:
            raise ValueError("it is an address of this server itself")
        if target.loopback:
            return target
        if any(_matches(target.host, entry) for entry in self.deny):
            raise ValueError("its host is denied")
        if self.allow and not any(_matches(target.host, entry) for entry in self.allow):
            raise ValueError("its host is not one of those allowed")
        return target


def _matches(host: str, entry: str) -> bool:
    name = entry.partition(":")[0]
    return host.endswith(name[1:]) if name.startswith("*.") else host == name
