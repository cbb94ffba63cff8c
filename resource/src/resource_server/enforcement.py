"""The second line behind HTTP: FastMCP itself refuses an operation without its scopes, and lists can leave it out.

It sees what FastMCP understood, so no way of writing a request gets round it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastmcp.exceptions import AuthorizationError, InsufficientScopeError
from fastmcp.server.dependencies import get_access_token, get_http_request
from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext
from mcp.shared.exceptions import MCPError

from resource_server.answers import INSUFFICIENT_SCOPE, Challenge
from resource_server.catalogue import Catalogue
from resource_server.introspection import INTROSPECTED, Introspection
from resource_server.operations import operations
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
            for operation in operations({"method": context.method, "params": context.message}):
                try:
                    await self._check(operation)
                except AuthorizationError as reason:  # elsewhere FastMCP says it to the client
                    raise MCPError(INSUFFICIENT_SCOPE, str(reason)) from reason
        return await call_next(context)

    async def on_call_tool(self, context: MiddlewareContext[Any], call_next: CallNext[Any, Any]) -> Any:
        await self._check(Operation("tool", context.message.name))
        return await call_next(context)

    async def on_read_resource(self, context: MiddlewareContext[Any], call_next: CallNext[Any, Any]) -> Any:
        await self._check(Operation("resource", str(context.message.uri)))
        return await call_next(context)

    async def on_get_prompt(self, context: MiddlewareContext[Any], call_next: CallNext[Any, Any]) -> Any:
        await self._check(Operation("prompt", context.message.name))
        return await call_next(context)

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

    async def _check(self, operation: Operation) -> None:
        needed = await self._catalogue.needed(operation)
        if not needed.issubset(_granted()):
            asked = self._challenge.including(needed)
            text = f"insufficient_scope: this operation needs {' '.join(asked)}; sign in again and allow it"
            raise InsufficientScopeError(asked, message=text)
        wanted = self._introspection is not None and self._introspection.wanted(operation)
        if wanted and INTROSPECTED not in get_http_request().scope:
            raise AuthorizationError("The issuer was not asked about this operation's token.")

    async def _shown(self, kind: Kind, found: Sequence[Any]) -> Sequence[Any]:
        if not self._only_allowed:
            return found
        granted = _granted()
        needed = [await self._catalogue.needed_by(kind, component) for component in found]
        return [component for component, scopes in zip(found, needed, strict=True) if scopes <= granted]


def _granted() -> frozenset[str]:
    token = get_access_token()
    return frozenset(token.scopes) if token is not None else frozenset()
