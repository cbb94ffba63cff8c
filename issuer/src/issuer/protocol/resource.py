"""Resource indicators (RFC 8707 §2): which resources a token is for, and the audience each of them stands for."""

from __future__ import annotations

from collections.abc import Mapping

from issuer.errors import InvalidTarget
from issuer.model import Resources

_MOST = 20


def choose(asked: Resources, configured: Mapping[str, str]) -> Resources:
    """The resources of a request: each must be configured, byte for byte; none asked means the sole one there is.

    One trailing slash of an otherwise empty path is forgiven, as clients add it to an origin.
    """
    if not asked:
        if len(configured) == 1:
            return tuple(configured)
        raise InvalidTarget("resource is missing, and this server has several: name the one the token is for")
    if len(asked) > _MOST:
        raise InvalidTarget("too many resource parameters")
    chosen = []
    for uri in asked:
        known = uri if uri in configured else uri.removesuffix("/")
        if known not in configured or (known != uri and known.count("/") != 2):
            raise InvalidTarget("resource is not one that this server issues tokens for")
        chosen.append(known)
    return tuple(dict.fromkeys(chosen))


def narrowed(asked: Resources, granted: Resources, configured: Mapping[str, str]) -> Resources:
    """Part of a grant's resources for one token: all that are still configured unless fewer were asked."""
    if not asked:
        asked = tuple(uri for uri in granted if uri in configured)
        if not asked:
            raise InvalidTarget("this server no longer issues tokens for the resource of the grant")
    chosen = choose(asked, configured)
    if not set(chosen) <= set(granted):
        raise InvalidTarget("resource is not part of the grant")
    return chosen


def audience(resources: Resources, configured: Mapping[str, str]) -> tuple[str, ...]:
    """The `aud` values for resources (RFC 9068 §3), each once."""
    return tuple(dict.fromkeys(configured[uri] for uri in resources if uri in configured))
