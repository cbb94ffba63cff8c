"""What we must know of FastMCP's insides, and why; tests/resource/test_seams.py notices when FastMCP changes.

- FastMCP lists a server's components for a caller and leaves out what the caller may not use; only the stdio
  transport sees all. A challenge must name the scopes of just what is left out, so we list as stdio does.
- A mounted server's components are wrapped, and the wrapper does not show the function with its `@requires`.
- A tool of an app can be called by a hashed name that no list shows.
- FastMCP asks its providers for a component side by side, in a task group, even when there is but one.
- FastMCP describes each call for OpenTelemetry before it is known that nobody listens.
- A 2026-07-28 tool call must be checked against the tool's schema (`Mcp-Param-*` headers). The MCP SDK asks
  `get_tool_input_schema`, which FastMCP leaves empty: then the SDK lists every tool at every call.
- The SDK counts the sessions of the older era together, whoever opened them, and says of a session when its idle time
  ends: never, while a request of it is under way.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from fastmcp import FastMCP, settings
from fastmcp.server.auth import AccessToken
from fastmcp.server.context import reset_transport, set_transport
from fastmcp.server.http import StreamableHTTPASGIApp
from fastmcp.server.providers import aggregate
from fastmcp.server.providers.addressing import parse_hashed_backend_name
from fastmcp.server.providers.fastmcp_provider import (
    FastMCPProviderPrompt,
    FastMCPProviderResource,
    FastMCPProviderResourceTemplate,
    FastMCPProviderTool,
)
from fastmcp.utilities import async_utils
from fastmcp.utilities.authorization import AuthContext, scope_requirements
from fastmcp.utilities.components import FastMCPComponent
from fastmcp.utilities.versions import version_sort_key
from mcp.server.auth.middleware.bearer_auth import AuthorizationContext
from mcp.server.streamable_http import StreamableHTTPServerTransport
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from opentelemetry.trace import ProxyTracerProvider, get_tracer_provider
from starlette.applications import Starlette
from starlette.routing import Route

from resource_server.scopes import Kind, required_by

_NOBODY = AccessToken(token="", client_id="", scopes=[])
_WRAPPERS: tuple[tuple[type[FastMCPComponent], Kind, str, str], ...] = (
    (FastMCPProviderTool, "tool", "_original_name", "name"),
    (FastMCPProviderPrompt, "prompt", "_original_name", "name"),
    (FastMCPProviderResource, "resource", "_original_uri", "uri"),
    (FastMCPProviderResourceTemplate, "resource", "_original_uri_template", "uri_template"),
)


async def every_component(server: FastMCP[Any], kind: Kind) -> Sequence[FastMCPComponent]:
    """All versions of all components of a kind, those included that the caller may not use."""
    reset = set_transport("stdio")
    try:
        if kind == "tool":
            return await server.list_tools(run_middleware=False)
        if kind == "prompt":
            return await server.list_prompts(run_middleware=False)
        resources = await server.list_resources(run_middleware=False)
        return [*resources, *await server.list_resource_templates(run_middleware=False)]
    finally:
        reset_transport(reset)


async def hashed_tool(server: FastMCP[Any], name: str) -> FastMCPComponent | None:
    """The tool that a hashed name stands for."""
    address = parse_hashed_backend_name(name)
    if address is None:
        return None
    reset = set_transport("stdio")
    try:
        return await server.get_tool_by_hash(*address)
    finally:
        reset_transport(reset)


async def declared_scopes(component: FastMCPComponent) -> frozenset[str]:
    """What `@requires` and FastMCP's own `auth=require_scopes(...)` say about a component."""
    found = required_by(getattr(component, "fn", None))
    own = getattr(component, "auth", None)
    if own is not None:
        found |= frozenset(scope_requirements(own, AuthContext(_NOBODY, component)) or ())
    for wrapper, kind, original, attribute in _WRAPPERS:
        if isinstance(component, wrapper):
            mounted: Any = component
            name = getattr(mounted, original)
            for inner in await every_component(mounted._server, kind):
                if str(getattr(inner, attribute, "")) == name:
                    found |= await declared_scopes(inner)
    return found


def schemas_as_listed(tools: Sequence[FastMCPComponent]) -> dict[str, Mapping[str, Any]]:
    """The input schema of each tool: of its highest version, which is the one that is listed."""
    return {tool.name: getattr(tool, "parameters", {}) for tool in sorted(tools, key=version_sort_key)}


def spare_task_groups() -> None:
    """Let FastMCP await one thing alone without a task of its own. Does no more when done twice."""
    original: Callable[..., Awaitable[list[Any]]] = async_utils.gather

    async def gather(awaitables: Iterable[Awaitable[Any]], *, return_exceptions: bool = False) -> list[Any]:
        found = list(awaitables)
        if len(found) != 1:
            return await original(found, return_exceptions=return_exceptions)
        try:
            return [await found[0]]
        except Exception as error:
            if not return_exceptions:
                raise
            return [error]

    vars(aggregate)["gather"] = gather


def spare_spans() -> None:
    """Have FastMCP make no spans, unless an OpenTelemetry SDK is set up or FASTMCP_TELEMETRY_MODE says what it makes.

    What a caller says of its own trace still reaches the spans that a tool makes.
    """
    if isinstance(get_tracer_provider(), ProxyTracerProvider) and "telemetry_mode" not in settings.model_fields_set:
        settings.telemetry_mode = "propagation_only"


def give_schemas(server: FastMCP[Any], lookup: Callable[[str], Mapping[str, Any] | None]) -> None:
    """Let the SDK ask `lookup` for a tool's input schema instead of listing all tools."""
    server._mcp_server.get_tool_input_schema = lookup


class Owner(NamedTuple):
    """Whose session it is: the person or the client that the token speaks for."""

    issuer: str | None
    subject: str | None


class OpenSession(NamedTuple):
    """idle_until: when it ends by itself; without end while it is used."""

    id: str
    owner: Owner
    idle_until: float


def session_manager(app: Starlette) -> StreamableHTTPSessionManager:
    """What keeps the sessions of a streamable HTTP application that has started."""
    endpoints = [route.endpoint for route in app.routes if isinstance(route, Route)]
    found = [e.session_manager for e in endpoints if isinstance(e, StreamableHTTPASGIApp)]
    [manager] = [manager for manager in found if manager is not None]
    return manager


def open_sessions(manager: StreamableHTTPSessionManager) -> Iterator[OpenSession]:
    for session_id, transport in manager._server_instances.items():
        until = math.inf if transport.idle_scope is None else transport.idle_scope.deadline
        yield OpenSession(session_id, _owner(manager._session_owners.get(session_id)), until)


def ask_before_sessions(manager: StreamableHTTPSessionManager, ask: Callable[[Owner], None]) -> None:
    """Call `ask` before each new session; when it raises, there is none. The SDK's own limit is lifted."""
    original = manager._admit_session

    def admit(requestor: AuthorizationContext | None) -> StreamableHTTPServerTransport | None:
        ask(_owner(requestor))
        return original(requestor)

    manager.max_sessions = None
    vars(manager)["_admit_session"] = admit


def end_session(manager: StreamableHTTPSessionManager, session_id: str) -> None:
    """Forget a session now, and close it soon."""
    transport = manager._server_instances.pop(session_id)
    manager._session_owners.pop(session_id, None)
    group: Any = manager._task_group
    group.start_soon(manager._discard_session, session_id, transport)


def _owner(requestor: AuthorizationContext | None) -> Owner:
    return Owner(requestor["issuer"], requestor["subject"]) if requestor is not None else Owner(None, None)
