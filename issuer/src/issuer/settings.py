"""Every knob of the issuer: read from the environment and `.env` once, validated, frozen; nonsense ends the start."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from issuer import environment
from issuer import setting_values as values
from issuer.model import SUBJECT_MARK

EXAMPLE_SCOPES = {
    "mcp:tools": "Use the tools of this server",
    "notes:read": "Read your notes",
    "notes:write": "Write notes for you",
}
"""What the example tools of the resource need."""


class SettingsError(Exception):
    """The settings make no sense; the message names each of them and the way out, and never a value."""


def origin_of(url: str) -> str:
    """Scheme, host and port of a URL, as browsers send it in `Origin`."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


Words = Annotated[tuple[str, ...], BeforeValidator(values.words)]
LogLevel = Annotated[Literal["trace", "debug", "info", "warning", "error"], BeforeValidator(str.lower)]


class Settings(BaseModel):
    """The settings by the name of their environment variable."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    ISSUER: Annotated[str, AfterValidator(values.identifier)] = Field(
        "http://127.0.0.1:9000",
        description="The issuer identifier: a name that is compared, and its public origin; default: where it listens",
    )
    AUDIENCE: str | None = Field(None, description="The `aud` value of tokens; default: the resource itself")
    CLIENT_ID: Annotated[str, AfterValidator(values.client_id)] = Field(
        "mcp-client", description="The confidential client that is registered at start"
    )
    CLIENT_SECRET: Annotated[str, AfterValidator(values.client_secret)] | None = Field(
        None,
        description="Its secret; when unset, generated once into `mcp-client.secret` beside the keys",
        repr=False,
    )
    ISSUER_HOST: str = Field("127.0.0.1", description="The address to listen on")
    ISSUER_PORT: int = Field(9000, ge=0, le=65535, description="The port to listen on")
    ISSUER_WORKERS: int = Field(
        1, ge=1, le=64, description="Processes that serve on that port; whichever answers `/metrics` tells of all"
    )
    ISSUER_DRAIN_SECONDS: int = Field(
        0, ge=0, le=300, description="After SIGTERM: not ready, but answering, so long; for replicas behind a balancer"
    )
    ISSUER_LOG_LEVEL: LogLevel = Field("info", description="How much is logged")
    ISSUER_LOG_FORMAT: Literal["text", "json"] = Field("text", description="For people, or one JSON object a line")
    ISSUER_DEV: bool = Field(False, description="Allow development while listening beyond loopback (compose sets it)")
    ISSUER_RESOURCES: Annotated[
        dict[str, str], BeforeValidator(values.resources), AfterValidator(values.check_resources)
    ] = Field(
        {"http://127.0.0.1:8000/mcp": "http://127.0.0.1:8000/mcp"},
        description="The resources that tokens are issued for, `url[=audience]`, parted by commas",
    )
    ISSUER_SCOPES: Annotated[dict[str, str], BeforeValidator(values.pairs)] = Field(
        EXAMPLE_SCOPES,
        description="The scopes, `name=sentence for people`, parted by semicolons",
    )
    ISSUER_DEFAULT_SCOPE: Words = Field((), description="What a request without scope gets; default: the first scope")
    ISSUER_DATABASE: Annotated[str, AfterValidator(values.database)] = Field(
        ".data/issuer.db",
        description="The SQLite file, or a PostgreSQL: `postgresql://user:password@host/database`",
        repr=False,
    )
    ISSUER_DATABASE_POOL: int = Field(10, ge=1, le=100, description="The most connections to PostgreSQL, per process")
    ISSUER_SQLITE_SYNCHRONOUS: Literal["FULL", "NORMAL"] = Field(
        "FULL", description="NORMAL is faster and survives a crash of the process, not a power cut"
    )
    ISSUER_KEYS_DIR: Path = Field(Path("keys"), description="Where the signing keys lie")
    ISSUER_KEYS: str | None = Field(
        None,
        description="The signing keys themselves, instead of a folder: what `mcp-issuer key export` prints",
        repr=False,
    )
    ISSUER_SIGNING_ALG: Literal["RS256", "ES256", "EdDSA"] = Field("RS256", description="The algorithm of new keys")
    ISSUER_ALLOWED_HOSTS: Annotated[Words, AfterValidator(values.hosts)] = Field(
        (), description="Further values of `Host` to answer to, parted by blanks"
    )
    ISSUER_TRUSTED_PROXIES: Annotated[Words, AfterValidator(values.proxies)] = Field(
        (), description="Addresses of proxies whose X-Forwarded-For is believed"
    )
    ISSUER_DOCS: bool | None = Field(None, description="Serve /docs; default: in development")
    ISSUER_METRICS: bool | None = Field(None, description="Serve /metrics for Prometheus; default: in development")
    ISSUER_ACCESS_TOKEN_SECONDS: int = Field(900, ge=1, le=86400, description="Life of an access token")
    ISSUER_REFRESH_IDLE_SECONDS: int = Field(30 * 86400, ge=60, description="Life of an unused refresh token")
    ISSUER_REFRESH_TOTAL_SECONDS: int = Field(
        180 * 86400, ge=60, description="Life of a grant, however often refreshed"
    )
    ISSUER_CODE_SECONDS: int = Field(60, ge=5, le=600, description="Life of an authorization code")
    ISSUER_SESSION_IDLE_SECONDS: int = Field(8 * 3600, ge=60, description="A sign-in ends when unused this long")
    ISSUER_SESSION_TOTAL_SECONDS: int = Field(7 * 86400, ge=60, description="A sign-in ends after this, however used")
    ISSUER_REGISTRATION: Literal["open", "token", "off"] | None = Field(
        None,
        description="Who may register: anyone, who brings an initial access token, nobody; "
        "default: open in development, elsewhere off",
    )
    ISSUER_REGISTRATIONS_PER_MINUTE: int = Field(100, ge=1, description="Registrations a minute from one address")
    ISSUER_MOST_CLIENTS: int = Field(10_000, ge=1, description="How many clients may have registered themselves")
    ISSUER_ASSERTION_AUD_TOKEN_ENDPOINT: bool = Field(
        False, description="Also take client assertions whose `aud` is the token endpoint instead of the issuer"
    )
    ISSUER_CIMD: bool = Field(True, description="Know clients by the metadata document that their client_id points to")
    ISSUER_CIMD_ALLOW: Annotated[Words, AfterValidator(values.domains)] = Field(
        (), description="The only hosts of such documents: `example.com`, `*.example.com`, `example.com:8443`"
    )
    ISSUER_CIMD_DENY: Annotated[Words, AfterValidator(values.domains)] = Field(
        (), description="Hosts whose documents are never used"
    )
    ISSUER_CIMD_LOOPBACK: bool = Field(
        False, description="Development only: also documents at 127.0.0.1, [::1] and localhost"
    )
    ISSUER_AUTO_APPROVE: str | None = Field(
        None,
        description="Development only: this person is signed in and consents without a page (headless tests)",
    )

    @model_validator(mode="after")
    def _make_sense(self) -> Settings:
        if not self.ISSUER_SCOPES or not all(re.fullmatch(r"[\x21\x23-\x5b\x5d-\x7e]+", s) for s in self.ISSUER_SCOPES):
            raise ValueError("ISSUER_SCOPES must name at least one scope, in printable ASCII")
        if not set(self.ISSUER_DEFAULT_SCOPE) <= set(self.ISSUER_SCOPES):
            raise ValueError("ISSUER_DEFAULT_SCOPE names a scope that ISSUER_SCOPES does not have")
        if self.AUDIENCE and len(self.ISSUER_RESOURCES) > 1:
            raise ValueError("AUDIENCE is for a single resource: give each its own in ISSUER_RESOURCES as url=audience")
        if self.is_subject(self.CLIENT_ID):
            raise ValueError("CLIENT_ID would be the subject of a person in tokens: choose another")
        if self.ISSUER_KEYS and not self.CLIENT_SECRET:
            raise ValueError("ISSUER_KEYS needs CLIENT_SECRET: without a key folder none can be generated and kept")
        if not self.development and (self.ISSUER_DEV or self.ISSUER_AUTO_APPROVE or self.ISSUER_CIMD_LOOPBACK):
            names = "ISSUER_DEV, ISSUER_AUTO_APPROVE and ISSUER_CIMD_LOOPBACK"
            raise ValueError(f"{names} are for an ISSUER that is an http loopback origin")
        if self.development and self.ISSUER_HOST not in values.LOOPBACK and not self.ISSUER_DEV:
            raise ValueError(
                "ISSUER is a loopback origin but ISSUER_HOST listens beyond loopback: "
                "set ISSUER_DEV=1 if only this machine can reach it, or ISSUER to the public https origin"
            )
        return self

    @cached_property
    def development(self) -> bool:
        """The issuer is an http loopback origin: development routes exist, everything is shown."""
        parts = urlsplit(self.ISSUER)
        return parts.scheme == "http" and parts.hostname in values.LOOPBACK

    @property
    def quick_people(self) -> tuple[str, ...]:
        """In development, the people who sign in with one click and no password."""
        return ("alice", "bob") if self.development else ()

    def is_subject(self, id: str) -> bool:
        """Whether people bear such an id in tokens: a client, the subject of its own tokens, must not (RFC 9068 §5)."""
        return id.startswith(SUBJECT_MARK) or id in self.quick_people

    @cached_property
    def resources(self) -> Mapping[str, str]:
        """The audience that each resource stands for."""
        if self.AUDIENCE:
            return dict.fromkeys(self.ISSUER_RESOURCES, self.AUDIENCE)
        return self.ISSUER_RESOURCES

    @property
    def default_scope(self) -> tuple[str, ...]:
        return self.ISSUER_DEFAULT_SCOPE or (next(iter(self.ISSUER_SCOPES)),)

    @property
    def registration(self) -> Literal["open", "token", "off"]:
        return self.ISSUER_REGISTRATION or ("open" if self.development else "off")

    @property
    def docs(self) -> bool:
        return self.development if self.ISSUER_DOCS is None else self.ISSUER_DOCS

    @property
    def metrics(self) -> bool:
        return self.development if self.ISSUER_METRICS is None else self.ISSUER_METRICS

    @property
    def path(self) -> str:
        """The path of an issuer that has one, else nothing."""
        return urlsplit(self.ISSUER).path

    @property
    def allowed_hosts(self) -> frozenset[str]:
        return frozenset({urlsplit(self.ISSUER).netloc, *(host.lower() for host in self.ISSUER_ALLOWED_HOSTS)})

    @property
    def longest_token_seconds(self) -> int:
        """The longest any token signed now can be valid: development tokens may live an hour."""
        return max(self.ISSUER_ACCESS_TOKEN_SECONDS, 3600 if self.development else 0)


def load(environ: Mapping[str, str] | None = None, **flags: Any) -> Settings:
    """Settings from flags, then the environment, then `.env` of the current directory, then the defaults."""
    try:
        found: dict[str, Any] = {} if environ is not None else {**environment.env_file()}
    except environment.BadFile as error:
        raise SettingsError(str(error)) from None
    found |= os.environ if environ is None else environ
    found |= {name: value for name, value in flags.items() if value is not None}
    found = environment.with_own_origin(found, "ISSUER", "ISSUER", 9000)
    known = Settings.model_fields
    strange = [name for name in found if name.startswith("ISSUER_") and name not in known]
    if strange:
        raise SettingsError("\n".join(environment.unknown(name, known) for name in sorted(strange)))
    try:
        return Settings(**environment.given(found, known))
    except ValidationError as error:
        raise SettingsError("\n".join(environment.complaint(dict(e), known) for e in error.errors())) from None
