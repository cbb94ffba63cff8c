"""What we must know of FastMCP's insides, and why; tests/resource/test_seams.py notices when FastMCP changes.

- FastMCP lists a server's components for a caller and leaves out what the caller may not use; only the stdio
  transport sees all. A challenge must name the scopes of just what is left out, so we list as stdio does.
- A transform that offers a search instead of a list hides the tools, and they can be called all the same.
- FastMCP finds a component by its name in ways that no list shows: an app's hashed name, injected tools.
- A tool made of another one, and a mounted server's component, do not show the function that they come to.
- A function that is given its context is wrapped, and the wrapper does not show the function's `@requires`.
- FastMCP asks its providers for a component side by side, in a task group, even when there is but one.
- FastMCP describes each call for OpenTelemetry before it is known that nobody listens.
- A 2026-07-28 tool call must be checked against the tool's schema (`Mcp-Param-*` headers). The MCP SDK asks
  `get_tool_input_schema`, which FastMCP leaves empty: then the SDK lists every tool at every call.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from fastmcp import FastMCP, settings
from fastmcp.server import dependencies
from fastmcp.server.auth import AccessToken
from fastmcp.server.context import reset_transport, set_transport
from fastmcp.server.providers import aggregate
from fastmcp.server.providers.addressing import parse_hashed_backend_name
from fastmcp.server.providers.fastmcp_provider import (
    FastMCPProvider,
    FastMCPProviderPrompt,
    FastMCPProviderResource,
    FastMCPProviderResourceTemplate,
    FastMCPProviderTool,
)
from fastmcp.server.transforms.catalog import CatalogTransform
from fastmcp.utilities import async_utils
from fastmcp.utilities.authorization import AuthContext, scope_requirements
from fastmcp.utilities.components import FastMCPComponent
from fastmcp.utilities.versions import version_sort_key
from opentelemetry.trace import ProxyTracerProvider, get_tracer_provider

from resource_server.scopes import Kind, Operation, required_by

_MOST_WRAPPERS = 32  # of one function; an object that makes up its attributes has endless ones
_NOBODY = AccessToken(token="", client_id="", scopes=[])
_WRAPPERS: tuple[tuple[type[FastMCPComponent], Kind, str, str], ...] = (
    (FastMCPProviderTool, "tool", "_original_name", "name"),
    (FastMCPProviderPrompt, "prompt", "_original_name", "name"),
    (FastMCPProviderResource, "resource", "_original_uri", "uri"),
    (FastMCPProviderResourceTemplate, "resource", "_original_uri_template", "uri_template"),
)


async def every_component(server: FastMCP[Any], kind: Kind) -> Sequence[FastMCPComponent]:
    """All versions of all components of a kind, those included that the caller may not use, or not see."""
    with _as_stdio():
        found = await _listed(server, kind)
        searches = list(_searches(server))
        if searches:
            with ExitStack() as stack:
                for search in searches:
                    stack.callback(search._bypass.reset, search._bypass.set(True))
                found += await _listed(server, kind)
    return found


def custom_routes(server: FastMCP[Any]) -> list[str]:
    """The paths of routes that a server would serve beside MCP."""
    return [str(getattr(route, "path", route)) for route in server._get_additional_http_routes()]


async def unlisted(server: FastMCP[Any], operation: Operation) -> FastMCPComponent | None:
    """What a name stands for that no list shows."""
    kind, name = operation
    with _as_stdio():
        if kind == "prompt":
            return await server.get_prompt(name)
        if kind == "resource":
            return await server.get_resource(name) or await server.get_resource_template(name)
        return await server.get_tool(name) or await _hashed(server, name)


async def hashed_tool(server: FastMCP[Any], name: str) -> FastMCPComponent | None:
    """The tool that a hashed name stands for."""
    with _as_stdio():
        return await _hashed(server, name)


async def layers(component: FastMCPComponent) -> list[FastMCPComponent]:
    """A component, and all that runs when it does: what it was made of, what a mounted server has in its place."""
    found = [component]
    beneath = getattr(component, "parent_tool", None)
    if beneath is not None:
        found += await layers(beneath)
    for wrapper, kind, original, attribute in _WRAPPERS:
        if isinstance(component, wrapper):
            mounted: Any = component
            name = str(getattr(mounted, original))
            inner = [c for c in await every_component(mounted._server, kind) if str(getattr(c, attribute, "")) == name]
            hidden = await unlisted(mounted._server, Operation(kind, name)) if not inner else None
            for each in inner if hidden is None else [hidden]:
                found += await layers(each)
    return found


async def declared_scopes(component: FastMCPComponent) -> frozenset[str]:
    """What `@requires` and FastMCP's own `auth=require_scopes(...)` say about a component."""
    return scopes_of(await layers(component))


def scopes_of(found: Iterable[FastMCPComponent]) -> frozenset[str]:
    """The same of components by themselves."""
    scopes: frozenset[str] = frozenset()
    for component in found:
        scopes |= marked(getattr(component, "fn", None))
        own = getattr(component, "auth", None)
        if own is not None:
            scopes |= frozenset(scope_requirements(own, AuthContext(_NOBODY, component)) or ())
    return scopes


def marked(function: object) -> frozenset[str]:
    """What `@requires` says about a function, or about one that it wraps."""
    scopes: frozenset[str] = frozenset()
    seen: list[object] = []
    waiting = [function]
    while waiting and len(seen) < _MOST_WRAPPERS:
        following = waiting.pop()
        if following is None or any(following is known for known in seen):
            continue
        seen.append(following)
        scopes |= required_by(following)
        # of functools.wraps, of pydantic.validate_call, of functools.partial
        waiting += [getattr(following, name, None) for name in ("__wrapped__", "raw_function", "func")]
        code = getattr(following, "__code__", None)
        if code is not None and code.co_filename == dependencies.__file__ and "fn" in code.co_freevars:
            cells: Any = following
            waiting.append(cells.__closure__[code.co_freevars.index("fn")].cell_contents)
    return scopes


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


@contextmanager
def _as_stdio() -> Iterator[None]:
    reset = set_transport("stdio")
    try:
        yield
    finally:
        reset_transport(reset)


async def _listed(server: FastMCP[Any], kind: Kind) -> list[FastMCPComponent]:
    if kind == "tool":
        return list(await server.list_tools(run_middleware=False))
    if kind == "prompt":
        return list(await server.list_prompts(run_middleware=False))
    resources = await server.list_resources(run_middleware=False)
    return [*resources, *await server.list_resource_templates(run_middleware=False)]


def _searches(provider: Any) -> Iterator[CatalogTransform]:
    """The transforms of a server, and of all that it is made of, that hide what they offer."""
    yield from (transform for transform in provider.transforms if isinstance(transform, CatalogTransform))
    beneath = [*getattr(provider, "providers", ()), getattr(provider, "_inner", None)]
    if isinstance(provider, FastMCPProvider):
        beneath.append(provider.server)
    for inner in beneath:
        if inner is not None:
            yield from _searches(inner)


async def _hashed(server: FastMCP[Any], name: str) -> FastMCPComponent | None:
    address = parse_hashed_backend_name(name)
    return None if address is None else await server.get_tool_by_hash(*address)
