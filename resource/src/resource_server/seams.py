"""What we must know of FastMCP's insides, and why; tests/resource/test_seams.py notices when FastMCP changes.

- FastMCP lists a server's components for a caller and leaves out what the caller may not use; only the stdio
  transport sees all. A challenge must name the scopes of just what is left out, so we list as stdio does.
- A mounted server's components are wrapped, and the wrapper does not show the function with its `@requires`.
- A tool of an app can be called by a hashed name that no list shows.
- FastMCP asks its providers for a component side by side, in a task group, even when there is but one.
- FastMCP describes each call for OpenTelemetry before it is known that nobody listens.
- A 2026-07-28 tool call must be checked against the tool's schema (`Mcp-Param-*` headers). The MCP SDK asks
  `get_tool_input_schema`, which FastMCP leaves empty: then the SDK lists every tool at every call.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

from fastmcp import FastMCP, settings
from fastmcp.server.auth import AccessToken
from fastmcp.server.context import reset_transport, set_transport
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
from opentelemetry.trace import ProxyTracerProvider, get_tracer_provider

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
