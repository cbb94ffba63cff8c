"""Client metadata (RFC 7591 §2, OpenID Connect Registration §2): what a client says of itself, checked."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from issuer.errors import InvalidClientMetadata, InvalidRedirectUri, InvalidScope
from issuer.model import AUTH_METHODS, AuthMethod, Client, Origin
from issuer.protocol import redirect_uri, scope
from issuer.protocol.jwks import check_public_jwks

OPEN_TO_ANYONE = ("authorization_code", "refresh_token")
"""The grants of clients that nobody here has vetted: a person agrees to each. The operator registers for all."""
_NAME_LONGEST = 200
_MOST_URIS = 50
_WEB_URIS = ("client_uri", "logo_uri", "tos_uri", "policy_uri")
_KEPT = (
    "software_id",
    "software_version",
    "contacts",
    "post_logout_redirect_uris",
    "jwks",
    "jwks_uri",
    *_WEB_URIS,
)
_MOMENTS = ("client_id_issued_at", "client_secret_expires_at")  # ours to say, and sent back to us by some programs
_BLANK_LETTERS = "\u115f\u1160\u2800\u3164\uffa0"  # fillers of Hangul, and Braille without a dot
_HTTPS = re.compile(r"https://[\x21\x23-\x5b\x5d-\x7e]+")
# RFC 7591 §2.1: the response type that each grant type needs; a grant without one has no use for redirect URIs.
_RESPONSE_TYPES = {"authorization_code": "code"}


def read(document: Mapping[str, Any], *, id: str, origin: Origin, now: int, grants: Collection[str]) -> Client:
    """A client from its metadata; `grants` are the grant types that whoever registers may ask for.

    Unknown members are accepted and forgotten, absent ones get the defaults of RFC 7591 §2.
    """
    document = present(document)
    method = _auth_method(document)
    asked_grants = _strings(document, "grant_types") or ("authorization_code",)
    grant_types = tuple(grant for grant in dict.fromkeys(asked_grants) if grant in grants)
    if not grant_types or (origin != "document" and len(grant_types) < len(set(asked_grants))):
        raise InvalidClientMetadata(f"grant_types may hold {' '.join(sorted(grants))}")
    if method == "none" and "client_credentials" in grant_types:
        raise InvalidClientMetadata("client_credentials needs a token_endpoint_auth_method other than none")
    if "refresh_token" in grant_types and "authorization_code" not in grant_types:
        raise InvalidClientMetadata("refresh_token needs authorization_code beside it")
    return Client(
        id=id,
        origin=origin,
        created_at=now,
        redirect_uris=_redirect_uris(document, grant_types),
        grant_types=grant_types,
        response_types=_response_types(document, grant_types),
        auth_method=method,
        name=_name(document),
        scope=_scope(document),
        metadata=_rest(document),
    )


def present(document: Mapping[str, Any]) -> dict[str, Any]:
    """The members that say something: null and "" are absent."""
    return {name: value for name, value in document.items() if value is not None and value != ""}


def describe(client: Client) -> dict[str, Any]:
    """The members of a registration response (RFC 7591 §3.2.1), absent ones left out: clients refuse null and ""."""
    members: dict[str, Any] = {
        "client_id": client.id,
        "client_id_issued_at": client.created_at,
        "client_name": client.name,
        "redirect_uris": list(client.redirect_uris),
        "grant_types": list(client.grant_types),
        "response_types": list(client.response_types),
        "token_endpoint_auth_method": client.auth_method,
        "scope": scope.join(client.scope),
        **client.metadata,
    }
    return present(members)


def _auth_method(document: Mapping[str, Any]) -> AuthMethod:
    method = document.get("token_endpoint_auth_method", "client_secret_basic")
    if method not in AUTH_METHODS:
        raise InvalidClientMetadata(f"token_endpoint_auth_method must be one of {' '.join(AUTH_METHODS)}")
    keys = [name for name in ("jwks", "jwks_uri") if name in document]
    if len(keys) == 2:
        raise InvalidClientMetadata("give jwks or jwks_uri, not both")
    if method == "private_key_jwt" and not keys:
        raise InvalidClientMetadata("private_key_jwt needs jwks or jwks_uri")
    return method  # type: ignore[no-any-return]


def _redirect_uris(document: Mapping[str, Any], grant_types: tuple[str, ...]) -> tuple[str, ...]:
    if "authorization_code" not in grant_types:
        return ()
    uris = document.get("redirect_uris")
    if not isinstance(uris, list) or not uris or len(uris) > _MOST_URIS:
        raise InvalidRedirectUri(f"redirect_uris must be a list of 1 to {_MOST_URIS} redirect URIs")
    return tuple(dict.fromkeys(redirect_uri.check(uri) for uri in uris))


def _response_types(document: Mapping[str, Any], grant_types: tuple[str, ...]) -> tuple[str, ...]:
    fitting = tuple(_RESPONSE_TYPES[grant] for grant in grant_types if grant in _RESPONSE_TYPES)
    asked = _strings(document, "response_types")
    if asked and set(asked) != set(fitting):
        raise InvalidClientMetadata("response_types must be code, and fit grant_types")
    return fitting


def _name(document: Mapping[str, Any]) -> str | None:
    name = document.get("client_name")
    if name is None:
        return None
    if not isinstance(name, str) or len(name) > _NAME_LONGEST:
        raise InvalidClientMetadata(f"client_name must be a string of at most {_NAME_LONGEST} characters")
    # Cc and Cf hold controls and the bidirectional overrides that make one name look like another.
    if any(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") for c in name):
        raise InvalidClientMetadata("client_name must not hold control or direction characters")
    return name.strip() if any(map(_visible, name)) else None


def _visible(c: str) -> bool:
    """Whether a reader sees it: no blank, no mark without a letter, and none of the letters that are blank."""
    return unicodedata.category(c)[0] not in "ZM" and c not in _BLANK_LETTERS


def _scope(document: Mapping[str, Any]) -> tuple[str, ...]:
    value = document.get("scope")
    if value is not None and not isinstance(value, str):
        raise InvalidClientMetadata("scope must be a string of scopes parted by spaces")
    try:
        return scope.parse(value)
    except InvalidScope as error:
        raise InvalidClientMetadata(error.description) from None


def _rest(document: Mapping[str, Any]) -> dict[str, Any]:
    rest = {name: document[name] for name in _KEPT if name in document}
    for name, value in document.items():
        base = name.partition("#")[0]  # a language tag may follow (RFC 7591 §2.2)
        if base in _WEB_URIS:
            check_web_uri(base, value)
    if document.get("application_type", "web") not in ("web", "native"):
        raise InvalidClientMetadata("application_type must be web or native")
    for name in _MOMENTS:
        if type(document.get(name, 0)) is not int or document.get(name, 0) < 0:
            raise InvalidClientMetadata(f"{name} must be whole seconds since 1970, or left out")
    if "application_type" in document:
        rest["application_type"] = document["application_type"]
    if "jwks" in rest:
        rest["jwks"] = check_public_jwks(rest["jwks"])
    if "jwks_uri" in rest:
        check_web_uri("jwks_uri", rest["jwks_uri"])
    for name in ("software_id", "software_version"):
        if name in rest and (not isinstance(rest[name], str) or len(rest[name]) > _NAME_LONGEST):
            raise InvalidClientMetadata(f"{name} must be a string of at most {_NAME_LONGEST} characters")
    if "contacts" in rest:
        rest["contacts"] = list(_strings(document, "contacts"))
    if "post_logout_redirect_uris" in rest:
        rest["post_logout_redirect_uris"] = [
            redirect_uri.check(uri) for uri in _strings(document, "post_logout_redirect_uris")
        ]
    return rest


def check_web_uri(name: str, value: object) -> str:
    """An https address that a person or this server may follow."""
    if isinstance(value, str) and len(value) <= 2048 and _HTTPS.fullmatch(value):
        with suppress(ValueError):  # brackets around what is no address
            parts = urlsplit(value)
            if parts.hostname and "@" not in parts.netloc:
                return value
    raise InvalidClientMetadata(f"{name} must be an https URL")


def _strings(document: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = document.get(name)
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > _MOST_URIS or not all(isinstance(item, str) for item in value):
        raise InvalidClientMetadata(f"{name} must be a list of strings")
    return tuple(value)
