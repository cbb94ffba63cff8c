"""Every kind of work, and who competes in it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import httpx

from bench import dialects, loads, ours, peers
from bench.dialects import OIDC, OURS, PLAIN, Dialect
from bench.load import Load
from bench.servers import Candidate, Running

TOKENS = 2000
LIMIT = "rsa"
WITH_TOKENS = ("tool", "tools20", "start")
NAMES = ("token", "es256", "refresh", "code", "register", "page", "jwks", "metadata", "workers", *WITH_TOKENS)

Make = Callable[[Running], Load]


@dataclass(frozen=True)
class Entry:
    """One competitor. fresh: its load is made anew before every turn, because a turn uses it up."""

    candidate: Candidate
    make: Make
    fresh: bool = False


@dataclass(frozen=True)
class Work:
    """unit: what is counted a second. limit: `openssl speed` takes part. both: the servers get both cores."""

    name: str
    title: str
    unit: str
    entries: tuple[Entry, ...]
    limit: bool = False


ISSUER = ours.issuer("issuer", "issuer")
NORMAL = ours.issuer("issuer-normal", "issuer, `synchronous=NORMAL`", ISSUER_SQLITE_SYNCHRONOUS="NORMAL")
ES256 = ours.issuer("issuer-es256", "issuer, ES256", ISSUER_SIGNING_ALG="ES256")
TWO = replace(ours.issuer("issuer-2", "issuer, two workers", ISSUER_WORKERS="2"), workers=2)
NODE_OIDC = peers.on_node("oidc-provider", "oidc-provider", "oidc_provider.mjs", OIDC.jwks)
NODE_OIDC_ES256 = peers.on_node(
    "oidc-provider-es256", "oidc-provider, ES256", "oidc_provider.mjs", OIDC.jwks, ALG="ES256"
)
MOCK = peers.on_node("oauth2-mock-server", "oauth2-mock-server", "mock_server.mjs", "/jwks")
AUTHLIB = peers.authlib("authlib", "Authlib on Flask and gunicorn")
FASTMCP = peers.on_fastmcp("fastmcp", "FastMCP, no auth")
BARE = peers.on_starlette("starlette", "a bare Starlette route")


def _speaking(dialect: Dialect, make: Callable[[Running, Dialect], Load]) -> Make:
    return lambda server: make(server, dialect)


def _entries(
    make: Callable[[Running, Dialect], Load], *who: tuple[Candidate, Dialect], fresh: bool = False
) -> tuple[Entry, ...]:
    return tuple(Entry(candidate, _speaking(dialect, make), fresh) for candidate, dialect in who)


def of_the_issuer() -> list[Work]:
    both = (ISSUER, OURS), (NODE_OIDC, OIDC)
    stored = (ISSUER, OURS), (NORMAL, OURS), (NODE_OIDC, OIDC)
    token = _entries(loads.machine_token, *both, (MOCK, PLAIN), (AUTHLIB, PLAIN))
    es256 = _entries(loads.machine_token, (ES256, OURS), (NODE_OIDC_ES256, OIDC))
    two = _entries(loads.machine_token, (TWO, OURS), (ISSUER, OURS))
    documents = [
        Work(name, f"`GET` {title}", "documents/s", (Entry(ISSUER, ours_), Entry(BARE, bare)))
        for name, title, ours_, bare in (
            ("jwks", "the key set", _reads(OURS.jwks), _reads("/jwks")),
            ("metadata", "the metadata", _reads(OURS.metadata), _reads("/metadata")),
        )
    ]
    return [
        Work("token", "`client_credentials`, RS256", "tokens/s", token, limit=True),
        Work("es256", "`client_credentials`, ES256", "tokens/s", es256),
        Work("refresh", "refresh with rotation", "tokens/s", _entries(loads.refresh, *stored, fresh=True)),
        Work("code", "code flow with PKCE", "flows/s", _entries(loads.code_flow, *stored)),
        Work("register", "registration", "clients/s", _entries(loads.register, *stored)),
        Work("page", "`GET /authorize` to the page", "pages/s", _entries(loads.page, *both)),
        *documents,
        Work("workers", "`client_credentials`, two workers", "tokens/s", two),
    ]


def _reads(path: str) -> Make:
    return lambda server: loads.fixed(server, path)


def of_the_resource(issuer: Running) -> list[Work]:
    """issuer: whose tokens everybody takes; it only lends its keys while the resources are measured."""
    keys = {"TOKEN_ISSUER": issuer.origin, "JWKS_URL": issuer.origin + OURS.jwks}
    tokens = functools.cache(lambda: many_tokens(issuer))
    resource = ours.resource("resource", "resource", issuer.origin)
    own = peers.on_fastmcp("fastmcp-jwt", "FastMCP, its `JWTVerifier`", VERIFIER="jwt", **keys)
    v2 = peers.on_node("mcp-v2", "TypeScript v2, jose", "mcp_v2.mjs", "/ready", **keys)
    v1 = peers.on_node("mcp-v1", "TypeScript v1, jose, sessions", "mcp_v1.mjs", "/ready", **keys)
    server = f"{ours.SERVER}:mcp"
    one = ours.resource("resource-1", "resource, 1 tool", issuer.origin, server)
    twenty = ours.resource("resource-20", "resource, 20 tools", issuer.origin, server, tools=20)
    own_twenty = peers.on_fastmcp("fastmcp-jwt-20", "FastMCP, 20 tools", VERIFIER="jwt", TOOLS="20", **keys)

    def calls(*candidates: Candidate) -> tuple[Entry, ...]:
        return tuple(Entry(c, lambda server: loads.tool_call(server, tokens())) for c in candidates)

    session = Entry(v1, lambda server: loads.session_call(server, tokens()))
    return [
        Work("tool", "tool call, `add_numbers`", "calls/s", (*calls(resource, own, FASTMCP, v2), session)),
        Work("tools20", "the same with 20 tools", "calls/s", calls(one, twenty, own_twenty)),
    ]


def starting(issuer: Running) -> tuple[Candidate, ...]:
    """Whose starts are timed."""
    return ISSUER, NODE_OIDC, ours.resource("resource", "resource", issuer.origin), FASTMCP, ours.up()


def many_tokens(issuer: Running) -> Sequence[str]:
    with httpx.Client(base_url=issuer.origin) as web:
        return [dialects.machine_token(web, OURS) for _ in range(TOKENS)]
