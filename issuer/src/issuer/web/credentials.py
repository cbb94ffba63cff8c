"""Credentials that registration hands out or asks for (RFC 6750 §2.1, RFC 7591 §3)."""

from __future__ import annotations

import dataclasses
from typing import Any

from fastapi import Request

from issuer.errors import InvalidToken
from issuer.model import SECRET_METHODS, Client, Secret
from issuer.protocol import client_metadata, secret
from issuer.settings import Settings

NO_TOKEN = {"WWW-Authenticate": 'Bearer error="invalid_token"'}


def bearer(request: Request) -> str:
    """The token of the one `Authorization: Bearer` header."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not 0 < len(token) <= 4096 or not token.isascii() or " " in token:
        raise InvalidToken("send the token as Authorization: Bearer", headers={"WWW-Authenticate": "Bearer"})
    return token


def new_secret(client: Client) -> tuple[Client, str | None]:
    """The client with a secret where its method needs one and it has none, and that secret, to be shown once.

    A client that authenticates without a secret keeps none.
    """
    if client.auth_method not in SECRET_METHODS:
        return dataclasses.replace(client, secrets=()) if client.secrets else client, None
    if client.secrets:
        return client, None
    plain = secret.invent(secret.CLIENT_SECRET)
    return dataclasses.replace(client, secrets=(Secret(secret.digest(plain)),)), plain


def registration(client: Client, token: str, settings: Settings, plain: str | None = None) -> dict[str, Any]:
    """What a client is told of its registration (RFC 7591 §3.2.1); `plain` is a secret that was just made."""
    return {
        **client_metadata.describe(client),
        "registration_access_token": token,
        "registration_client_uri": f"{settings.ISSUER}/register/{client.id}",
        **({"client_secret": plain, "client_secret_expires_at": 0} if plain else {}),
    }
