"""What is logged and how it looks: loguru on stderr, every value escaped, cut and masked.

Endpoints add to the one line of their request with `note(client_id=..., grant=..., error=...)`; whoever calls
another service sends `request_id.get()` as `X-Request-Id`. Tokens, codes, secrets and passwords are never
noted; the masks here are the second line of defence. Twin of the other service's file.
"""

from __future__ import annotations

import json
import logging
import re
import secrets
import sys
import traceback
from collections.abc import Iterable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Literal

from loguru import logger

if TYPE_CHECKING:
    from loguru import Message, Record

MAX_VALUE = 256
MAX_MESSAGE = 2000
_CHATTY = (
    "uvicorn",
    "uvicorn.error",
    "httpx",
    "httpx2",
    "httpcore",
    "httpcore2",
    "mcp",
    "sse_starlette",
    "alembic",
    "asyncio",
)
_SILENT = ("mcp.server.sse",)  # it names sessions, which are half of a credential; our own lines tell what it refused
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_BARE = re.compile(r"[\w.:/@*+,~?&%()\[\]{}<>…-]+")
_CREDENTIAL = re.compile(
    r"(?<=session )[0-9a-f-]{32,36}|eyJ[\w-]+\.[\w.-]*|(?<=bearer )[^\s\"',]+|(?<=basic )[^\s\"',]+"
    r"|(?:(?<=[?& ]code=)|(?<=state=)|(?<=token=)|(?<=secret=)|(?<=assertion=)|(?<=password=)|(?<=verifier=))"
    r"[^&\s\"',]+",
    re.IGNORECASE,
)

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
fields: ContextVar[dict[str, Any] | None] = ContextVar("log_fields", default=None)
lines = True  # whether the level lets canonical lines through


def identify(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The request's id: its `X-Request-Id` when that is well-formed, else a new one."""
    given = next((value for name, value in headers if name == b"x-request-id"), b"")
    return given.decode() if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)


def note(**more: object) -> None:
    """Add fields to the canonical line of the request under way; outside a request nothing happens."""
    current = fields.get()
    if current is not None:
        current.update(more)


def clean(value: object, limit: int = MAX_VALUE) -> str:
    """`value` on one line: control, bidi and other invisible characters escaped, cut at `limit`."""
    text = value if isinstance(value, str) else str(value)
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    if text.isprintable():
        return text
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def mask(text: str) -> str:
    """Whatever looks like a credential replaced: for text that others wrote."""
    return _CREDENTIAL.sub("***", text)


def configure(level: str = "INFO", fmt: Literal["text", "json"] = "text") -> None:
    """Send everything, the standard library's loggers included, to stderr through loguru.

    level: a loguru level name. Call after FastMCP is imported: it gives its logger a handler of its own.
    """
    global lines
    level = level.upper()
    logger.remove()
    logger.configure(patcher=_escape)
    if fmt == "json":
        logger.add(_write_json, level=level, format="{message}", backtrace=False, diagnose=False)
    else:
        logger.add(sys.stderr, level=level, format=_text_format, backtrace=False, diagnose=False)
    number = logger.level(level).no
    lines = number <= logging.INFO
    for name in list(logging.root.manager.loggerDict):
        other = logging.getLogger(name)
        other.handlers.clear()
        other.propagate = True
    logging.basicConfig(handlers=[_Intercept()], level=number, force=True)
    logging.captureWarnings(True)  # Python's own, which libraries give: else they reach stderr as they are
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(logging.WARNING, number))
    for name in _SILENT:
        logging.getLogger(name).setLevel(logging.CRITICAL)


class _Intercept(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        known = record.levelname in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
        bound = logger.bind(logger=record.name).opt(exception=record.exc_info)
        bound.log(record.levelname if known else "INFO", "{}", record.getMessage())


def _escape(record: Record) -> None:
    record["message"] = clean(mask(record["message"]), MAX_MESSAGE)


def _traceback(record: Record) -> list[str]:
    """The lines of the traceback, without variable values; the exception's own text cleaned like any."""
    error = record["exception"]
    if error is None:
        return []
    text = "".join(traceback.format_exception(error.type, error.value, error.traceback))
    return [clean(mask(line), MAX_MESSAGE) for line in text.splitlines()[-200:]]


def _text_format(record: Record) -> str:
    extra = {name: value for name, value in record["extra"].items() if not name.startswith("_")}
    words = [record["message"]]
    if "method" in extra:
        words = [f"{extra.pop('method')} {extra.pop('path')} {extra.pop('status')} {extra.pop('ms')}ms"]
    for name, value in extra.items():
        shown = clean(value)
        words.append(f"{name}={shown if _BARE.fullmatch(shown) else json.dumps(shown, ensure_ascii=False)}")
    record["extra"]["_text"] = "\n    | ".join([" ".join(words), *_traceback(record)])
    return "<dim>{time:HH:mm:ss.SSS}</dim> <level>{level: <7}</level> {extra[_text]}\n"


def _write_json(message: Message) -> None:
    record = message.record
    line: dict[str, Any] = {
        "time": record["time"].isoformat(timespec="milliseconds"),
        "level": record["level"].name.lower(),
        "event": record["message"],
    }
    for name, value in record["extra"].items():
        line[name] = value if isinstance(value, int | float | None) else clean(value)
    if record["exception"] is not None:
        line["traceback"] = _traceback(record)
    sys.stderr.write(json.dumps(line) + "\n")
