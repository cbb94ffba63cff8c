"""The caller may use this server; may it do *this*? HTTP 403 with all scopes of the operation (MCP, Scope Challenge).

Every body is read here as strict JSON: what scopes are decided on is what the server behind will understand.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from loguru import logger
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from resource_server import at_once, log, strict_json
from resource_server.answers import (
    INSUFFICIENT_SCOPE,
    INVALID_REQUEST,
    PARSE_ERROR,
    TOO_LARGE,
    UNAUTHORIZED,
    UNAVAILABLE,
    Challenge,
    refuse,
)
from resource_server.catalogue import NOTHING, Catalogue, Judgement
from resource_server.fetch import FetchFailed
from resource_server.guard import BodyTooLarge, read_body
from resource_server.introspection import INTROSPECTED, Introspection, NotActive
from resource_server.operations import operation_of
from resource_server.scopes import Operation

MAX_BODY = 4 * 1024 * 1024
MAX_DEPTH = 128


class StepUp:
    """ASGI application around the MCP transports, behind the bearer gate.

    over_http: answer 403, so that clients step up; otherwise the server's own layer refuses with a result.
    """

    def __init__(
        self,
        app: ASGIApp,
        catalogue: Catalogue,
        challenge: Challenge,
        introspection: Introspection | None = None,
        *,
        over_http: bool = True,
    ) -> None:
        self.app, self.catalogue, self.challenge, self.over_http = app, catalogue, challenge, over_http
        self.introspection = introspection

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        try:
            body = await read_body(scope, receive, MAX_BODY)
            message = strict_json.loads(body, MAX_DEPTH)
        except BodyTooLarge:
            await refuse(send, 413, TOO_LARGE, f"The request body is larger than {MAX_BODY} bytes.")
            return
        except strict_json.NotStrict as error:
            await refuse(send, 400, PARSE_ERROR, f"The request body is no plain JSON: {error}.")
            return
        wrong = _wrong(message)
        if wrong is not None:
            await refuse(send, 400, INVALID_REQUEST, wrong)
            return
        at_once.mark(scope, message)
        operation = operation_of(message)
        replay = _replay(body, receive)
        del body, message  # not kept while the server behind works
        try:
            needed, meant = await self._look_up(operation) if operation is not None else NOTHING
        except Exception as error:  # a provider of the server behind fails; what needs nothing is not known then either
            logger.opt(exception=error).error("The scopes of an operation could not be looked up")
            log.note(error="scopes could not be looked up")
            text = "The server cannot tell now what this operation needs; try again."
            await refuse(send, 503, UNAVAILABLE, text, (b"retry-after", b"2"))
            return
        if self.over_http and not needed.issubset(scope["user"].scopes):
            log.note(error="insufficient scope")
            asked = self.challenge.including(needed)
            text = f"insufficient_scope: this operation needs {' '.join(asked)}"
            await refuse(send, 403, INSUFFICIENT_SCOPE, text, self.challenge.insufficient_scope(asked))
            return
        if self.introspection is None or await self._active(self.introspection, meant, scope, send):
            await self.app(scope, replay, send)

    async def _look_up(self, operation: Operation) -> Judgement:
        """All scopes that the operation needs and, where it matters, all names of what it comes to."""
        needed = await self.catalogue.needed(operation)
        return needed, () if self.introspection is None else await self.catalogue.meanings(operation)

    async def _active(self, introspection: Introspection, meant: Sequence[Operation], scope: Scope, send: Send) -> bool:
        """Whether to go on: the issuer was not to be asked, or says that the token is active."""
        if not any(map(introspection.wanted, meant)):
            return True
        try:
            await introspection.check(scope["user"].access_token)
        except NotActive:
            text = "The access token was revoked."
            await refuse(send, 401, UNAUTHORIZED, text, self.challenge.invalid_token(text))
        except FetchFailed as error:
            log.note(error=str(error))
            text = "The token could not be checked because the issuer does not answer now; try again."
            await refuse(send, 503, UNAVAILABLE, text, (b"retry-after", b"2"))
        else:
            scope[INTROSPECTED] = True
            return True
        return False


def _wrong(message: Any) -> str | None:
    """Why a value is no JSON-RPC message at all (MCP, Messages); what is wrong within one, the SDK says."""
    if isinstance(message, list):
        return "Send one JSON-RPC message at a time: MCP has no batches since 2025-06-18."
    if not isinstance(message, dict):
        return "The request body must be a JSON-RPC message, a JSON object."
    id = message.get("id", "")
    nameless = id is None and "error" in message  # of a message that its reader could not make out (JSON-RPC §5)
    if not nameless and (not isinstance(id, str | int) or isinstance(id, bool)):
        return "The id of a JSON-RPC message must be a string or a whole number."
    return None


def _replay(body: bytes, receive: Receive) -> Receive:
    """`receive` that gives the body once more, then what comes after it."""
    first: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return first.pop() if first else await receive()

    return replay
