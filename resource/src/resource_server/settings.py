"""Every knob of the resource: read from the environment and `.env` once, validated, frozen; nonsense ends the start."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from resource_server import environment
from resource_server.setting_types import (
    Addresses,
    Hosts,
    Identifier,
    Origin,
    Origins,
    PatternWords,
    ScopePatterns,
    ScopeRules,
    Scopes,
    Url,
    Words,
    is_loopback,
    words,
)

LogLevel = Annotated[Literal["trace", "debug", "info", "warning", "error"], BeforeValidator(str.lower)]


class SettingsError(Exception):
    """The settings make no sense; the message names each of them and the way out, and never a value."""


class Settings(BaseModel):
    """The settings by the name of their environment variable."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    ISSUER: Identifier = Field(
        "http://127.0.0.1:9000",
        description="The issuer identifier: tokens must name it in `iss`, byte for byte; "
        "default: where ISSUER_HOST and ISSUER_PORT say",
    )
    BASE_URL: Origin = Field(
        "http://127.0.0.1:8000",
        description="The public origin; the resource identifier is this with /mcp; default: where it listens",
    )
    AUDIENCE: str | None = Field(None, description="The `aud` value tokens must bear; default: the resource itself")
    JWKS_URL: Url | None = Field(
        None, description="Where the issuer's keys are fetched; default: `jwks_uri` of the issuer's metadata"
    )
    RESOURCE_HOST: str = Field("127.0.0.1", description="The address to listen on")
    RESOURCE_PORT: int = Field(8000, ge=0, le=65535, description="The port to listen on")
    RESOURCE_TRANSPORT: Literal["http", "sse", "both"] = Field(
        "both", description="Streamable HTTP at /mcp, the deprecated HTTP+SSE at /mcp/sse, or both"
    )
    RESOURCE_DRAIN_SECONDS: int = Field(
        0, ge=0, le=300, description="After SIGTERM: not ready, but answering, so long; for replicas behind a balancer"
    )
    RESOURCE_LOG_LEVEL: LogLevel = Field("info", description="How much is logged")
    RESOURCE_LOG_FORMAT: Literal["text", "json"] = Field("text", description="For people, or one JSON object a line")
    RESOURCE_SCOPES: Scopes = Field(("mcp:tools",), description="The scopes every request needs, parted by blanks")
    RESOURCE_TOOL_SCOPES: ScopePatterns = Field(
        {}, description="More scopes for what fits a pattern: `delete_*=files:write; resource:file://*=files:read`"
    )
    RESOURCE_SCOPE_HIERARCHY: ScopeRules = Field(
        {}, description="Scopes that include others: `notes:write=notes:read; admin=notes:write mcp:tools`"
    )
    RESOURCE_SCOPE_CHALLENGE: Literal["http", "result"] = Field(
        "http", description="How too little scope for a tool is told: HTTP 403, or a result that says so"
    )
    RESOURCE_LISTS: Literal["all", "allowed"] = Field(
        "all", description="Lists show everything, or only what the caller's scopes suffice for"
    )
    RESOURCE_TOKEN_PROFILE: Literal["rfc9068", "jwt"] = Field(
        "rfc9068", description="What tokens look like; `jwt` is for issuers whose access tokens have typ JWT"
    )
    RESOURCE_ALGORITHMS: Annotated[
        tuple[Literal["RS256", "ES256", "EdDSA"], ...], BeforeValidator(words), Field(min_length=1)
    ] = Field(("RS256", "ES256", "EdDSA"), description="The signature algorithms accepted, each with its own key type")
    RESOURCE_LEEWAY_SECONDS: int = Field(30, ge=0, le=300, description="How far the issuer's clock may differ")
    RESOURCE_ALLOWED_HOSTS: Hosts = Field((), description="Further values of `Host` to answer to, parted by blanks")
    RESOURCE_ALLOWED_ORIGINS: Origins = Field(
        (), description="Origins of web pages that may call /mcp; default: every loopback origin"
    )
    RESOURCE_TRUSTED_PROXIES: Addresses = Field(
        (), description="Addresses of proxies whose X-Forwarded-For is believed"
    )
    RESOURCE_MOST_SESSIONS: int = Field(
        2000, ge=1, le=10_000, description="How many sessions of MCP's older versions at most, in one process"
    )
    RESOURCE_MOST_SESSIONS_EACH: int = Field(
        50, ge=1, description="How many of them for one caller; the one unused for longest makes room for a new one"
    )
    RESOURCE_DOCS: bool | None = Field(None, description="Serve /docs; default: when BASE_URL is a loopback origin")
    RESOURCE_METRICS: bool | None = Field(
        None, description="Serve /metrics for Prometheus; default: when BASE_URL is a loopback origin"
    )

    RESOURCE_INTROSPECT: PatternWords = Field(
        (), description="Patterns of what the issuer is asked about at every call (RFC 7662): revocation counts at once"
    )
    RESOURCE_INTROSPECTION_URL: Url | None = Field(
        None, description="Where it is asked; default: `introspection_endpoint` of the issuer's metadata"
    )
    RESOURCE_CLIENT_ID: str | None = Field(None, description="The client that may ask: this server, at the issuer")
    RESOURCE_CLIENT_SECRET: str | None = Field(None, description="Its secret", repr=False)
    RESOURCE_UPSTREAM: str | None = Field(
        None, description="Another MCP server to protect: its URL, or the command that starts it"
    )
    RESOURCE_UPSTREAM_SECRET: str | None = Field(
        None,
        min_length=32,
        description="When set, an HTTP upstream learns the caller by a JWT signed with it (HS256)",
        repr=False,
    )
    RESOURCE_UPSTREAM_ENV: Words = Field(
        (),
        description="Names of further environment variables that an upstream process may see",
    )
    RESOURCE_UPSTREAM_SHARED: bool = Field(
        False, description="One upstream process for all, not one for each program of each person"
    )
    RESOURCE_UPSTREAM_PROCESSES: int = Field(16, ge=1, le=1000, description="How many upstream processes at most")
    RESOURCE_UPSTREAM_IDLE_SECONDS: int = Field(300, ge=1, description="An upstream process unused this long is ended")

    @model_validator(mode="after")
    def _make_sense(self) -> Settings:
        if self.RESOURCE_INTROSPECT and not (self.RESOURCE_CLIENT_ID and self.RESOURCE_CLIENT_SECRET):
            raise ValueError("RESOURCE_INTROSPECT needs RESOURCE_CLIENT_ID and RESOURCE_CLIENT_SECRET")
        if self.AUDIENCE is not None and not self.AUDIENCE.isprintable():
            raise ValueError("AUDIENCE must be printable")
        return self

    @property
    def resource(self) -> str:
        """The resource identifier (RFC 9728 §1.2), for every transport."""
        return f"{self.BASE_URL}/mcp"

    @property
    def audience(self) -> str:
        return self.AUDIENCE or self.resource

    @property
    def loopback(self) -> bool:
        return is_loopback(self.BASE_URL)

    @property
    def docs(self) -> bool:
        return self.loopback if self.RESOURCE_DOCS is None else self.RESOURCE_DOCS

    @property
    def metrics(self) -> bool:
        return self.loopback if self.RESOURCE_METRICS is None else self.RESOURCE_METRICS

    @property
    def allowed_hosts(self) -> frozenset[str]:
        return frozenset({urlsplit(self.BASE_URL).netloc, *(host.lower() for host in self.RESOURCE_ALLOWED_HOSTS)})


def load(environ: Mapping[str, str] | None = None, **flags: Any) -> Settings:
    """Settings from flags, then the environment, then `.env` of the current directory, then the defaults.

    Raises SettingsError.
    """
    try:
        found: dict[str, Any] = {} if environ is not None else {**environment.env_file()}
    except environment.BadFile as error:
        raise SettingsError(str(error)) from None
    found |= os.environ if environ is None else environ
    found |= {name: value for name, value in flags.items() if value is not None}
    found = environment.with_own_origin(found, "BASE_URL", "RESOURCE", 8000)
    found = environment.with_own_origin(found, "ISSUER", "ISSUER", 9000)
    known = Settings.model_fields
    strange = [name for name in found if (name.startswith("RESOURCE_") or name in flags) and name not in known]
    if strange:
        raise SettingsError("\n".join(environment.unknown(name, known) for name in sorted(strange)))
    try:
        return Settings(**environment.given(found, known))
    except ValidationError as error:
        raise SettingsError("\n".join(environment.complaint(dict(e), known) for e in error.errors())) from None
