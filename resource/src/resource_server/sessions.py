"""How many sessions there may be at once (MCP 2025-11-25, Session Management); clients of newer versions need none.

A client that comes again and again without ending its session leaves each behind for half an hour, and one caller
could so take the memory and the room of all.
"""

from __future__ import annotations

import math
from functools import partial

from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.applications import Starlette
from starlette.exceptions import HTTPException

from resource_server import log, session_seams

RETRY_AFTER = {"Retry-After": "30"}
"""Seconds: sessions end when their clients say so, or by themselves when they were idle for long."""


class Sessions:
    """The rule for every session that is asked for. most: in this process. most_each: of them, by one caller.

    A caller is who the token speaks for, whatever the program. Where there is no room, the session that the caller has
    not used for longest makes some: its client is told 404 and begins anew, as MCP has it. One in use is never ended.
    """

    def __init__(self, most: int, most_each: int) -> None:
        self._most, self._most_each = most, most_each

    def watch(self, app: Starlette) -> None:
        """Apply the rule to a streamable HTTP application that has started."""
        manager = session_seams.session_manager(app)
        session_seams.ask_before_sessions(manager, partial(self._admit, manager))

    def _admit(self, manager: StreamableHTTPSessionManager, caller: session_seams.Owner) -> None:
        """Make room for one session more, or raise HTTPException."""
        number, own = 0, [(math.inf, "")]
        for session in session_seams.open_sessions(manager):
            number += 1
            if session.owner == caller:
                own.append((session.idle_until, session.id))
        too_many = len(own) > self._most_each
        if number < self._most and not too_many:
            return
        idle_until, oldest = min(own)
        if idle_until < math.inf:
            session_seams.end_session(manager, oldest)
            log.note(session="in place of an idle one")
        elif too_many:
            raise HTTPException(429, f"You have {self._most_each} sessions in use, and may have no more.", RETRY_AFTER)
        else:
            raise HTTPException(503, "This server has no room for another session; try again.", RETRY_AFTER)
