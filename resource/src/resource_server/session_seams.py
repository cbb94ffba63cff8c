"""What we must know of the insides of the MCP SDK's sessions, and why; tests/resource/test_seams.py notices changes.

- The SDK counts the sessions of the older era together, whoever opened them, and says of a session when its idle time
  ends: never, while a request of it is under way.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from fastmcp.server.http import StreamableHTTPASGIApp
from mcp.server.auth.middleware.bearer_auth import AuthorizationContext
from mcp.server.streamable_http import StreamableHTTPServerTransport
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.applications import Starlette
from starlette.routing import Route


class Owner(NamedTuple):
    """Whose session it is: the person or the client that the token speaks for."""

    issuer: str | None
    subject: str | None


class OpenSession(NamedTuple):
    """idle_until: when it ends by itself; without end while it is used."""

    id: str
    owner: Owner
    idle_until: float


def session_manager(app: Starlette) -> StreamableHTTPSessionManager:
    """What keeps the sessions of a streamable HTTP application that has started."""
    endpoints = [route.endpoint for route in app.routes if isinstance(route, Route)]
    found = [e.session_manager for e in endpoints if isinstance(e, StreamableHTTPASGIApp)]
    [manager] = [manager for manager in found if manager is not None]
    return manager


def open_sessions(manager: StreamableHTTPSessionManager) -> Iterator[OpenSession]:
    for session_id, transport in manager._server_instances.items():
        until = math.inf if transport.idle_scope is None else transport.idle_scope.deadline
        yield OpenSession(session_id, _owner(manager._session_owners.get(session_id)), until)


def ask_before_sessions(manager: StreamableHTTPSessionManager, ask: Callable[[Owner], None]) -> None:
    """Call `ask` before each new session; when it raises, there is none. The SDK's own limit is lifted."""
    original = manager._admit_session

    def admit(requestor: AuthorizationContext | None) -> StreamableHTTPServerTransport | None:
        ask(_owner(requestor))
        return original(requestor)

    manager.max_sessions = None
    vars(manager)["_admit_session"] = admit


def end_session(manager: StreamableHTTPSessionManager, session_id: str) -> None:
    """Forget a session now, and close it soon."""
    transport = manager._server_instances.pop(session_id)
    manager._session_owners.pop(session_id, None)
    group: Any = manager._task_group
    group.start_soon(manager._discard_session, session_id, transport)


def _owner(requestor: AuthorizationContext | None) -> Owner:
    return Owner(requestor["issuer"], requestor["subject"]) if requestor is not None else Owner(None, None)
