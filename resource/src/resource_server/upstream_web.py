"""An upstream by URL: a client of its own for every request, so that callers share nothing but the address."""

from __future__ import annotations

import base64
import functools
import time
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

import httpx2
import jwt
from fastmcp.client.transports.base import TransportOptions
from fastmcp.client.transports.http import StreamableHttpTransport
from fastmcp.client.transports.sse import SSETransport
from fastmcp.server.auth import AccessToken
from fastmcp.server.dependencies import get_access_token, get_context
from fastmcp.server.providers.proxy import ProxyClient
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp.shared.exceptions import MCPError
from mcp_types import ClientCapabilities
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS

from resource_server import log, tracing
from resource_server.outage import Outage
from resource_server.settings import Settings

SUBJECT_HEADER = "X-Authenticated-Subject"
SUBJECT_SECONDS = 60
REMEMBERED = 300.0  # seconds in which it is known which era an upstream speaks
PATIENCE = 30.0  # seconds for the upstream's first answer
LARGEST_EVENT = 64 * 1024 * 1024  # bytes; a picture in a result is one event, and the SDK's own limit is 1 MiB


class WebUpstream:
    """Clients for the request under way.

    They speak the caller's protocol era where the upstream does: what a server asks in a session of the handshake era
    (sampling, elicitation) has no way through a stateless one. And they can do what the caller says it can.
    """

    def __init__(self, url: str, settings: Settings) -> None:
        self._url, self._secret, self._audience = url, settings.RESOURCE_UPSTREAM_SECRET, settings.BASE_URL
        where = urlsplit(url)
        self._over_sse = where.path.rstrip("/").endswith("/sse")
        self._outage = Outage(f"{where.scheme}://{where.netloc.rpartition('@')[2]}{where.path}")
        self._modes: dict[str, tuple[str, float]] = {}  # by the mode tried first: the one that worked, and until when

    def client(self) -> ProxyClient[Any]:
        credentials = self._credentials()
        transport = (SSETransport if self._over_sse else _Streamable)(self._url, auth=credentials)
        first, unable = _caller()
        mode, until = self._modes.get(first, (first, 0.0))
        if monotonic() >= until:
            mode = first
        made = _WebClient(transport, forward_incoming_headers=False, init_timeout=PATIENCE, mode=mode, **unable)
        made.found = functools.partial(self._remember, first)
        made.outage, made.credentials = self._outage, credentials
        return made

    def _remember(self, first: str, version: str | None) -> None:
        if version is not None and monotonic() > self._modes.get(first, ("", 0.0))[1]:
            mode = "legacy" if version in HANDSHAKE_PROTOCOL_VERSIONS else version
            self._modes[first] = mode, monotonic() + REMEMBERED

    def _credentials(self) -> _Credentials:
        ids = {**tracing.outgoing.get()}
        if request_id := log.request_id.get():
            ids["X-Request-Id"] = request_id
        token = get_access_token()
        if self._secret is None or token is None:
            return _Credentials(ids, None)
        return _Credentials(ids, functools.partial(self._subject, token, self._secret))

    def _subject(self, token: AccessToken, secret: str) -> str:
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
        return jwt.encode(claims, secret, "HS256")


class _Credentials(httpx2.Auth):
    """Headers of each HTTP request of a client: ids, and who the caller is, signed anew as a call may take long."""

    def __init__(self, ids: dict[str, str], subject: Callable[[], str] | None) -> None:
        self._ids, self._subject = ids, subject
        self.status: int | None = None  # of the last answer: the SDK's errors do not tell it

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        request.headers.update(self._ids)
        if request.url.userinfo:  # httpx2 uses it by itself only where there is no Auth
            basic = base64.b64encode(unquote_to_bytes(request.url.userinfo)).decode()
            request.headers["Authorization"] = f"Basic {basic}"
        if self._subject is not None:
            request.headers[SUBJECT_HEADER] = self._subject()
        self.status = (yield request).status_code


class _Streamable(StreamableHttpTransport):
    """FastMCP's transport, with room for large results."""

    @asynccontextmanager
    async def connect_session(
        self, *, transport_options: TransportOptions | None = None, **session_kwargs: Any
    ) -> AsyncIterator[ClientSession]:
        options = transport_options or TransportOptions()
        async with (
            create_mcp_http_client(auth=self.auth) as http,
            streamable_http_client(self.url, http_client=http, max_sse_event_size=LARGEST_EVENT) as (reading, writing),
            options.session_class(reading, writing, **session_kwargs) as session,
        ):
            yield session


class _WebClient(ProxyClient[Any]):
    """Tells which protocol version was negotiated, or why there is none."""

    found: Callable[[str | None], None]
    outage: Outage
    credentials: _Credentials

    async def __aenter__(self) -> Any:
        try:
            entered = await self._try_eras()
        except Exception as error:
            raise self.outage.because(error, self.credentials.status) from None
        self.outage.over()
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
