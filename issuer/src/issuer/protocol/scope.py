"""Scopes (RFC 6749 §3.3): read what was asked, keep what can be granted."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from issuer.errors import InvalidScope
from issuer.model import Scope

_OPENID = {
    "openid": "Know that it is you",
    "profile": "Read your name",
    "email": "Read your e-mail address",
    "offline_access": "Stay connected when you are away",
}
_TOKENS = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+(?: +[\x21\x23-\x5b\x5d-\x7e]+)*")
_LONGEST = 2048
MOST = _LONGEST // 2
"""Tokens that a scope parameter can hold."""


def known(configured: Mapping[str, str]) -> dict[str, str]:
    """All scopes there are, those of OpenID last, each with its sentence for people."""
    return {**configured, **_OPENID}


def parse(value: str | None) -> Scope:
    """The tokens of a scope parameter in their order, each once. None and only blanks are no tokens at all."""
    if value is None or not value.strip(" "):
        return ()
    value = value.strip(" ")
    if len(value) > _LONGEST or not _TOKENS.fullmatch(value):
        raise InvalidScope("scope must be tokens of printable ASCII without quote and backslash, parted by spaces")
    return tuple(dict.fromkeys(token for token in value.split(" ") if token))


def grantable(asked: Scope, *, known: Collection[str], default: Scope, any_scope: bool = False) -> Scope:
    """What may be granted of `asked`: unknown tokens are dropped, nothing asked means the default.

    `any_scope` is development, where a scope that nobody configured is taken as it stands.
    """
    if not asked:
        return default
    kept = asked if any_scope else tuple(token for token in asked if token in known)
    if not kept:
        raise InvalidScope("none of the requested scopes is known here: see scopes_supported in the metadata")
    return kept


def dropped(asked: Scope, kept: Scope) -> Scope:
    """What was asked and cannot be granted: nobody is told but the operator."""
    return tuple(token for token in asked if token not in kept)


def narrowed(asked: Scope, granted: Scope) -> Scope:
    """Part of a grant for a refreshed token (RFC 6749 §6): all of it unless less was asked, never more."""
    if not asked:
        return granted
    if not set(asked) <= set(granted):
        raise InvalidScope("the requested scope goes beyond what was granted")
    return asked


def join(scope: Scope) -> str:
    return " ".join(scope)
