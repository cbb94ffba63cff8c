"""What a request asks for (RFC 9112 §3.2), as servers are asked for it. Twin of the other service's file."""

from __future__ import annotations

import httptools

from .refusal import Refused


def origin_form(method: bytes, target: bytes, host: bytes) -> bytes:
    """Absolute form is for proxies; ours is taken only when it names the Host. Raises Refused."""
    if target[:1] == b"/" or method == b"CONNECT" or (method == b"OPTIONS" and target == b"*"):
        return target
    parsed = httptools.parse_url(target)
    if (parsed.schema or b"").lower() not in (b"http", b"https"):
        raise Refused(400, "The request target is neither a path nor an http URL.")
    authority = (parsed.host or b"") + (b":%d" % parsed.port if parsed.port else b"")
    if parsed.userinfo or authority.lower() != host.lower():
        raise Refused(400, "The request target names another host than the Host header.")
    if parsed.path:
        return target
    if method == b"OPTIONS":  # an empty path is "/" for all others (RFC 9110 §4.2.3)
        return b"*"
    return b"/?" + parsed.query if parsed.query else b"/"
