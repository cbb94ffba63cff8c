"""One of each noun, to be varied."""

from __future__ import annotations

from typing import Any

from issuer.model import Client, Code, Family, RefreshToken, Session, User

NOW = 1_800_000_000
LATER = NOW + 3600


def client(id: str = "client", **more: Any) -> Client:
    return Client(**{"id": id, "origin": "dynamic", "created_at": NOW, **more})


def user(subject: str = "u-1", **more: Any) -> User:
    return User(**{"subject": subject, "username": f"name-of-{subject}", "created_at": NOW, **more})


def session(digest: str = "session", **more: Any) -> Session:
    values = {"sid": "sid", "subject": "u-1", "auth_time": NOW, "last_seen_at": NOW, "expires_at": LATER}
    return Session(**{"digest": digest, **values, **more})


def code(digest: str = "code", **more: Any) -> Code:
    values = {
        "client_id": "client",
        "redirect_uri": "http://127.0.0.1/callback",
        "code_challenge": "challenge",
        "subject": "u-1",
        "scope": ("mcp:tools",),
        "resources": ("http://127.0.0.1:8000/mcp",),
        "auth_time": NOW,
        "expires_at": LATER,
    }
    return Code(**{"digest": digest, **values, **more})


def family(id: str = "family", **more: Any) -> Family:
    values = {
        "client_id": "client",
        "subject": "u-1",
        "scope": ("mcp:tools", "offline_access"),
        "resources": ("http://127.0.0.1:8000/mcp", "https://other.example/mcp"),
        "auth_time": NOW,
        "created_at": NOW,
        "last_used_at": NOW,
        "expires_at": LATER,
    }
    return Family(**{"id": id, **values, **more})


def refresh_token(digest: str = "refresh", **more: Any) -> RefreshToken:
    return RefreshToken(**{"digest": digest, "family": "family", "expires_at": LATER, **more})
