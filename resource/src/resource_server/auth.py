"""Who calls: bearer tokens (RFC 6750 §2.1) become FastMCP's authenticated user, each verified once."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable

from fastmcp.server.auth import AccessToken, TokenVerifier
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser

from resource_server import verifier
from resource_server.jwks import KeyCache, KeysUnavailable
from resource_server.metrics import Metrics
from resource_server.scopes import Policy
from resource_server.verifier import Identity, Rejected, Rules

MAX_REMEMBERED = 4096


class Caller(AuthenticatedUser):
    """The user of one request, as FastMCP and the MCP SDK look for it in the ASGI scope."""

    access_token: AccessToken


class Verifier(TokenVerifier):
    """Our rules and our keys behind FastMCP's `TokenVerifier`; `authenticate` says why a token is refused.

    A verified token is remembered by its digest until it expires or a key is no longer trusted.
    The caller's scopes include those that the policy's hierarchy adds.
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
        super().__init__()
        self.metrics = metrics
        self.rules, self.keys, self.resource, self.policy, self.clock = rules, keys, resource, policy, clock
        self._remembered: dict[bytes, Caller] = {}
        self._generation = keys.generation

    async def verify_token(self, token: str) -> AccessToken | None:
        """FastMCP's question. Raises KeysUnavailable: an outage is no verdict about the token."""
        try:
            return (await self.authenticate(token)).access_token
        except Rejected:
            return None

    async def authenticate(self, token: str) -> Caller:
        """The user a token speaks for. Raises Rejected or KeysUnavailable."""
        now = self.clock()
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        if digest in self._remembered:
            await self.keys.ready()
            self._forget_if_keys_changed()
            user = self._remembered.get(digest)
            if user is not None and now < (user.access_token.expires_at or 0):
                self.metrics.cache_hit()
                return user
            self._remembered.pop(digest, None)
        self.metrics.cache_miss()
        found = await self._accept(verifier.read(token, self.rules, now))
        user = Caller(self._access_token(token, found))
        self._forget_if_keys_changed()
        if now < found.expires_at:
            if len(self._remembered) >= MAX_REMEMBERED:
                del self._remembered[next(iter(self._remembered))]
            self._remembered[digest] = user
        return user

    def _forget_if_keys_changed(self) -> None:
        if self._generation != self.keys.generation:
            self._generation = self.keys.generation
            self._remembered.clear()

    def remaining(self, user: Caller) -> float:
        """Seconds until the user's token expires; of one that leeway alone keeps alive, the rest of the leeway."""
        seconds = (user.access_token.expires_at or 0) - self.clock()
        return seconds if seconds > 0 else seconds + self.rules.leeway

    async def _accept(self, candidate: verifier.Candidate) -> Identity:
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

    def _access_token(self, token: str, found: Identity) -> AccessToken:
        return AccessToken(
            token=token,
            client_id=found.client_id,
            scopes=self.policy.widen(found.scopes),
            expires_at=found.expires_at,
            resource=self.resource,
            subject=found.subject,
            claims=dict(found.claims),
        )
