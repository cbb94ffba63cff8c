"""Asking the issuer whether a token still lives (RFC 7662), for operations where a revocation must count at once."""

from __future__ import annotations

from fastmcp.server.auth import AccessToken

from resource_server import strict_json
from resource_server.fetch import Fetcher, FetchFailed, address
from resource_server.issuer import Issuer
from resource_server.metrics import Metrics
from resource_server.scopes import Kind, Operation, matches, means_kind

INTROSPECTED = "resource_server.introspected"  # in the ASGI scope of a request whose token was found active


class NotActive(Exception):
    """The issuer says that the token is no longer good."""


class Introspection:
    """patterns: which operations are worth the question. url: asked instead of the metadata's endpoint."""

    def __init__(
        self,
        issuer: Issuer,
        fetcher: Fetcher,
        patterns: tuple[str, ...],
        url: str | None,
        client: tuple[str, str],
        metrics: Metrics,
    ) -> None:
        self._issuer, self._fetcher, self._patterns, self._url, self._client = issuer, fetcher, patterns, url, client
        self._count = metrics.introspected

    def wanted(self, operation: Operation) -> bool:
        return any(matches(pattern, operation) for pattern in self._patterns)

    def of_some(self, kind: Kind) -> bool:
        """Whether some operation of a kind is wanted: for when it is not known which one it is."""
        return any(means_kind(pattern, kind) for pattern in self._patterns)

    async def check(self, token: AccessToken) -> None:
        """Return when the token is active. Raises NotActive, or FetchFailed when nobody can tell."""
        try:
            active = await self._active(token)
        except FetchFailed:
            self._count["failed"]()
            raise
        self._count["active" if active else "not_active"]()
        if not active:
            raise NotActive

    async def _active(self, token: AccessToken) -> bool:
        url = self._url or address(await self._issuer.metadata(), "introspection_endpoint", self._issuer.name)
        form = {"token": token.token, "token_type_hint": "access_token"}
        try:
            answer = strict_json.loads(await self._fetcher.post(url, form, self._client))
        except strict_json.NotStrict as error:
            raise FetchFailed(f"{url}: {error}") from None
        if not isinstance(answer, dict) or not isinstance(answer.get("active"), bool):
            raise FetchFailed(f"{url} did not say whether the token is active")
        return answer["active"] and answer.get("sub", token.subject) == token.subject
