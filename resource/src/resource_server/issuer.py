"""What is known of the issuer: its metadata, read once it is needed, and from it the address of its keys."""

from __future__ import annotations

import asyncio
import contextlib
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
        self._comparing: asyncio.Task[None] | None = None

    async def keys(self) -> bytes:
        """The JWK Set document. Raises FetchFailed."""
        url = self._jwks_url or fetch.jwks_url(await self.metadata(), self.name)
        try:
            found = await self._fetcher.json(url)
        except FetchFailed:
            self._metadata = None  # the keys may have moved
            raise
        if self._comparing is None:
            self._comparing = asyncio.create_task(self._compare_scopes())
        return found

    async def close(self) -> None:
        if self._comparing is not None:
            self._comparing.cancel()
            await asyncio.gather(self._comparing, return_exceptions=True)

    async def metadata(self) -> dict[str, Any]:
        """The issuer's metadata (RFC 8414 §2). Raises FetchFailed."""
        if self._metadata is None:
            self._metadata = await fetch.issuer_metadata(self._fetcher, self.name)
        return self._metadata

    async def _compare_scopes(self) -> None:
        """Warn of scopes that are needed and not announced: else people would learn it from a consent page that never
        grants them. Nobody waits for this: the server's own lists may take long, or fail."""
        try:
            known = (await self._announcing()).get("scopes_supported")
            missing = sorted(set(await self._needed()).difference(known)) if isinstance(known, list) else []
        except FetchFailed as error:
            logger.debug("The issuer's metadata cannot be had, its scopes are not compared: {}", error)
        except Exception:
            logger.opt(exception=True).debug("The issuer's scopes could not be compared")
        else:
            if missing:
                logger.warning("The issuer does not announce scopes that this server needs: {}", " ".join(missing))

    async def _announcing(self) -> dict[str, Any]:
        """The metadata, for the sake of the warning alone where nothing else needs it: then none of it is kept."""
        if self._metadata is not None or self._jwks_url is None:
            return await self.metadata()
        for address in fetch.addresses_beside(self._jwks_url, self.name):
            with contextlib.suppress(FetchFailed):
                return await fetch.issuer_metadata(self._fetcher, self.name, address)
        raise FetchFailed("it is at none of the usual addresses")
