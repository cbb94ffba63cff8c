"""Client ID metadata documents (draft-ietf-oauth-client-id-metadata-document §3, §4): a client_id that is a URL, and
what stands there.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import unquote

from issuer.errors import InvalidClientMetadata
from issuer.model import AuthMethod, Client
from issuer.protocol import client_metadata, outbound_url
from issuer.protocol.client_metadata import OPEN_TO_ANYONE
from issuer.protocol.jwks import read_public_keys
from issuer.protocol.outbound_url import Target

LONGEST = 5 * 1024
"""Bytes of a document (§8.7)."""
_METHODS: tuple[AuthMethod, ...] = ("private_key_jwt", "none")
_SHARED_SECRETS = ("client_secret_basic", "client_secret_post", "client_secret_jwt")


def is_url(client_id: str) -> bool:
    return client_id.startswith(("https://", "http://"))


def read_url(client_id: str, *, loopback: bool = False, open_ports: Collection[tuple[str, int]] = ()) -> Target:
    """Where the document of a client_id lies. Raises ValueError.

    A query is refused, which §3 lets us: it would make one document many clients.
    """
    target = outbound_url.read(client_id, loopback=loopback, open_ports=open_ports)
    if not target.path:
        raise ValueError("no path")
    if {".", ".."} & set(unquote(target.path).split("/")):
        raise ValueError("a dot segment in the path")
    if target.query is not None:
        raise ValueError("a query")
    return target


def read(document: Mapping[str, Any], client_id: str, now: int) -> Client:
    """The client that the document at `client_id` describes. Raises OAuthError, with what is wrong in it."""
    document = client_metadata.present(document)
    if document.get("client_id") != client_id:
        raise InvalidClientMetadata("client_id must be the very URL that the document is fetched from")
    if {"client_secret", "client_secret_expires_at"} & document.keys():
        raise InvalidClientMetadata("a public document must not hold a client_secret")
    # What is not for us is not held against the client: it writes one document for all servers.
    usable = {name: value for name, value in document.items() if name not in ("response_types", "scope")}
    usable["token_endpoint_auth_method"] = _auth_method(document)
    if "jwks" in document:
        usable["jwks"] = {"keys": read_public_keys(document["jwks"])}
    client = client_metadata.read(usable, id=client_id, origin="document", now=now, grants=OPEN_TO_ANYONE)
    if client.name is None:
        raise InvalidClientMetadata("client_name is missing")
    if not client.redirect_uris:
        raise InvalidClientMetadata("grant_types must have authorization_code")
    return client


def _auth_method(document: Mapping[str, Any]) -> AuthMethod:
    """The method of RFC 7591; where there is none that we have, the best of those listed that the client has keys for
    (OpenID Connect Relying Party Metadata Choices 1.0 §2). With neither, the client is public: it has no other way
    without a secret.
    """
    single = document.get("token_endpoint_auth_method")
    listed = document.get("token_endpoint_auth_methods_supported", [])
    if single in _SHARED_SECRETS:
        raise InvalidClientMetadata("token_endpoint_auth_method must be none or private_key_jwt: no secret is shared")
    if single is None and not listed:
        return "none"
    if single in _METHODS:
        return single  # type: ignore[no-any-return]
    keys = "jwks" in document or "jwks_uri" in document
    for method in _METHODS if keys else reversed(_METHODS):
        if isinstance(listed, list) and method in listed:
            return method
    raise InvalidClientMetadata("token_endpoint_auth_method must be none or private_key_jwt")
