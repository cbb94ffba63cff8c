"""Another MCP server behind the gate, through FastMCP's proxy: by URL, or by the command that starts it.

Of the caller's request nothing goes on but its ids: no Authorization, no Cookie, no other header. An HTTP upstream
that shares RESOURCE_UPSTREAM_SECRET with us learns the caller from a short-lived signed JWT in `SUBJECT_HEADER`.
"""

from __future__ import annotations

import functools
import shlex
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from inspect import isawaitable
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import jwt
from fastmcp import FastMCP
from fastmcp.client.transports.http import StreamableHttpTransport
from fastmcp.client.transports.sse import SSETransport
from fastmcp.server.completions import CompletionHandler, CompletionReference
from fastmcp.server.dependencies import get_access_token, get_context
from fastmcp.server.providers.proxy import ClientFactoryT, ProxyClient, ProxyMetadataMiddleware, ProxyProvider
from fastmcp.utilities.exceptions import get_http_status_code
from loguru import logger
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INTERNAL_ERROR,
    METHOD_NOT_FOUND,
    ClientCapabilities,
    Completion,
    CompletionArgument,
    CompletionContext,
)
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS

from resource_server import log, tracing
from resource_server.metrics import Metrics
from resource_server.processes import Processes
from resource_server.settings import Settings, SettingsError

SUBJECT_HEADER = "X-Authenticated-Subject"
SUBJECT_SECONDS = 60
REMEMBERED = 300.0  # seconds in which it is known which era an upstream speaks


def upstream_server(settings: Settings, metrics: Metrics) -> FastMCP[Any]:
    """A FastMCP server that stands for RESOURCE_UPSTREAM. Raises SettingsError."""
    target = settings.RESOURCE_UPSTREAM or ""
    if target.startswith(("http://", "https://")):
        web = WebUpstream(target, settings)
        return _proxy(web.client, remember_lists=settings.RESOURCE_UPSTREAM_SECRET is None)
    try:
        command = shlex.split(target)
    except ValueError:
        command = []
    if not command:
        raise SettingsError("RESOURCE_UPSTREAM must be an http or https URL, or a command as a shell understands it")
    processes = Processes(command, settings)
    metrics.watch_upstream(processes.kept, settings.RESOURCE_UPSTREAM_PROCESSES)

    @asynccontextmanager
    async def lifespan(_: FastMCP[Any]) -> AsyncIterator[None]:
        async with processes.running():
            yield

    return _proxy(processes.client, remember_lists=settings.RESOURCE_UPSTREAM_SHARED, lifespan=lifespan)


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


class WebUpstream:
    """A client of its own for every request, so that nothing is shared between callers but the address.

    It speaks the caller's protocol era where the upstream does: what a server asks in a session of the handshake era
    (sampling, elicitation) has no way through a stateless one. And it can do what the caller says it can.
    """

    def __init__(self, url: str, settings: Settings) -> None:
        self._url, self._secret, self._audience = url, settings.RESOURCE_UPSTREAM_SECRET, settings.BASE_URL
        self._complained = False
        self._modes: dict[str, tuple[str, float]] = {}  # by the mode tried first: the one that worked, and until when

    def client(self) -> ProxyClient[Any]:
        over_sse = self._url.rstrip("/").endswith("/sse")
        headers = self._headers()
        transport = SSETransport(self._url, headers) if over_sse else StreamableHttpTransport(self._url, headers)
        first, unable = _caller()
        mode, until = self._modes.get(first, (first, 0.0))
        made = _WebClient(
            transport, forward_incoming_headers=False, mode=mode if monotonic() < until else first, **unable
        )
        made.found = functools.partial(self._remember, first)
        made.failed = self._complain
        return made

    def _complain(self, status: int) -> None:
        if not self._complained:
            self._complained = True
            where = urlsplit(self._url)
            logger.error(
                "upstream {}://{}{} answered {}: RESOURCE_UPSTREAM must be its MCP endpoint, mostly /mcp",
                where.scheme,
                where.netloc.rpartition("@")[2],
                where.path,
                status,
            )

    def _remember(self, first: str, version: str | None) -> None:
        self._complained = False
        if version is not None and monotonic() > self._modes.get(first, ("", 0.0))[1]:
            mode = "legacy" if version in HANDSHAKE_PROTOCOL_VERSIONS else version
            self._modes[first] = mode, monotonic() + REMEMBERED

    def _headers(self) -> dict[str, str]:
        headers = {**tracing.outgoing.get()}
        if request_id := log.request_id.get():
            headers["X-Request-Id"] = request_id
        token = get_access_token()
        if self._secret is not None and token is not None:
            now = int(time.time())
            claims = {
                "iss": self._audience,
                "aud": self._url,
                "sub": token.subject,
                "client_id": token.client_id,
                "scope": " ".join(token.scopes),
                "iat": now,
                "exp": now + SUBJECT_SECONDS,
            }
            headers[SUBJECT_HEADER] = jwt.encode(claims, self._secret, "HS256")
        return headers


class _WebClient(ProxyClient[Any]):
    """Tells which protocol version was negotiated, or what the upstream answered that is no MCP server."""

    found: Callable[[str | None], None]
    failed: Callable[[int], None]

    async def __aenter__(self) -> Any:
        try:
            entered = await self._try_eras()
        except Exception as error:
            # To the SDK a 404 is a method that is not known, and to FastMCP's proxy that is a server without tools.
            unknown = isinstance(error, MCPError) and error.code == METHOD_NOT_FOUND
            status = 404 if unknown else get_http_status_code(error)
            if status is None:
                raise
            self.failed(status)
            raise MCPError(INTERNAL_ERROR, "The upstream server does not answer as an MCP server.") from None
        self.found(self.protocol_version)
        return entered

    async def _try_eras(self) -> Any:
        try:
            return await super().__aenter__()  # type: ignore[no-untyped-call]
        except MCPError:
            if self.mode != "legacy":
                raise
        self.mode = "auto"  # an upstream without sessions refuses the handshake
        return await super().__aenter__()  # type: ignore[no-untyped-call]


def _caller() -> tuple[str, dict[str, None]]:
    """The mode to try first for the request under way, and the handlers of `ProxyClient` that its caller lacks."""
    try:
        context = get_context()
    except RuntimeError:
        return "auto", {}
    request = context.request_context
    if request is None:
        return "auto", {}
    able = context.session.client_capabilities or ClientCapabilities()
    handlers = {"roots": able.roots, "sampling_handler": able.sampling, "elicitation_handler": able.elicitation}
    mode = "legacy" if request.protocol_version in HANDSHAKE_PROTOCOL_VERSIONS else "auto"
    return mode, {name: None for name, capability in handlers.items() if capability is None}
