"""The tool `whoami`."""

from __future__ import annotations

from datetime import UTC, datetime

from fastmcp.dependencies import CurrentAccessToken
from fastmcp.server.auth import AccessToken
from pydantic import BaseModel


class Caller(BaseModel):
    """The caller as the access token names them."""

    subject: str | None
    client_id: str
    scopes: list[str]
    expires_at: datetime | None


def whoami(token: AccessToken = CurrentAccessToken()) -> Caller:  # noqa: B008 - how FastMCP injects it
    """Tell who is calling, as the access token says."""
    expires = datetime.fromtimestamp(token.expires_at, UTC) if token.expires_at is not None else None
    return Caller(subject=token.subject, client_id=token.client_id, scopes=token.scopes, expires_at=expires)
