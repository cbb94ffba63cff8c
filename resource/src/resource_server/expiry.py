"""A stream ends when its token does: the server behind sees its client leave, the client sees the stream end.

The answer to a call has the leeway in addition, in which a token may still be used: what was let in shall end well.
"""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from resource_server import log


async def end_after(seconds: float, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Run `app`; when its answer is an event stream that is still open after `seconds`, end it."""
    stream = _Stream(asyncio.get_running_loop().time() + seconds, receive, send)
    await app(scope, stream.receive, stream.send)
    if stream.ended and not stream.complete:
        log.note(outcome="token expired")
        await send({"type": "http.response.body", "body": b"", "more_body": False})


class _Stream:
    """`receive` and `send` of one request. Servers of event streams always wait in `receive` for a disconnect."""

    def __init__(self, deadline: float, receive: Receive, send: Send) -> None:
        self._deadline, self._receive, self._send = deadline, receive, send
        self._streaming = False
        self._waiting: asyncio.Timeout | None = None
        self.ended = self.complete = False

    async def receive(self) -> Message:
        if not self.ended:
            try:
                async with asyncio.timeout_at(self._deadline if self._streaming else None) as self._waiting:
                    return await self._receive()
            except TimeoutError:
                self.ended = True
            finally:
                self._waiting = None
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if self.ended:
            return  # what comes after the end, FastMCP's second response after an SSE stream included
        if message["type"] == "http.response.start":
            self._streaming = _is_event_stream(message)
            if self._streaming and self._waiting is not None:
                self._waiting.reschedule(self._deadline)
        else:
            self.complete = not message.get("more_body", False)
        await self._send(message)


def _is_event_stream(start: Message) -> bool:
    return any(name == b"content-type" and value.startswith(b"text/event-stream") for name, value in start["headers"])
