"""A FastMCP server behind an issuer's tokens, attached to a FastAPI application: `guard(app, mcp, ...)`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastmcp import FastMCP
from loguru import logger
from starlette.types import ASGIApp

from resource_server import health, last_line, metadata, seams
from resource_server.answers import Challenge
from resource_server.bearer import BearerGate, Room
from resource_server.browser import Browser
from resource_server.callers import Callers
from resource_server.catalogue import Catalogue
from resource_server.enforcement import Enforcement
from resource_server.fetch import Fetcher
from resource_server.guard import Guard
from resource_server.introspection import Introspection
from resource_server.issuer import Issuer
from resource_server.jwks import KeyCache
from resource_server.metrics import Metrics
from resource_server.rpc_errors import RpcErrors
from resource_server.scopes import Policy
from resource_server.sessions import Sessions
from resource_server.settings import Settings, SettingsError, load
from resource_server.stepup import StepUp
from resource_server.transports import MCP_PATH, Transports, exact_routes
from resource_server.verifier import Rules

# The settings of `guard` by the names of its arguments
_NAMES = {name.removeprefix("RESOURCE_").lower(): name for name in Settings.model_fields}
# What `mcp-resource serve` does with these, an application does in its own way.
_SERVICE = frozenset("host port drain_seconds log_level log_format trusted_proxies docs metrics".split())
OPEN_PATHS = (*metadata.PATHS, health.MCP_HEALTH)


def guard(app: FastAPI, mcp: FastMCP[Any], *, issuer: str, base_url: str, **settings: Any) -> Protection:
    """Serve `mcp` at /mcp of `app`, for bearers of the issuer's tokens alone.

    Call it once, before the application starts; adds /mcp, its metadata and /mcp/health. issuer: its identifier,
    byte for byte. base_url: the public origin of `app`. settings: any other one of README.md, in lower case and
    without RESOURCE_ (`transport="http"`, `scopes="mcp:tools"`, `tool_scopes="delete_*=files:write"`), but those for
    serving (host, port, drain_seconds, log_level, log_format, trusted_proxies, docs, metrics) and for an upstream;
    the environment is not read. Raises SettingsError.
    """
    for name in sorted(settings):
        if name in _SERVICE or name.startswith("upstream"):
            raise SettingsError(f"{name} is a setting of mcp-resource; guard() leaves that to the application.")
    given = {"issuer": issuer, "base_url": base_url, **settings}
    protection = Protection(mcp, load({}, **{_NAMES.get(name, name): value for name, value in given.items()}))
    protection.attach(app, judge_host=True)
    return protection


class Protection:
    """One protected server: everything that is built once and lives as long as the application.

    upstream: the server is a proxy for another one. metrics: where to count; `metrics.registry` is Prometheus'.
    """

    def __init__(
        self, server: FastMCP[Any], settings: Settings, metrics: Metrics | None = None, *, upstream: bool = False
    ) -> None:
        self.server, self.settings, self.metrics, self.upstream = server, settings, metrics or Metrics(), upstream
        policy = Policy(settings.RESOURCE_TOOL_SCOPES, settings.RESOURCE_SCOPE_HIERARCHY)
        self.catalogue = Catalogue(server, policy, upstream=upstream)
        self.fetcher = Fetcher()
        self.issuer = Issuer(settings.ISSUER, settings.JWKS_URL, self._needed, self.fetcher)
        self.keys = KeyCache(
            self.issuer.keys, settings.RESOURCE_ALGORITHMS, count=lambda outcome: self.metrics.fetched[outcome]()
        )
        self.metrics.watch_keys(self.keys)
        self.callers = Callers(_rules(settings), self.keys, settings.resource, policy, self.metrics)
        self.challenge = Challenge(metadata.metadata_url(settings.BASE_URL), settings.RESOURCE_SCOPES)
        self.room = Room()
        self.introspection = self._introspection()
        only_allowed = settings.RESOURCE_LISTS == "allowed"
        # Before all others: what they answer by themselves, from a cache or by tools of their own, is judged too.
        enforcement = Enforcement(self.catalogue, self.challenge, self.introspection, only_allowed=only_allowed)
        server.middleware.insert(0, enforcement)
        last_line.stand(enforcement)
        sessions = Sessions(settings.RESOURCE_MOST_SESSIONS, settings.RESOURCE_MOST_SESSIONS_EACH)
        self.transports = Transports(server, settings.RESOURCE_TRANSPORT, sessions)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serve; the keys are fetched in the background, so that starting never waits for the issuer."""
        self.keys.warm()
        telling = None if self.upstream else asyncio.create_task(self._tell_what_is_left_out())
        try:
            async with self.transports.running():
                yield
        finally:
            if telling is not None:
                telling.cancel()
            await self.keys.close()
            await self.issuer.close()
            await self.fetcher.close()

    def attach(self, app: FastAPI, *, judge_host: bool = False) -> None:
        """Add routes, lifespan and the rules for web pages to `app`, before it starts.

        judge_host: requests to /mcp must name a known Host; for an app that does not see to that itself.
        """
        before = len(app.router.routes)
        app.include_router(health.router(self.keys, self._about()))
        app.include_router(metadata.router(self._metadata()))
        ours, app.router.routes[before:] = app.router.routes[before:], ()
        gated: dict[str, ASGIApp] = {path: self._gated(path) for path in self.transports.paths}
        if judge_host:
            gated = {path: self._judged(inner) for path, inner in gated.items()}
        app.router.routes[:0] = [*exact_routes(gated), *ours]  # first, for the app may have a route for every path
        inner = app.router.lifespan_context

        @asynccontextmanager
        async def lifespan(app: FastAPI) -> AsyncIterator[Any]:
            async with self.running(), inner(app) as state:
                yield state

        app.router.lifespan_context = lifespan
        app.add_middleware(
            Browser,
            mcp_path=MCP_PATH,
            own_origin=self.settings.BASE_URL,
            origins=self.settings.RESOURCE_ALLOWED_ORIGINS,
            open_paths=OPEN_PATHS,
        )

    def _gated(self, path: str) -> BearerGate:
        over_http = self.settings.RESOURCE_SCOPE_CHALLENGE == "http"
        app, methods = self.transports.paths[path], self.transports.methods[path]
        inner = StepUp(app, self.catalogue, self.challenge, self.introspection, over_http=over_http)
        return BearerGate(RpcErrors(inner, methods), self.callers, self.challenge, self.room)

    def _judged(self, app: ASGIApp) -> Guard:
        return Guard(app, allowed_hosts=self.settings.allowed_hosts, settings=("base_url", "allowed_hosts of guard()"))

    def _introspection(self) -> Introspection | None:
        found = self.settings
        if not (found.RESOURCE_INTROSPECT and found.RESOURCE_CLIENT_ID and found.RESOURCE_CLIENT_SECRET):
            return None
        client = found.RESOURCE_CLIENT_ID, found.RESOURCE_CLIENT_SECRET
        url = found.RESOURCE_INTROSPECTION_URL
        return Introspection(self.issuer, self.fetcher, found.RESOURCE_INTROSPECT, url, client, self.metrics)

    async def _tell_what_is_left_out(self) -> None:
        """What the author of the server may have meant otherwise. Nobody waits for it: lists may take long, or fail."""
        if routes := seams.custom_routes(self.server):
            logger.warning("Not served, as no token would guard them: the server's own routes {}", " ".join(routes))
        given = {
            "RESOURCE_TOOL_SCOPES": self.settings.RESOURCE_TOOL_SCOPES,
            "RESOURCE_INTROSPECT": self.settings.RESOURCE_INTROSPECT,
        }
        for name, patterns in given.items():
            try:
                unmet = await self.catalogue.unmet(patterns) if patterns else []
            except Exception:
                logger.opt(exception=True).debug("{} could not be compared with what there is", name)
            else:
                for pattern in unmet:
                    logger.warning("{}: there is nothing here now that {} means", name, pattern)

    async def _needed(self) -> frozenset[str]:
        return await self.catalogue.mentioned() | set(self.settings.RESOURCE_SCOPES)

    def _metadata(self) -> bytes:
        return metadata.document(
            resource=self.settings.resource,
            issuer=self.settings.ISSUER,
            scopes=self.settings.RESOURCE_SCOPES,
            name=self.server.name,
        )

    def _about(self) -> dict[str, Any]:
        return {"server": self.server.name, "transport": self.settings.RESOURCE_TRANSPORT}


def _rules(settings: Settings) -> Rules:
    return Rules(
        issuer=settings.ISSUER,
        audience=settings.audience,
        algorithms=settings.RESOURCE_ALGORITHMS,
        profile=settings.RESOURCE_TOKEN_PROFILE,
        leeway=settings.RESOURCE_LEEWAY_SECONDS,
    )
