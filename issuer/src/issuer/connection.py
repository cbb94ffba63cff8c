"""One HTTP/1.1 connection (RFC 9112): what uvicorn and llhttp leave to us.

llhttp refuses broken framing (CL with TE, two Content-Length, bare LF, obs-fold, control characters). This
module adds what it lets through: read and send time-outs, a bounded head, one Host, no unknown method, no
trailers, no Upgrade. Everything else about a request is judged by `guard.Guard`. Twin of the
other service's file.
"""

from __future__ import annotations

import asyncio
import json

import httptools
from loguru import logger
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from .outgoing import Outgoing

HEAD_SECONDS = 10.0  # from a message's first byte (or the connection's start) to the end of its head
BODY_SECONDS = 30.0  # from the end of the head to the end of the body
SEND_SECONDS = 60.0  # without a single byte of the response taken by the client
LINGER_SECONDS = 2.0  # a refused client may still be sending: closing at once would reset the answer away
MAX_HEAD = 128 * 1024
MAX_HEADERS = 200
MAX_TARGET = 16_000
MAX_FRAMING = 1024 * 1024  # chunk sizes, extensions and trailers: everything that is neither head nor body

_PHRASES = {
    400: b"Bad Request",
    408: b"Request Timeout",
    414: b"URI Too Long",
    431: b"Request Header Fields Too Large",
    501: b"Not Implemented",
}


class Refused(Exception):
    """A message that never reaches the application; raised inside parser callbacks."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(status, why)
        self.status, self.why = status, why


class Protocol(HttpToolsProtocol):
    """One connection. One timer for its whole life, moved lazily: a request costs two clock reads."""

    deadline: float | None = None  # when what is being read must be complete; None: nothing is being read
    timer: asyncio.TimerHandle | None = None
    in_head = True
    refusing = False
    framing = 0  # bytes of the current message that were not body
    unsent = 0  # bytes of the answer not taken by the client, and since when that has not shrunk
    unsent_since = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.deadline = self.loop.time() + HEAD_SECONDS
        self._wake_at(self.deadline)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.refusing:
            return
        self._unset_keepalive_if_required()
        if self.deadline is None:
            self.deadline = self.loop.time() + HEAD_SECONDS
        self.framing += len(data)
        try:
            self.parser.feed_data(data)
            if self.framing > MAX_HEAD and self.in_head:
                raise Refused(431, "The request head is larger than 128 KiB, or has more than 200 headers.")
            if self.framing > MAX_FRAMING:
                raise Refused(400, "The request body has more framing than content.")
        except httptools.HttpParserUpgrade as upgrade:
            self._ignore_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserInvalidMethodError:
            self._refuse(Refused(501, "This server does not know that request method."))
        except httptools.HttpParserError as error:
            reason = error.__context__
            self._refuse(reason if isinstance(reason, Refused) else Refused(400, "Invalid HTTP request."))
        except Refused as reason:
            self._refuse(reason)

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
        if self.url[:1] != b"/":
            self._check_target(host)
        if version not in ("1.1", "1.0"):
            raise Refused(400, "This server speaks HTTP/1.1.")
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                raise Refused(501, "This server is not a proxy.")
            return  # served as if Upgrade were absent, once the parser has let go of the message
        self.in_head = False
        self.framing = 0
        self.deadline = self.loop.time() + BODY_SECONDS
        super().on_headers_complete()
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
        super().on_message_complete()

    def _check_target(self, host: bytes) -> None:
        """Absolute form is for proxies; ours is taken only when it names the Host (RFC 9112 §3.2.2)."""
        method = self.parser.get_method()
        if method == b"CONNECT" or (method == b"OPTIONS" and self.url == b"*"):
            return
        parsed = httptools.parse_url(self.url)
        authority = (parsed.host or b"") + (b":%d" % parsed.port if parsed.port else b"")
        if parsed.userinfo or authority.lower() != host.lower():
            raise Refused(400, "The request target names another host than the Host header.")

    def _ignore_upgrade(self, rest: bytes) -> None:
        """Serve the message as HTTP/1.1 (RFC 9110 §7.8). Java's client offers h2c with every first POST."""
        head = [self.parser.get_method(), b" ", self.url, b" HTTP/", self.parser.get_http_version().encode()]
        dropped = (b"upgrade", b"http2-settings", b"connection")
        lines = [b"\r\n%s: %s" % header for header in self.headers if header[0] not in dropped]
        self.parser = httptools.HttpRequestParser(self)
        self.framing = 0
        self.data_received(b"".join([*head, *lines, b"\r\n\r\n", rest]))

    def _answering(self) -> bool:
        """Whether the latest request has no complete answer yet (uvicorn types `cycle` as never None)."""
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete

    def _refuse(self, reason: Refused) -> None:
        """Answer what never became a request, then close, letting the client read the answer first."""
        answering = self._answering()
        if answering and self.cycle.more_body:
            self.cycle.scope["state"]["refused"] = reason.status, reason.why  # for the line of that request
        else:
            client = self.client[0] if self.client else "-"
            logger.bind(status=reason.status, client=client).info("Refused: {}", reason.why)
        self.refusing = True
        self.deadline = None
        if answering and not self.cycle.more_body:
            self.cycle.keep_alive = False  # a good request came before the refused bytes: finish it, then close
            return
        if not self.in_head and (not answering or self.cycle.response_started):
            self.transport.close()  # the rest of a body whose request has its answer
            return
        body = json.dumps({"error": "invalid_request", "error_description": reason.why}).encode()
        self.transport.write(
            b"HTTP/1.1 %d %s\r\ncontent-type: application/json\r\ncache-control: no-store\r\n"
            b"content-length: %d\r\nconnection: close\r\n\r\n%s"
            % (reason.status, _PHRASES[reason.status], len(body), body)
        )
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

    def _wake_at(self, when: float) -> None:
        if self.timer is not None:
            self.timer.cancel()
        self.timer = self.loop.call_at(when, self._wake)

    def _wake(self) -> None:
        """Runs when the deadline that was known last has come: close, or sleep until the one known now."""
        now = self.loop.time()
        unsent = self.transport.get_write_buffer_size()
        if not unsent or unsent < self.unsent:
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
