"""Another MCP server behind the gate, through FastMCP's proxy: by URL, or by the command that starts it.

Nothing of the caller's request goes on: no Authorization, no Cookie, no header at all. An HTTP upstream that
shares RESOURCE_UPSTREAM_SECRET with us learns the caller from a short-lived signed JWT in `SUBJECT_HEADER`.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import jwt
from fastmcp import FastMCP
from fastmcp.client.transports.http import StreamableHttpTransport
from fastmcp.client.transports.sse import SSETransport
from fastmcp.server.dependencies import get_access_token
from fastmcp.server.providers.proxy import ClientFactoryT, ProxyClient, ProxyMetadataMiddleware, ProxyProvider
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS

from resource_server import log, tracing
from resource_server.metrics import Metrics
from resource_server.processes import Processes
from resource_server.settings import Settings, SettingsError

SUBJECT_HEADER = "X-Authenticated-Subject"
SUBJECT_SECONDS = 60


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
    server: FastMCP[Any] = FastMCP("mcp-resource", lifespan=lifespan)
    server.provider_error_strategy = "raise"  # an upstream that is away is an error, not an empty list
    provider = ProxyProvider(client, cache_ttl=None if remember_lists else 0)
    server.add_provider(provider)
    server.add_middleware(ProxyMetadataMiddleware(provider, identity="upstream"))
    return server


class WebUpstream:
    """A client of its own for every request, so that nothing is shared between callers but the address."""

    def __init__(self, url: str, settings: Settings) -> None:
        self._url, self._secret, self._audience = url, settings.RESOURCE_UPSTREAM_SECRET, settings.BASE_URL
        self._mode = "auto"  # until the first connection has shown which protocol era the upstream speaks
        self._mode_until = 0.0

    def client(self) -> ProxyClient[Any]:
        over_sse = self._url.rstrip("/").endswith("/sse")
        headers = self._headers()
        transport = SSETransport(self._url, headers) if over_sse else StreamableHttpTransport(self._url, headers)
        if time.monotonic() > self._mode_until:
            self._mode = "auto"
        made = _WebClient(transport, forward_incoming_headers=False, mode=self._mode)
        made.found = self._remember
        return made

    def _remember(self, version: str | None) -> None:
        if self._mode == "auto" and version is not None:
            self._mode = "legacy" if version in HANDSHAKE_PROTOCOL_VERSIONS else version
            self._mode_until = time.monotonic() + 300

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
    """Tells which protocol version was negotiated."""

    found: Callable[[str | None], None]

    async def __aenter__(self) -> Any:
        entered = await super().__aenter__()  # type: ignore[no-untyped-call]
        self.found(self.protocol_version)
        return entered
