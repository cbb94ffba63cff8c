"""One HTTP/1.1 connection (RFC 9112): what uvicorn and llhttp leave to us.

llhttp refuses broken framing (CL with TE, two Content-Length, bare LF, obs-fold, control characters). This
module adds what it lets through: read and send time-outs, a bounded head, one Host, no unknown method, no
trailers, no Upgrade. Everything else about a request is judged by `guard.Guard`. Twin of the
other service's file.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sized

import httptools
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from . import log
from .outgoing import Outgoing
from .refusal import Refused
from .target import origin_form

HEAD_SECONDS = 10.0  # from a message's first byte (or the connection's start) to the end of its head
BODY_SECONDS = 30.0  # from the end of the head to the end of the body
SEND_SECONDS = 60.0  # without a single byte of the response taken by the client
LINGER_SECONDS = 2.0  # a refused client may still be sending: closing at once would reset the answer away
MAX_HEAD = 128 * 1024
MAX_HEADERS = 200
MAX_TARGET = 16_000
MAX_FRAMING = 1024 * 1024  # chunk sizes, extensions and trailers: everything that is neither head nor body
AT_ONCE = 4096  # bytes that are parsed before it is asked whether requests wait: so many, and no more, can


class Flow(FlowControl):
    """Reads nothing more while requests wait; uvicorn would, after each answer and whenever a body is asked for."""

    def __init__(self, transport: asyncio.Transport, waiting: Sized) -> None:
        super().__init__(transport)
        self.waiting = waiting

    def resume_reading(self) -> None:
        if not self.waiting:
            super().resume_reading()


class Protocol(HttpToolsProtocol):
    """One connection. One timer for its whole life, moved lazily: a request costs two clock reads."""

    deadline: float | None = None  # when what is being read must be complete; None: nothing is being read
    timer: asyncio.TimerHandle | None = None
    in_head = True
    refusing = False
    unread = b""  # what came behind requests that wait
    framing = 0  # bytes of the current message that were not body
    unsent = 0  # bytes of the answer not taken by the client, and since when that has not shrunk
    unsent_since = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.flow = Flow(transport, self.pipeline)
        self.deadline = self.loop.time() + HEAD_SECONDS
        self._wake_at(self.deadline)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        self.pipeline.clear()
        self.unread = b""
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        while data and not self.refusing:
            if self.pipeline:
                self.flow.pause_reading()
                self.unread += data
                return
            if self.deadline is None:
                self.deadline = self.loop.time() + HEAD_SECONDS
            data = self._parse(data[:AT_ONCE]) + data[AT_ONCE:]

    def _parse(self, data: bytes) -> bytes:
        """What is to be parsed once more: of a message that asked for another protocol."""
        self.framing += len(data)
        try:
            self.parser.feed_data(data)
            if self.framing > MAX_HEAD and self.in_head:
                raise Refused(431, "The request head is larger than 128 KiB, or has more than 200 headers.")
            if self.framing > MAX_FRAMING:
                raise Refused(400, "The request body has more framing than content.")
        except httptools.HttpParserUpgrade as upgrade:
            return self._without_upgrade() + data[upgrade.args[0] :]
        except httptools.HttpParserInvalidMethodError:
            self._refuse(Refused(501, "This server does not know that request method."))
        except httptools.HttpParserError as error:
            reason = error.__context__
            self._refuse(reason if isinstance(reason, Refused) else Refused(400, "Invalid HTTP request."))
        except Refused as reason:
            self._refuse(reason)
        return b""

    def on_response_complete(self) -> None:
        waited = bool(self.pipeline)
        super().on_response_complete()
        if waited and not self.pipeline and not self.transport.is_closing():
            if self.deadline is not None:  # the rest of that message could not be read until now
                self.deadline = self.loop.time() + (HEAD_SECONDS if self.in_head else BODY_SECONDS)
            data, self.unread = self.unread, b""
            if data:
                self.data_received(data)
            self.flow.resume_reading()

    def on_message_begin(self) -> None:
        self.in_head = True
        self.deadline = self.loop.time() + HEAD_SECONDS
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > MAX_TARGET:
            raise Refused(414, "The request target is longer than 16000 bytes.")

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.in_head:  # later ones are trailers, which may be dropped (RFC 9110 §6.5.1) and never merged
            super().on_header(name, value.rstrip(b" \t"))  # llhttp drops only the blanks in front (RFC 9112 §5.1)

    def on_headers_complete(self) -> None:
        version = self.parser.get_http_version()
        host, size = None, 0
        for name, value in self.headers:
            size += len(name) + len(value)
            if name == b"host":
                if host is not None:
                    raise Refused(400, "The request has two Host headers.")
                host = value
            elif name == b"transfer-encoding" and (value.lower() != b"chunked" or version != "1.1"):
                raise Refused(400, "The only transfer coding is chunked, in HTTP/1.1.")
        if host is None:
            raise Refused(400, "The request has no Host header.")
        if size > MAX_HEAD or len(self.headers) > MAX_HEADERS:
            raise Refused(431, "The request head is larger than 128 KiB, or has more than 200 headers.")
        self.url = origin_form(self.parser.get_method(), self.url, host)
        if version not in ("1.1", "1.0"):
            raise Refused(400, "This server speaks HTTP/1.1.")
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                raise Refused(501, "This server is not a proxy.")
            return  # served as if Upgrade were absent, once the parser has let go of the message
        super().on_headers_complete()
        self.in_head = False
        self.framing = 0
        self.deadline = self.loop.time() + BODY_SECONDS
        self.cycle.transport = Outgoing(self)  # type: ignore[assignment]

    def on_body(self, body: bytes) -> None:
        self.framing -= len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self.in_head:
            return  # an upgrade: see on_headers_complete
        self.deadline = None
        self.in_head = True
        self.framing = 0
        self.headers = []  # of the next message: nothing of this one may name a refusal of that one
        super().on_message_complete()

    def _without_upgrade(self) -> bytes:
        """The head as HTTP/1.1 (RFC 9110 §7.8). Java's client offers h2c with every first POST."""
        head = [self.parser.get_method(), b" ", self.url, b" HTTP/", self.parser.get_http_version().encode()]
        dropped = (b"upgrade", b"http2-settings", b"connection")
        lines = [b"\r\n%s: %s" % header for header in self.headers if header[0] not in dropped]
        self.parser = httptools.HttpRequestParser(self)
        self.framing = 0
        return b"".join([*head, *lines, b"\r\n\r\n"])

    def _answering(self) -> bool:
        """Whether the latest request has no complete answer yet (uvicorn types `cycle` as never None)."""
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete

    def _refuse(self, reason: Refused) -> None:
        """Answer what never became a request, then close, letting the client read the answer first."""
        answering = self._answering()
        unfinished = answering and self.cycle.more_body
        self.refusing = True
        self.deadline = None
        if unfinished and self.pipeline:
            self.pipeline[0] = self.cycle, reason.application  # type: ignore[assignment]  # when its turn comes
            return
        request_id = log.identify(self.headers or ())
        if unfinished:
            state = self.cycle.scope["state"]  # for the line of that request
            state["refused"] = reason.status, reason.why
            request_id = state.setdefault("request_id", request_id)
        else:
            reason.note(self.client, request_id)
        if answering and not unfinished:
            self.cycle.keep_alive = False  # a good request came before the refused bytes: finish it, then close
            return
        if not self.in_head and (not answering or self.cycle.response_started):
            self.transport.close()  # the rest of a body whose request has its answer
            return
        self.transport.write(reason.answer(request_id))
        if answering:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.linger()

    def linger(self) -> None:
        """Say that there is no more to come, and close when the client has had the time to read what came."""
        self.refusing = True
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.flow.resume_reading()
        self.deadline = self.loop.time() + LINGER_SECONDS
        self._wake_at(self.deadline)

    def resume_writing(self) -> None:
        self.unsent_since = self.loop.time()  # much was taken, whatever waits when the timer looks
        super().resume_writing()

    def _wake_at(self, when: float) -> None:
        if self.timer is not None:
            self.timer.cancel()
        self.timer = self.loop.call_at(when, self._wake)

    def _wake(self) -> None:
        """Runs when the deadline that was known last has come: close, or sleep until the one known now."""
        now = self.loop.time()
        unsent = self.transport.get_write_buffer_size()
        if not unsent or not self.unsent or unsent < self.unsent:
            self.unsent_since = now
        self.unsent = unsent
        due = self.deadline is not None and now >= self.deadline
        if (due and self.refusing and not unsent) or (unsent and now - self.unsent_since >= SEND_SECONDS):
            self.transport.abort()
        elif due and not self.refusing and not self._held_up():
            if self.in_head and not self.framing:
                self.transport.close()  # a socket opened ahead and never used: nothing to answer
            else:
                self._refuse(Refused(408, "The request did not arrive in time."))
        else:
            later = now + HEAD_SECONDS
            self._wake_at(later if self.deadline is None or due else min(later, self.deadline))

    def _held_up(self) -> bool:
        """Reading stands still because of an earlier answer or the application, not of the client."""
        return bool(self.pipeline) or self.flow.read_paused or (self.in_head and self._answering())
