"""The tools `remember` and `recall`: notes of the caller's own, in memory, gone when the server stops."""

from __future__ import annotations

from collections import OrderedDict
from typing import Annotated

from fastmcp.dependencies import CurrentAccessToken
from fastmcp.exceptions import ToolError
from fastmcp.server.auth import AccessToken
from pydantic import Field

from resource_server.scopes import requires

MAX_NOTES = 100  # for each caller
MAX_CALLERS = 1000  # the one who was away longest is forgotten first

_notes: OrderedDict[tuple[str, str], list[str]] = OrderedDict()


def _mine(token: AccessToken) -> list[str]:
    """The notes of the token's subject: a subject is unique at its issuer alone (RFC 9068 §5)."""
    if token.subject is None:
        raise ToolError("The access token names no subject to keep notes for.")
    owner = (str(token.claims.get("iss")), token.subject)
    notes = _notes.setdefault(owner, [])
    _notes.move_to_end(owner)
    if len(_notes) > MAX_CALLERS:
        _notes.popitem(last=False)
    return notes


@requires("notes:write")
def remember(
    text: Annotated[str, Field(min_length=1, max_length=1000, description="The note")],
    token: AccessToken = CurrentAccessToken(),  # noqa: B008 - how FastMCP injects it
) -> str:
    """Keep a note that only you can recall."""
    notes = _mine(token)
    if len(notes) >= MAX_NOTES:
        raise ToolError(f"There are {MAX_NOTES} notes already; the server keeps no more for one person.")
    notes.append(text)
    return f"Remembered; {len(notes)} in all."


@requires("notes:read")
def recall(token: AccessToken = CurrentAccessToken()) -> list[str]:  # noqa: B008 - how FastMCP injects it
    """List your own notes, oldest first."""
    return list(_mine(token))
