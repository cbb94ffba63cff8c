"""Another MCP server behind the gate, through FastMCP's proxy: by URL, or by the command that starts it.

Of the caller's request nothing goes on but its ids: no Authorization, no Cookie, no other header. An HTTP upstream
that shares RESOURCE_UPSTREAM_SECRET with us learns the caller from a short-lived signed JWT in one header.
"""

from __future__ import annotations

import shlex
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from inspect import isawaitable
from typing import Any
from urllib.parse import urlsplit

from fastmcp import FastMCP
from fastmcp.server.completions import CompletionHandler, CompletionReference
from fastmcp.server.providers.proxy import ClientFactoryT, ProxyMetadataMiddleware, ProxyProvider
from mcp.shared.exceptions import MCPError
from mcp_types import METHOD_NOT_FOUND, Completion, CompletionArgument, CompletionContext

from resource_server.metrics import Metrics
from resource_server.processes import Processes
from resource_server.settings import Settings, SettingsError
from resource_server.upstream_web import WebUpstream


def upstream_server(settings: Settings, metrics: Metrics) -> FastMCP[Any]:
    """A FastMCP server that stands for RESOURCE_UPSTREAM. Raises SettingsError."""
    target = settings.RESOURCE_UPSTREAM or ""
    if _is_web(target):
        web = WebUpstream(target, settings)
        return _proxy(web.client, remember_lists=settings.RESOURCE_UPSTREAM_SECRET is None)
    if settings.RESOURCE_UPSTREAM_SECRET is not None:
        raise SettingsError("RESOURCE_UPSTREAM_SECRET is for an upstream by URL: a process cannot be sent a header")
    command = _command(target)
    processes = Processes(command, settings)
    metrics.watch_upstream(processes.kept, settings.RESOURCE_UPSTREAM_PROCESSES)

    @asynccontextmanager
    async def lifespan(_: FastMCP[Any]) -> AsyncIterator[None]:
        async with processes.running():
            yield

    return _proxy(processes.client, remember_lists=settings.RESOURCE_UPSTREAM_SHARED, lifespan=lifespan)


def _is_web(target: str) -> bool:
    try:
        where = urlsplit(target)
    except ValueError:  # brackets around what is no address
        return False
    return where.scheme in ("http", "https") and bool(where.hostname)


def _command(target: str) -> list[str]:
    """The words of a command that can be run. Raises SettingsError."""
    try:
        words = shlex.split(target)
    except ValueError:
        words = []
    if not words or "://" in words[0]:
        raise SettingsError("RESOURCE_UPSTREAM must be an http or https URL, or a command as a shell understands it")
    if shutil.which(words[0]) is None:
        raise SettingsError("RESOURCE_UPSTREAM names a command that is not here; a URL begins with http:// or https://")
    return words


def _proxy(
    client: ClientFactoryT, *, remember_lists: bool, lifespan: Callable[[Any], Any] | None = None
) -> FastMCP[Any]:
    """remember_lists: what one caller was shown is the same for every other one."""
    # Schemas go on as they are: FastMCP would put what `$defs` say in the place of each `$ref`.
    server: FastMCP[Any] = FastMCP("mcp-resource", lifespan=lifespan, dereference_schemas=False)
    server.provider_error_strategy = "raise"  # an upstream that is away is an error, not an empty list
    provider = ProxyProvider(client, cache_ttl=None if remember_lists else 0)
    server.add_provider(provider)
    server.add_middleware(ProxyMetadataMiddleware(provider, identity="upstream"))
    server.add_completion_handler(_completions(client))
    return server


def _completions(client: ClientFactoryT) -> CompletionHandler:
    """Values for arguments, which FastMCP's proxy does not pass on; none where the upstream knows none."""

    async def complete(
        ref: CompletionReference, argument: CompletionArgument, context: CompletionContext | None
    ) -> Completion:
        made = client()
        upstream = await made if isawaitable(made) else made
        given = {"name": argument.name, "value": argument.value}
        try:
            async with upstream:
                return await upstream.complete(ref, given, context.arguments if context else None)
        except MCPError as error:
            if error.code != METHOD_NOT_FOUND:
                raise
            return Completion(values=[])

    return complete
