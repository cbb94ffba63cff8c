"""The composition root: everything is built here once and handed down."""

from __future__ import annotations

import asyncio
import dataclasses
import secrets
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from importlib import metadata as distribution
from types import ModuleType
from urllib.parse import urlsplit

from fastapi import APIRouter, FastAPI
from fastapi_swagger import patch_fastapi
from loguru import logger

from issuer import bootstrap, first_files, sweep
from issuer.client_keys import ClientKeys
from issuer.documents import Documents
from issuer.endpoints import (
    account,
    authorize,
    client_configuration,
    consent,
    dev_token,
    discovery,
    health,
    introspect,
    jwks,
    login,
    logout,
    register,
    revoke,
    scrape,
    token,
    userinfo,
)
from issuer.fetch import Fetcher
from issuer.guard import Guard, networks
from issuer.keys import KeyRing
from issuer.metrics import Metrics
from issuer.protocol.document_policy import Policy
from issuer.request_log import RequestLog
from issuer.request_metrics import CountRequests
from issuer.server import Server
from issuer.setting_values import is_postgres
from issuer.settings import Settings
from issuer.siblings import Siblings
from issuer.signing_key import Key
from issuer.storage.sqlite import SQLiteStore
from issuer.store import Store
from issuer.tokens import Mint
from issuer.web import errors
from issuer.web.cors import OpenCors
from issuer.web.direct import Direct

# Every endpoint, in the order of the documentation. What is not here does not exist, in discovery either.
ENDPOINTS: tuple[ModuleType, ...] = (
    authorize,
    login,
    consent,
    token,
    revoke,
    introspect,
    userinfo,
    logout,
    account,
    jwks,
    register,
    client_configuration,
)
SEAL = "seal"
"""The name of the shared secret that seals what browsers and invited clients carry."""
DEVELOPMENT: tuple[ModuleType, ...] = (dev_token,)
OPEN_TO_BROWSERS = tuple(m.PATH for m in (jwks, register, token, revoke, introspect, userinfo))


def now() -> int:
    return int(time.time())


def build_ring(settings: Settings, keys: Sequence[Key]) -> KeyRing:
    folder = None if settings.ISSUER_KEYS else settings.ISSUER_KEYS_DIR
    return KeyRing(folder, settings.longest_token_seconds, keys, report=logger.error)


def build_store(settings: Settings, metrics: Metrics | None = None) -> Store:
    if is_postgres(settings.ISSUER_DATABASE):
        from issuer.storage.postgres import PostgresStore  # here: psycopg takes a tenth of a second to import

        store = PostgresStore(settings.ISSUER_DATABASE, settings.ISSUER_DATABASE_POOL)
        if metrics:
            metrics.watch_pool(settings.ISSUER_DATABASE_POOL, store.connections, store.calls)
        return store
    return SQLiteStore(settings.ISSUER_DATABASE, settings.ISSUER_SQLITE_SYNCHRONOUS)


def build_server(
    settings: Settings, keys: Sequence[Key], clock: Callable[[], int] = now, siblings: Siblings | None = None
) -> Server:
    """All that endpoints and commands need; the store is not open yet."""
    ring, metrics = build_ring(settings, keys), Metrics(siblings)
    metrics.watch_keys(ring, clock)
    mint = Mint(settings.ISSUER, ring, settings.ISSUER_ACCESS_TOKEN_SECONDS)
    store, policy = build_store(settings, metrics), document_policy(settings)
    fetcher = Fetcher(loopback=policy.loopback, open_ports=policy.open_ports)
    return Server(
        settings=settings,
        metrics=metrics,
        store=store,
        documents=Documents(policy, store, fetcher, clock),
        client_keys=ClientKeys(fetcher, clock),
        mint=mint,
        now=clock,
        secret=b"",
    )


def document_policy(settings: Settings) -> Policy:
    own = [urlsplit(url) for url in (settings.ISSUER, *settings.ISSUER_RESOURCES)]
    ports = {"https": 443, "http": 80}
    return Policy(
        on=settings.ISSUER_CIMD,
        loopback=settings.ISSUER_CIMD_LOOPBACK,
        allow=settings.ISSUER_CIMD_ALLOW,
        deny=settings.ISSUER_CIMD_DENY,
        own=frozenset((url.netloc.removesuffix(f":{url.port}"), url.port or ports[url.scheme]) for url in own),
    )


@asynccontextmanager
async def opened(server: Server, secret_digest: str) -> AsyncIterator[Server]:
    """The same server with its store open, its first rows written and its shared secret known."""
    await server.store.open()
    try:
        secret = await server.store.write(lambda tx: tx.shared_secret(SEAL, secrets.token_bytes(32)))
        await bootstrap.first_rows(server, secret_digest)
        yield dataclasses.replace(server, secret=secret)
    finally:
        await server.store.close()


def create_app(settings: Settings, clock: Callable[[], int] = now, siblings: Siblings | None = None) -> FastAPI:
    """The issuer as an ASGI application. siblings: the other workers on its port."""
    prepared = first_files.prepare(settings, now())
    server = build_server(settings, prepared.keys, clock, siblings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with opened(server, prepared.secret_digest) as app.state.server:
            sweeper = asyncio.create_task(sweep.forever(app.state.server))
            server.metrics.open()
            yield
            server.metrics.close()
            sweeper.cancel()

    app = FastAPI(
        title="MCP issuer",
        description="OAuth 2.1 and OpenID Connect authorization server for MCP.",
        version=distribution.version("mcp-issuer"),
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
        openapi_url="/openapi.json" if settings.docs else None,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},  # tells whole queries
    )
    routers = _routers(settings)
    for router, prefix in routers:
        app.include_router(router, prefix=prefix)
    if settings.docs:
        patch_fastapi(app, redirect_from_root_to_docs=False)
    errors.install(app, routers, settings.path)
    app.add_middleware(Direct, routers=routers)
    app.add_middleware(
        OpenCors, paths=[*discovery.addresses(settings.path), *(settings.path + p for p in OPEN_TO_BROWSERS)]
    )
    app.add_middleware(
        Guard,
        allowed_hosts=settings.allowed_hosts,
        settings=("ISSUER", "ISSUER_ALLOWED_HOSTS"),
        open_paths=(*health.PATHS, *([scrape.PATH] if settings.ISSUER_METRICS else [])),
        trusted_proxies=networks(settings.ISSUER_TRUSTED_PROXIES),
        scheme=urlsplit(settings.ISSUER).scheme,
    )
    app.add_middleware(CountRequests, metrics=server.metrics.requests)
    app.add_middleware(RequestLog, probes=health.PATHS)
    return app


def _routers(settings: Settings) -> list[tuple[APIRouter, str]]:
    """Every endpoint there is, with the path under which it lies."""
    modules = (*ENDPOINTS, *(DEVELOPMENT if settings.development else ()))
    body = discovery.document(settings, (module.metadata(settings) for module in modules))
    return [
        (discovery.router(settings, body), ""),
        *((module.router, settings.path) for module in modules),
        (health.router, ""),
        *([(scrape.router, "")] if settings.metrics else []),
    ]
