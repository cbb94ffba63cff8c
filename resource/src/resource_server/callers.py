"""Who calls: bearer tokens (RFC 6750 §2.1) become the users that FastMCP looks for, each verified once."""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from fastmcp.server.auth import AccessToken
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser

from resource_server import verifier
from resource_server.jwks import KeyCache, KeysUnavailable
from resource_server.metrics import Metrics
from resource_server.scopes import Policy
from resource_server.verifier import Candidate, Identity, Rejected, Rules

MAX_REMEMBERED = 4096


class Caller(AuthenticatedUser):
    """The user of one request, as FastMCP and the MCP SDK look for it in the ASGI scope."""

    access_token: AccessToken


class Callers:
    """The rules and the keys of one server, and whom they have accepted.

    A caller is remembered by the digest of the token until it expires or a key is no longer trusted. The scopes of a
    caller include those that the policy's hierarchy adds. resource: the identifier of this server.
    """

    def __init__(
        self,
        rules: Rules,
        keys: KeyCache,
        resource: str,
        policy: Policy,
        metrics: Metrics,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.rules, self.keys, self.resource, self.policy = rules, keys, resource, policy
        self.metrics, self.clock = metrics, clock
        self._remembered: dict[bytes, Caller] = {}
        self._generation = keys.generation

    async def authenticate(self, token: str) -> Caller:
        """Whom a token speaks for. Raises Rejected or KeysUnavailable."""
        now = self.clock()
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        if digest in self._remembered:
            await self.keys.ready()
            known = self._recall(digest, now)
            if known is not None:
                self.metrics.cache_hit()
                return known
        self.metrics.cache_miss()
        caller = self._caller(token, await self._accept(verifier.read(token, self.rules, now)))
        self._remember(digest, caller, now)
        return caller

    def remaining(self, caller: Caller, *, late: bool) -> float:
        """Seconds until the caller's token expires. late: with the leeway, which one that has expired has anyhow."""
        seconds = (caller.access_token.expires_at or 0) - self.clock()
        return seconds + self.rules.leeway if late or seconds <= 0 else seconds

    async def _accept(self, candidate: Candidate) -> Identity:
        keys = await self.keys.find(candidate.alg, candidate.kid)
        try:
            return verifier.accept(candidate, keys)
        except Rejected:
            if not keys or not await self._looked_again():
                raise
        return verifier.accept(candidate, await self.keys.find(candidate.alg, candidate.kid))

    async def _looked_again(self) -> bool:
        """The issuer may have put another key behind a known kid. When it does not answer, the known key judges."""
        try:
            return await self.keys.look_again()
        except KeysUnavailable:
            return False

    def _caller(self, token: str, found: Identity) -> Caller:
        return Caller(
            AccessToken(
                token=token,
                client_id=found.client_id,
                scopes=self.policy.widen(found.scopes),
                expires_at=found.expires_at,
                resource=self.resource,
                subject=found.subject,
                claims=_shared(found.claims),
            )
        )

    # -- what is remembered --------------------------------------------------------------------------------

    def _recall(self, digest: bytes, now: float) -> Caller | None:
        self._forget_if_keys_changed()
        known = self._remembered.get(digest)
        if known is None or now < (known.access_token.expires_at or 0):
            return known
        del self._remembered[digest]
        return None

    def _remember(self, digest: bytes, caller: Caller, now: float) -> None:
        self._forget_if_keys_changed()
        if now >= (caller.access_token.expires_at or 0):
            return
        if len(self._remembered) >= MAX_REMEMBERED:
            del self._remembered[next(iter(self._remembered))]
        self._remembered[digest] = caller

    def _forget_if_keys_changed(self) -> None:
        if self._generation != self.keys.generation:
            self._generation = self.keys.generation
            self._remembered.clear()


def _shared(claims: Mapping[str, Any]) -> dict[str, Any]:
    """The same claims; of words that many tokens have alike there is one copy."""
    return {sys.intern(name): sys.intern(value) if type(value) is str else value for name, value in claims.items()}
