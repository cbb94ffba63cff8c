"""The public keys that clients publish at their `jwks_uri` (RFC 7591 §2), kept in memory while they hold."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from issuer import log
from issuer.errors import InvalidClientMetadata
from issuer.fetch import Fetcher, FetchFailed
from issuer.model import Client
from issuer.protocol import freshness
from issuer.protocol.jwks import read_public_keys
from issuer.single_flight import SingleFlight

Keys = tuple[Mapping[str, Any], ...]
SHORTEST, USUAL, LONGEST = 60, 600, 3600
"""Seconds that a key set holds: at least, when its host does not say, and at most."""
LAST_GOOD = 3600
"""For so much longer the last good keys serve while the host gives none."""
PAUSE = 10
"""Seconds between two fetches of one key set, whatever the reason: a stranger can name a key that nobody has."""
_LONGEST_SET = 64 * 1024
_MOST_SETS = 200


@dataclass(frozen=True, slots=True)
class _Known:
    """What was fetched from a URL, if it ever was, and when the last try was."""

    keys: Keys
    fresh_until: int
    tried_at: int


class ClientKeys:
    def __init__(self, fetcher: Fetcher, now: Callable[[], int]) -> None:
        self._fetcher = fetcher
        self._now = now
        self._sets: OrderedDict[str, _Known] = OrderedDict()
        self._flights: SingleFlight[None] = SingleFlight()

    def check_url(self, client: Client) -> None:
        """Whether its `jwks_uri`, if it has one, can be fetched from at all. Raises InvalidClientMetadata."""
        try:
            if "jwks_uri" in client.metadata:
                self._fetcher.target(client.metadata["jwks_uri"])
        except ValueError as error:
            raise InvalidClientMetadata(f"jwks_uri cannot be fetched: {error}") from None

    async def of(self, client: Client, kid: str | None) -> Keys:
        """The JWKs of a client that may verify its signatures: none when it has none, or they cannot be had.

        kid: the key that is wanted; a set without it is fetched again.
        """
        url = client.metadata.get("jwks_uri")
        if url is None:
            return tuple(client.metadata.get("jwks", {}).get("keys", ()))
        known = self._sets.get(url)
        if known is None or self._wants(known, kid):
            await self._flights.do(url, lambda: self._renew(url))
            known = self._sets[url]
        self._sets.move_to_end(url)
        return known.keys if self._now() < known.fresh_until + LAST_GOOD else ()

    def _wants(self, known: _Known, kid: str | None) -> bool:
        now = self._now()
        if known.tried_at <= now < known.tried_at + PAUSE:
            return False
        return now >= known.fresh_until or (kid is not None and all(key.get("kid", kid) != kid for key in known.keys))

    async def _renew(self, url: str) -> None:
        now = self._now()
        before = self._sets.get(url, _Known((), 0, now))
        try:
            fetched = await self._fetcher.json(url, _LONGEST_SET)
            keys = tuple(read_public_keys(fetched.document))
        except (FetchFailed, InvalidClientMetadata) as error:
            log.note(client_keys=str(error))
            self._sets[url] = _Known(before.keys, before.fresh_until, now)
        else:
            life = freshness.within(fetched.fresh_seconds, shortest=SHORTEST, usual=USUAL, longest=LONGEST)
            self._sets[url] = _Known(keys, now + life, now)
        while len(self._sets) > _MOST_SETS:
            self._sets.popitem(last=False)
