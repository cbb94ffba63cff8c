"""The second line behind HTTP: FastMCP itself refuses an operation without its scopes, and lists can leave it out.

It sees what FastMCP understood, so no way of writing a request gets round it. What the operation comes to is judged
once more in the last line, for there are tools that run other tools.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from typing import Any

from fastmcp.exceptions import AuthorizationError, InsufficientScopeError
from fastmcp.prompts import Prompt
from fastmcp.resources import ResourceTemplate
from fastmcp.server.dependencies import get_access_token, get_http_request
from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext
from fastmcp.tools import Tool
from mcp.shared.exceptions import MCPError

from resource_server import last_line, log
from resource_server.answers import INSUFFICIENT_SCOPE, Challenge
from resource_server.catalogue import Catalogue
from resource_server.fetch import FetchFailed
from resource_server.introspection import INTROSPECTED, Introspection, NotActive
from resource_server.operations import operation_of
from resource_server.scopes import Kind, Operation


class Enforcement(Middleware):
    """only_allowed: lists show a caller only what the token suffices for."""

    def __init__(
        self, catalogue: Catalogue, challenge: Challenge, introspection: Introspection | None, *, only_allowed: bool
    ) -> None:
        self._catalogue, self._challenge, self._introspection = catalogue, challenge, introspection
        self._only_allowed = only_allowed

    async def on_request(self, context: MiddlewareContext[Any], call_next: CallNext[Any, Any]) -> Any:
        """What has no hook of its own comes as it was sent: completions, subscriptions."""
        if isinstance(context.message, Mapping):
            operation = operation_of({"method": context.method, "params": context.message})
            if operation is not None:
                try:
                    await self._check(operation)
                except AuthorizationError as reason:  # elsewhere FastMCP says it to the client
                    raise MCPError(INSUFFICIENT_SCOPE, str(reason)) from reason
        return await call_next(context)

    async def on_call_tool(self, context: MiddlewareContext[Any], call_next: CallNext[Any, Any]) -> Any:
        return await self._checked(Operation("tool", context.message.name), context, call_next)

    async def on_read_resource(self, context: MiddlewareContext[Any], call_next: CallNext[Any, Any]) -> Any:
        return await self._checked(Operation("resource", str(context.message.uri)), context, call_next)

    async def on_get_prompt(self, context: MiddlewareContext[Any], call_next: CallNext[Any, Any]) -> Any:
        return await self._checked(Operation("prompt", context.message.name), context, call_next)

    async def on_list_tools(self, context: MiddlewareContext[Any], call_next: CallNext[Any, Any]) -> Sequence[Any]:
        return await self._shown("tool", await call_next(context))

    async def on_list_prompts(self, context: MiddlewareContext[Any], call_next: CallNext[Any, Any]) -> Sequence[Any]:
        return await self._shown("prompt", await call_next(context))

    async def on_list_resources(self, context: MiddlewareContext[Any], call_next: CallNext[Any, Any]) -> Sequence[Any]:
        return await self._shown("resource", await call_next(context))

    async def on_list_resource_templates(
        self, context: MiddlewareContext[Any], call_next: CallNext[Any, Any]
    ) -> Sequence[Any]:
        return await self._shown("resource", await call_next(context))

    async def judge(self, component: Any) -> None:
        if await self._catalogue.runs(_kind(component), component.fn):  # else it is another server's
            await self._judge(None, component)

    async def _checked(
        self, operation: Operation, context: MiddlewareContext[Any], call_next: CallNext[Any, Any]
    ) -> Any:
        await self._check(operation)
        with last_line.judged_by(functools.partial(self._judge, operation)):
            return await call_next(context)

    async def _check(self, operation: Operation) -> None:
        self._demand(await self._catalogue.needed(operation))
        if self._introspection is not None:
            await self._introspect(self._introspection, await self._catalogue.meanings(operation))

    async def _judge(self, operation: Operation | None, component: Any) -> None:
        """What patterns ask for the names of a function holds too where `operation` came to it by another way, or it
        is not known what did."""
        needed, names = await self._catalogue.of_function(_kind(component), component.fn)
        unnamed = isinstance(component, ResourceTemplate) and (operation is None or operation.kind != "resource")
        if unnamed:  # which of its resources this is, in the names that callers use, nobody can tell
            needed |= self._catalogue.policy.of_every("resource")
        self._demand(needed)
        if self._introspection is not None:
            await self._introspect(
                self._introspection, names, certainly=unnamed and self._introspection.of_some("resource")
            )

    def _demand(self, needed: frozenset[str]) -> None:
        if not needed.issubset(_granted()):
            asked = self._challenge.including(needed)
            text = f"insufficient_scope: this operation needs {' '.join(asked)}; sign in again and allow it"
            raise InsufficientScopeError(asked, message=text)

    async def _introspect(
        self, introspection: Introspection, names: Iterable[Operation], *, certainly: bool = False
    ) -> None:
        """Ask the issuer, if it is to be asked about one of `names` and was not."""
        if not certainly and not any(map(introspection.wanted, names)):
            return
        try:
            scope: MutableMapping[str, Any] = get_http_request().scope
        except RuntimeError:  # a background task is part of no request, and asks each time
            scope = {}
        token = get_access_token()
        if INTROSPECTED in scope or token is None:
            return
        try:
            await introspection.check(token)
        except NotActive:
            raise AuthorizationError("The access token was revoked.") from None
        except FetchFailed as error:
            log.note(error=str(error))
            raise AuthorizationError("The token could not be checked now; try again.") from None
        scope[INTROSPECTED] = True

    async def _shown(self, kind: Kind, found: Sequence[Any]) -> Sequence[Any]:
        if not self._only_allowed:
            return found
        granted = _granted()
        needed = [await self._catalogue.needed_by(kind, component) for component in found]
        return [component for component, scopes in zip(found, needed, strict=True) if scopes <= granted]


def _kind(component: Any) -> Kind:
    return "tool" if isinstance(component, Tool) else "prompt" if isinstance(component, Prompt) else "resource"


def _granted() -> frozenset[str]:
    token = get_access_token()
    return frozenset(token.scopes) if token is not None else frozenset()
