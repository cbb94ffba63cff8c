"""The gate of the MCP endpoint (RFC 6750): no token, no answer; then the server behind it, until the token ends.

It comes before every 404, 405 and 400 of the server behind: an unauthenticated caller learns nothing there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from mcp.server.auth.middleware.auth_context import auth_context_var
from starlette.authentication import AuthCredentials
from starlette.types import ASGIApp, Receive, Scope, Send

from resource_server import log
from resource_server.answers import INSUFFICIENT_SCOPE, TOO_MANY, UNAUTHORIZED, UNAVAILABLE, Challenge, refuse
from resource_server.callers import Caller, Callers
from resource_server.expiry import end_after
from resource_server.jwks import KeysUnavailable
from resource_server.verifier import Rejected

_NO_TOKEN = "This server needs an access token in the Authorization header: see the resource metadata."
_OUTAGE = "The token could not be checked because the issuer's keys cannot be fetched now; try again."
_TOO_MANY = "You have too many requests in progress here: end some, event streams above all, or try again."
# Far more than a caller needs, and far less than the server has room for
MOST_STREAMS, MOST_REQUESTS = 100, 500


class Room:
    """How many streams and other requests each caller (issuer and subject) has in progress."""

    def __init__(self) -> None:
        self._taken: Counter[tuple[str, str | None, bool]] = Counter()

    @contextmanager
    def taken(self, caller: Caller, *, stream: bool) -> Iterator[bool]:
        """Count a request while this lasts; whether there was room for it."""
        token = caller.access_token
        key = str(token.claims.get("iss")), token.subject, stream
        if self._taken[key] >= (MOST_STREAMS if stream else MOST_REQUESTS):
            yield False
            return
        self._taken[key] += 1
        try:
            yield True
        finally:
            self._taken[key] -= 1
            if not self._taken[key]:
                del self._taken[key]


class BearerGate:
    """ASGI application around another one: lets authenticated requests with the base scopes through."""

    def __init__(self, app: ASGIApp, callers: Callers, challenge: Challenge, room: Room) -> None:
        self.app, self.callers, self.challenge, self.room = app, callers, challenge, room
        self.scopes = frozenset(challenge.scopes)
        self.verified = callers.metrics.verified

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        token = bearer_token(scope)
        if token is None:
            self.verified["no_token"]()
            log.note(error="no token")
            await refuse(send, 401, UNAUTHORIZED, _NO_TOKEN, self.challenge.bare)
            return
        try:
            caller = await self.callers.authenticate(token)
        except Rejected as reason:
            self.verified[reason.reason]()
            log.note(error=str(reason))
            await refuse(send, 401, UNAUTHORIZED, str(reason), self.challenge.invalid_token(str(reason)))
            return
        except KeysUnavailable as outage:
            self.verified["keys_unavailable"]()
            log.note(error=str(outage))
            retry = (b"retry-after", b"%d" % outage.retry_after)
            await refuse(send, 503, UNAVAILABLE, _OUTAGE, retry)
            return
        log.note(client_id=caller.access_token.client_id, sub=caller.access_token.subject)
        if not self.scopes.issubset(caller.scopes):
            self.verified["insufficient_scope"]()
            log.note(error="insufficient scope")
            text = f"The access token lacks a scope that this server needs: {' '.join(self.challenge.scopes)}"
            challenge = self.challenge.insufficient_scope(self.challenge.scopes)
            await refuse(send, 403, INSUFFICIENT_SCOPE, text, challenge)
            return
        self.verified["ok"]()
        listens = scope["method"] == "GET"
        with self.room.taken(caller, stream=listens) as taken:
            if taken:
                await self._serve(caller, self.callers.remaining(caller, late=not listens), scope, receive, send)
                return
        log.note(error="too many requests of one caller")
        await refuse(send, 429, TOO_MANY, _TOO_MANY, (b"retry-after", b"5"))

    async def _serve(self, caller: Caller, seconds: float, scope: Scope, receive: Receive, send: Send) -> None:
        # The token was for us: FastMCP's proxies, which a server may hold, would pass it on (MCP, Token Passthrough).
        scope["headers"] = [header for header in scope["headers"] if header[0] != b"authorization"]
        scope["user"] = caller
        scope["auth"] = AuthCredentials(caller.scopes)
        reset = auth_context_var.set(caller)
        try:
            await end_after(seconds, self.app, scope, receive, send)
        finally:
            auth_context_var.reset(reset)


def bearer_token(scope: Scope) -> str | None:
    """The credentials of `Authorization: Bearer`, in whatever case (RFC 9110 §11.1); None when there are none."""
    for name, value in scope["headers"]:
        if name == b"authorization":
            scheme, _, credentials = value.partition(b" ")
            token = credentials.strip(b" ").decode("latin-1")
            return token if scheme.lower() == b"bearer" and token else None
    return None
