"""What is known of the issuer: its metadata, read once it is needed, and from it the address of its keys."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import Any

from loguru import logger

from resource_server import fetch
from resource_server.fetch import Fetcher, FetchFailed


class Issuer:
    """One issuer. jwks_url: asked for keys instead of the `jwks_uri` of its metadata.

    needed: the scopes that this server needs; one that the issuer does not announce is warned of, once.
    """

    def __init__(
        self, name: str, jwks_url: str | None, needed: Callable[[], Awaitable[Collection[str]]], fetcher: Fetcher
    ) -> None:
        self.name, self._jwks_url, self._needed, self._fetcher = name, jwks_url, needed, fetcher
        self._metadata: dict[str, Any] | None = None
        self._compared = False

    async def keys(self) -> bytes:
        """The JWK Set document. Raises FetchFailed."""
        url = self._jwks_url or fetch.jwks_url(await self.metadata(), self.name)
        try:
            return await self._fetcher.json(url)
        except FetchFailed:
            self._metadata = None  # the keys may have moved
            raise

    async def metadata(self) -> dict[str, Any]:
        """The issuer's metadata (RFC 8414 §2). Raises FetchFailed."""
        if self._metadata is None:
            self._metadata = await fetch.issuer_metadata(self._fetcher, self.name)
            await self._check_scopes(self._metadata.get("scopes_supported"))
        return self._metadata

    async def _check_scopes(self, known: object) -> None:
        """Without this warning, people would learn it from a consent page that never grants what is needed."""
        if self._compared or not isinstance(known, list):
            return
        self._compared = True
        missing = sorted(set(await self._needed()).difference(known))
        if missing:
            logger.warning("The issuer does not announce scopes that this server needs: {}", " ".join(missing))
