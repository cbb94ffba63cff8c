"""Redirect URIs: which may be registered (OAuth 2.1 §2.3, RFC 8252 §7) and which a request may use."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from issuer.errors import InvalidRedirectUri

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "[::1]", "localhost"})
# Private-use schemes without a dot that well-known clients registered before RFC 8252 could teach them better.
KNOWN_SCHEMES = frozenset(
    {"cursor", "vscode", "vscode-insiders", "claude", "windsurf", "goose", "zed", "warp", "raycast"}
)
_RESERVED = frozenset({"code", "state", "iss", "error", "error_description", "error_uri"})
_LONGEST = 2048
_URI = re.compile(r"[\x21\x23-\x3b\x3d\x3f-\x5b\x5d\x5f\x61-\x7a\x7e]+")  # RFC 3986: no " < > \ ^ ` { | } or space
_HOST = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.)*[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]"
)
_AUTHORITY = re.compile(r"(\[[^\]]*\]|[^:@\[\]]*)(?::([0-9]{1,5}))?")
_PRIVATE_USE = re.compile(r"[a-z][a-z0-9+-]*(?:\.[a-z0-9+-]+)+")


def check(uri: object) -> str:
    """A redirect URI that may be registered, or why not: https, http on loopback, private-use schemes."""
    if not isinstance(uri, str) or not uri:
        raise InvalidRedirectUri("each redirect URI must be a non-empty string")
    if len(uri) > _LONGEST or not _URI.fullmatch(uri) or re.search(r"%(?![0-9A-Fa-f]{2})", uri):
        raise InvalidRedirectUri("a redirect URI must be plain ASCII as RFC 3986 has it, 2048 characters at most")
    if "#" in uri:
        raise InvalidRedirectUri("a redirect URI must not have a fragment")
    scheme, colon, rest = uri.partition(":")
    if not colon:
        raise InvalidRedirectUri("a redirect URI must be absolute")
    if scheme in ("https", "http"):
        _check_web(scheme, rest)
    elif not (_PRIVATE_USE.fullmatch(scheme) or scheme in KNOWN_SCHEMES):
        raise InvalidRedirectUri(
            "the scheme of a redirect URI must be https, http on loopback, or a private-use scheme with a dot"
        )
    try:
        query = urlsplit(uri).query
    except ValueError:
        raise InvalidRedirectUri("a redirect URI must use brackets for an IPv6 address alone") from None
    if _RESERVED & {name for name, _ in parse_qsl(query, keep_blank_values=True)}:
        raise InvalidRedirectUri("a redirect URI must not carry code, state, iss or error itself")
    return uri


def _check_web(scheme: str, rest: str) -> None:
    if not rest.startswith("//"):
        raise InvalidRedirectUri("an https redirect URI must name a host")
    authority = re.split(r"[/?]", rest[2:], maxsplit=1)[0]
    match = _AUTHORITY.fullmatch(authority)
    if not match or not _HOST.fullmatch(match[1]) or int(match[2] or 0) > 65535:
        raise InvalidRedirectUri("a redirect URI must name a plain host and port, without user information")
    if scheme == "http" and match[1] not in LOOPBACK_HOSTS:
        raise InvalidRedirectUri("an http redirect URI must be on 127.0.0.1, [::1] or localhost: use https elsewhere")


def host(uri: str) -> str:
    """What to show a person: host and port, or the scheme of a private-use URI."""
    parts = urlsplit(uri)
    return parts.netloc or f"{parts.scheme}:"


def is_loopback(uri: str) -> bool:
    return uri.startswith("http://") and _without_port(uri) is not None


def _without_port(uri: str) -> str | None:
    """A loopback URI without its port, None for any other URI."""
    if not uri.startswith("http://"):
        return None
    authority, slash, path = uri[7:].partition("/")
    match = _AUTHORITY.fullmatch(authority.partition("?")[0])
    if not match or match[1] not in LOOPBACK_HOSTS or int(match[2] or 0) > 65535:
        return None
    query = authority[len(match[0]) :]
    return f"http://{match[1]}{query}{slash}{path}"


def only(uris: tuple[str, ...]) -> str | None:
    """The one address of a client that has no other, where it need not be said; a loopback one leaves its port open."""
    return uris[0] if len(uris) == 1 and not is_loopback(uris[0]) else None


def with_query(uri: str, parameters: Mapping[str, str]) -> str:
    """The address with more in its query; what was registered stays in front. A blank is `%20`, which all can read."""
    return uri + ("&" if "?" in uri else "?") + urlencode(parameters, quote_via=quote)


def registered(asked: str, uris: tuple[str, ...]) -> bool:
    """Whether a request may use `asked`: exact, save that a loopback URI may have any port (RFC 8252 §7.3)."""
    if asked in uris:
        return True
    bare = _without_port(asked)
    return bare is not None and any(bare == _without_port(uri) for uri in uris)
