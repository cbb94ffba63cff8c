"""What a client and a person do before a requirement can be looked at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from tests.support.oauth import Client, Person, answer_of
from tests.support.servers import Pair


@dataclass
class World:
    """The pair, a client that has just registered, and alice in front of her browser."""

    pair: Pair
    client: Client
    person: Person

    @property
    def http(self) -> httpx.Client:
        return self.client.http

    def metadata(self) -> dict[str, Any]:
        found: dict[str, Any] = self.http.get("/.well-known/oauth-authorization-server").json()
        return found

    def answer(self, **bent: Any) -> dict[str, str]:
        """What comes back to the client when alice approves."""
        page = self.person.consent_page(self.client, **bent)
        return answer_of(self.person.approve(page) if page.status_code == 200 else page)

    def tokens(self, **bent: Any) -> dict[str, Any]:
        """The token response for what alice approves."""
        redeemed = self.client.redeem(self.answer(**bent)["code"])
        assert redeemed.status_code == 200, redeemed.text
        found: dict[str, Any] = redeemed.json()
        return found

    def mcp(self, token: str | None, **request: Any) -> httpx.Response:
        """A request to the MCP endpoint: the discovery call of 2026-07-28."""
        headers = {"authorization": f"Bearer {token}"} if token is not None else {}
        headers |= {"accept": "application/json, text/event-stream", "mcp-protocol-version": "2026-07-28"}
        headers |= {"mcp-method": "server/discover", **request.pop("headers", {})}
        version = {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}
        meta = {**version, "io.modelcontextprotocol/clientCapabilities": {}}
        body = {"jsonrpc": "2.0", "id": 1, "method": "server/discover", "params": {"_meta": meta}}
        return httpx.post(self.pair.mcp, json=body, headers=headers, timeout=30, **request)


@pytest.fixture
def world(pair: Pair) -> Iterator[World]:
    with httpx.Client(base_url=pair.issuer, timeout=30) as http:
        yield World(pair, Client.register(http), Person(pair.issuer))
