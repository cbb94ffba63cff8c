"""Every knob of the resource: read from the environment and `.env` once, validated, frozen; nonsense ends the start."""

from __future__ import annotations

import difflib
import ipaddress
import os
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_SCOPE_TOKEN = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")  # RFC 6749 §3.3


class SettingsError(Exception):
    """The settings make no sense; the message names each of them and the way out, and never a value."""


def _url(url: str) -> str:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("must be a well-formed URL") from None
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise ValueError("must be an https or http URL")
    if "#" in url or "@" in parts.netloc or not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise ValueError("must have no fragment, user information or blanks")
    if parts.netloc != parts.netloc.lower() or (parts.scheme, port) in (("http", 80), ("https", 443)):
        raise ValueError("must be written in lower case and without the default port")
    return url


def _identifier(url: str) -> str:
    parts = urlsplit(_url(url))
    if "?" in url:
        raise ValueError("must have no query")
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        raise ValueError("must be https: http is for 127.0.0.1, [::1] and localhost alone")
    return url


def _origin(url: str) -> str:
    if url.endswith("/"):
        raise ValueError("must not end with a slash: clients compare what is made of it byte for byte")
    if urlsplit(_identifier(url)).path:
        raise ValueError("must be an origin, without a path: the MCP endpoint is always its /mcp")
    return url


def _words(value: object) -> object:
    return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value


def _scopes(words: tuple[str, ...]) -> tuple[str, ...]:
    if not all(_SCOPE_TOKEN.fullmatch(word) for word in words):
        raise ValueError('must be scope tokens: printable ASCII without blank, " and \\')
    return words


def _addresses(words: tuple[str, ...]) -> tuple[str, ...]:
    for word in words:
        try:
            ipaddress.ip_network(word)
        except ValueError:
            raise ValueError("must be IP addresses or CIDR blocks") from None
    return words


def _origins(words: tuple[str, ...]) -> tuple[str, ...]:
    for word in words:
        if word != "*":
            _origin(word)
    return words


Words = Annotated[tuple[str, ...], BeforeValidator(_words)]


class Settings(BaseModel):
    """The settings by the name of their environment variable."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    ISSUER: Annotated[str, AfterValidator(_identifier)] = Field(
        "http://127.0.0.1:9000",
        description="The issuer identifier: tokens must name it in `iss`, byte for byte",
    )
    BASE_URL: Annotated[str, AfterValidator(_origin)] = Field(
        "http://127.0.0.1:8000", description="The public origin; the resource identifier is this with /mcp"
    )
    AUDIENCE: str | None = Field(None, description="The `aud` value tokens must bear; default: the resource itself")
    JWKS_URL: Annotated[str, AfterValidator(_url)] | None = Field(
        None, description="Where the issuer's keys are fetched; default: `jwks_uri` of the issuer's metadata"
    )
    RESOURCE_HOST: str = Field("127.0.0.1", description="The address to listen on")
    RESOURCE_PORT: int = Field(8000, ge=0, le=65535, description="The port to listen on")
    RESOURCE_TRANSPORT: Literal["http", "sse", "both"] = Field(
        "both", description="Streamable HTTP at /mcp, the deprecated HTTP+SSE at /mcp/sse, or both"
    )
    RESOURCE_LOG_LEVEL: Literal["trace", "debug", "info", "warning", "error"] = Field(
        "info", description="How much is logged"
    )
    RESOURCE_LOG_FORMAT: Literal["text", "json"] = Field("text", description="For people, or one JSON object a line")
    RESOURCE_SCOPES: Annotated[Words, AfterValidator(_scopes)] = Field(
        ("mcp:tools",), description="The scopes every request needs, parted by blanks"
    )
    RESOURCE_ALGORITHMS: Annotated[
        tuple[Literal["RS256", "ES256", "EdDSA"], ...], BeforeValidator(_words), Field(min_length=1)
    ] = Field(("RS256", "ES256", "EdDSA"), description="The signature algorithms accepted, each with its own key type")
    RESOURCE_LEEWAY_SECONDS: int = Field(30, ge=0, le=300, description="How far the issuer's clock may differ")
    RESOURCE_ALLOWED_HOSTS: Words = Field((), description="Further values of `Host` to answer to, parted by blanks")
    RESOURCE_ALLOWED_ORIGINS: Annotated[Words, AfterValidator(_origins)] = Field(
        (), description="Origins of web pages that may call /mcp; default: every loopback origin"
    )
    RESOURCE_TRUSTED_PROXIES: Annotated[Words, AfterValidator(_addresses)] = Field(
        (), description="Addresses of proxies whose X-Forwarded-For is believed"
    )
    RESOURCE_DOCS: bool | None = Field(None, description="Serve /docs; default: when BASE_URL is a loopback origin")

    @model_validator(mode="after")
    def _make_sense(self) -> Settings:
        if self.ISSUER.endswith("/"):
            raise ValueError("ISSUER must not end with a slash: it is compared byte for byte")
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
        parts = urlsplit(self.BASE_URL)
        return parts.scheme == "http" and parts.hostname in _LOOPBACK

    @property
    def docs(self) -> bool:
        return self.loopback if self.RESOURCE_DOCS is None else self.RESOURCE_DOCS

    @property
    def allowed_hosts(self) -> frozenset[str]:
        return frozenset({urlsplit(self.BASE_URL).netloc, *(host.lower() for host in self.RESOURCE_ALLOWED_HOSTS)})


def load(environ: Mapping[str, str] | None = None, **flags: Any) -> Settings:
    """Settings from flags, then the environment, then `.env` of the current directory, then the defaults.

    Raises SettingsError.
    """
    found: dict[str, Any] = {} if environ is not None else dict(dotenv_values(".env"))
    found |= os.environ if environ is None else environ
    found |= {name: value for name, value in flags.items() if value is not None}
    known = Settings.model_fields
    strange = [name for name in found if name.startswith("RESOURCE_") and name not in known]
    if strange:
        raise SettingsError("\n".join(_unknown(name, known) for name in sorted(strange)))
    try:
        return Settings(**{name: value for name, value in found.items() if name in known and value not in (None, "")})
    except ValidationError as error:
        raise SettingsError("\n".join(_complaint(dict(e)) for e in error.errors())) from None


def _unknown(name: str, known: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(name, known, 1)
    return f"{name} is no setting. " + (f"Did you mean {near[0]}?" if near else "README.md lists them under Settings.")


def _complaint(error: dict[str, Any]) -> str:
    """One line for a bad setting: its name and what it must be, never the value."""
    text = str(error["msg"]).removeprefix("Value error, ")
    return f"{error['loc'][0]}: {text}" if error["loc"] else text
