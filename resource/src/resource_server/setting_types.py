"""How the values of settings are written, and what of them is nonsense."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator

from resource_server.scopes import KINDS

Patterns = TypeVar("Patterns", dict[str, tuple[str, ...]], tuple[str, ...])
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_SCOPE_TOKEN = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")  # RFC 6749 §3.3


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
    # What urlsplit has put in lower case was perhaps not: tokens name the issuer byte for byte.
    lower = url.startswith(parts.scheme) and parts.netloc == parts.netloc.lower()
    if not lower or (parts.scheme, port) in (("http", 80), ("https", 443)):
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


def words(value: object) -> object:
    return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value


def _rules(value: object) -> object:
    """`a=b c; d=e` as a mapping from a to (b, c) and from d to (e); what is said of a name twice adds up."""
    if not isinstance(value, str):
        return value
    entries = [entry.strip() for entry in re.split(r"[;\n]", value) if entry.strip()]
    if not all("=" in entry for entry in entries):
        raise ValueError("must be written as name=scope scope; name=scope")
    # A scope has no blank and a pattern may have a sign of equality (a URI's query): the last one parts them.
    found: dict[str, tuple[str, ...]] = {}
    for name, _, text in (entry.rpartition("=") for entry in entries):
        found[name.strip()] = (*found.get(name.strip(), ()), *text.split())
    return found


def _scope_rules(rules: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    if not all(name and scopes for name, scopes in rules.items()):
        raise ValueError("must name at least one scope for each name")
    for scopes in rules.values():
        _scopes(scopes)
    return rules


def _scopes(words: tuple[str, ...]) -> tuple[str, ...]:
    if not all(_SCOPE_TOKEN.fullmatch(word) for word in words):
        raise ValueError('must be scope tokens: printable ASCII without blank, " and \\')
    return words


def _patterns(patterns: Patterns) -> Patterns:
    for pattern in patterns:
        kind, colon, _ = pattern.partition(":")
        if colon and kind not in KINDS:
            raise ValueError("must name tools as name or tool:name, others as resource:uri or prompt:name")
    return patterns


def _addresses(words: tuple[str, ...]) -> tuple[str, ...]:
    for word in words:
        try:
            ipaddress.ip_network(word)
        except ValueError:
            raise ValueError("must be IP addresses or CIDR blocks") from None
    return words


def _hosts(words: tuple[str, ...]) -> tuple[str, ...]:
    for word in words:
        if not re.fullmatch(r"\*|(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?", word):
            raise ValueError("must be names as in the Host header, with or without a port: no scheme, no path")
    return words


def _origins(words: tuple[str, ...]) -> tuple[str, ...]:
    for word in words:
        if word != "*":
            _origin(word)
    return words


def is_loopback(url: str) -> bool:
    """Whether `url` is an http one on this very machine, where development happens."""
    parts = urlsplit(url)
    return parts.scheme == "http" and parts.hostname in _LOOPBACK


Words = Annotated[tuple[str, ...], BeforeValidator(words)]
Url = Annotated[str, AfterValidator(_url)]
Identifier = Annotated[str, AfterValidator(_identifier)]
Origin = Annotated[str, AfterValidator(_origin)]
Origins = Annotated[Words, AfterValidator(_origins)]
Hosts = Annotated[Words, AfterValidator(_hosts)]
Scopes = Annotated[Words, AfterValidator(_scopes)]
ScopeRules = Annotated[dict[str, tuple[str, ...]], BeforeValidator(_rules), AfterValidator(_scope_rules)]
ScopePatterns = Annotated[ScopeRules, AfterValidator(_patterns)]
PatternWords = Annotated[Words, AfterValidator(_patterns)]
Addresses = Annotated[Words, AfterValidator(_addresses)]
