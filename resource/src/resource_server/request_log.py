"""One canonical line per request, its request id, and the generic 500. Twin of the other service's file."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Collection
from typing import Any

from loguru import logger
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from . import log

# These say what was asked for and are no credentials; the values of all other parameters stay out.
_PLAIN = frozenset(
    ("client_id", "scope", "resource", "response_type", "response_mode", "code_challenge_method", "prompt")
)
_NAME = re.compile(r"[A-Za-z_.\[\]-]{1,32}")  # no digits: a bare secret has some
_JSON = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]


class RequestLog:
    """The outermost ASGI middleware. `X-Request-Id` is taken when well-formed, else made; it goes to the
    answer, to `log.request_id` and to `scope["state"]["request_id"]`.

    probes: paths that orchestrators ask every few seconds: their lines are for debugging, and an answer that
    this process is not ready yet is a warning, not an error.
    """

    def __init__(self, app: ASGIApp, probes: Collection[str] = ()) -> None:
        self.app = app
        self.probes = frozenset(probes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        state = scope.setdefault("state", {})
        request_id: str = state.get("request_id") or log.identify(scope["headers"])
        header = (b"x-request-id", request_id.encode())
        fields: dict[str, Any] = {}
        state["request_id"] = request_id
        log.request_id.set(request_id)
        log.fields.set(fields)
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), header]
            await send(message)

        try:
            await self.app(scope, receive, send_with_id)
        except ClientDisconnect:
            status, fields["outcome"] = scope["state"].get("refused", (status, "client went away"))
        except asyncio.CancelledError:
            fields["outcome"] = "cut off by shutdown"
        except Exception as error:
            fields["outcome"] = type(error).__name__
            logger.opt(exception=error).bind(request_id=request_id).error("Unhandled exception")
            if not status:
                await send_with_id({"type": "http.response.start", "status": 500, "headers": _JSON})
                await send_with_id({"type": "http.response.body", "body": _server_error(request_id)})
        finally:
            if log.lines or status >= 500:
                level = _level(status, probe=scope["path"] in self.probes)
                _write(level, scope, status, (time.perf_counter() - started) * 1000, request_id, fields)


def masked_target(path: str, query: bytes) -> str:
    """Path and query for the log: every parameter's name, the value of harmless ones only."""
    if not query:
        return log.clean(path)
    shown = []
    for pair in query[:4096].decode("latin-1").split("&")[:20]:
        name, equals, value = pair.partition("=")
        known = equals and _NAME.fullmatch(name)
        shown.append(f"{name}={log.clean(value, 80) if name in _PLAIN else '***'}" if known else "***")
    return log.clean(f"{path}?{'&'.join(shown)}")


def _server_error(request_id: str) -> bytes:
    text = f"The server met an unexpected condition; its log has the details under request id {request_id}."
    return json.dumps({"error": "server_error", "error_description": text, "request_id": request_id}).encode()


def _level(status: int, *, probe: bool) -> str:
    if status == 501:  # an unknown method: nothing is wrong here
        return "INFO"
    if status >= 500:
        return "WARNING" if probe and status == 503 else "ERROR"
    return "DEBUG" if probe else "INFO"


def _write(level: str, scope: Scope, status: int, milliseconds: float, request_id: str, fields: dict[str, Any]) -> None:
    client = scope.get("client")
    target = masked_target(scope.get("raw_path", b"").decode("latin-1") or scope["path"], scope["query_string"])
    line = {
        "method": scope["method"],
        "path": target,
        "status": status,
        "ms": round(milliseconds, 1),
        "client": client[0] if client else "-",
        "request_id": request_id,
    }
    logger.bind(**line, **fields).log(level, "request")
