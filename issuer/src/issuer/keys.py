"""The key ring: which key signs and which are published, a pure function of file names and the clock.

`keys/20261123T100000Z.rs256.pem` is named after the moment it starts to sign. A later name is published already,
so that verifiers know it in time; an older one is published until every token that it signed has expired. Nothing
is remembered anywhere else, so replicas that see the same files agree.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from issuer.key_files import BadKey, read_keys
from issuer.signing_key import Key, json_bytes

PUBLISHED_AHEAD = 70 * 60
"""Seconds: verifiers that keep a key set for an hour know a key before it signs."""
URGENT_AHEAD = 15
"""Seconds, for `key new --now`: three looks of every replica, outside the promise that nothing is refused."""
SKEW = 60
_LOOK = 5.0


def signing(keys: Sequence[Key], now: int) -> Key:
    """The key that signs: the latest that has started, or the first when none has yet."""
    started = [key for key in keys if key.starts_at <= now]
    return started[-1] if started else keys[0]


def published(keys: Sequence[Key], now: int, longest_token: int) -> tuple[Key, ...]:
    """The keys that verifiers may need: those to come, the one that signs, and those whose tokens may still live."""
    gone = (_gone_from(successor, longest_token) for successor in keys[1:])
    return tuple(key for key, end in zip(keys, [*gone, math.inf], strict=True) if now < end)


def next_retirement(keys: Sequence[Key], now: int, longest_token: int) -> float:
    """The next moment at which a key is no longer published; infinity when none goes."""
    moments = (_gone_from(successor, longest_token) for successor in keys[1:])
    return min((moment for moment in moments if moment > now), default=math.inf)


def _gone_from(successor: Key, longest_token: int) -> int:
    """The moment from which the key before `successor` is no longer published: all that it signed has expired."""
    return successor.starts_at + longest_token + SKEW + 1


def _some(keys: Sequence[Key]) -> tuple[Key, ...]:
    if not keys:
        raise BadKey("there is no signing key: `mcp-issuer key init` makes the first one")
    return tuple(keys)


class KeyRing:
    """The keys of a folder, looked at again every five seconds. A bad file found later is reported, not fatal.

    folder: None when the keys came from ISSUER_KEYS, which stays as it is until the next start.
    """

    def __init__(self, folder: Path | None, longest_token: int, keys: Sequence[Key], report: Any = None) -> None:
        self._folder = folder
        self._longest = longest_token
        self._keys = _some(keys)
        self._report = report
        # Nothing is seen yet: a file may have come while the keys were read, so the first look reads them again.
        self._seen: tuple[tuple[str, int], ...] | None = None
        self._complaint = ""
        self._look_at = time.monotonic() + _LOOK
        self._document = b""
        self._document_of: tuple[Sequence[Key], float, float] = (), 0.0, 0.0
        """The keys that the document was made of, the moment from which it holds, and that from which it does not."""

    def _listing(self, folder: Path) -> tuple[tuple[str, int], ...]:
        with os.scandir(folder) as entries:
            return tuple(sorted((e.name, e.stat().st_mtime_ns) for e in entries if e.name.endswith(".pem")))

    def _look(self) -> tuple[Key, ...]:
        moment = time.monotonic()
        if self._folder and moment >= self._look_at:
            self._look_at = moment + _LOOK
            try:
                listing = self._listing(self._folder)
                if listing != self._seen:
                    self._keys = _some(read_keys(self._folder))
                    self._seen = listing
                self._complaint = ""
            except (BadKey, OSError) as error:
                if self._report and str(error) != self._complaint:
                    self._complaint = str(error)
                    self._report(f"the keys stay as they were: {error}")
        return self._keys

    def signing(self, now: int) -> Key:
        return signing(self._look(), now)

    def published(self, now: int) -> tuple[Key, ...]:
        return published(self._look(), now, self._longest)

    def jwks(self, now: int) -> bytes:
        """The JWK set (RFC 7517 §5), built again only when it may have changed."""
        keys = self._look()
        made_of, since, until = self._document_of
        if keys is not made_of or not since <= now < until:
            self._document = json_bytes({"keys": [key.jwk for key in published(keys, now, self._longest)]})
            self._document_of = keys, now, next_retirement(keys, now, self._longest)
        return self._document
