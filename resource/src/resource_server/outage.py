"""What is the matter with the upstream: logged when that changes, told to callers in words without its address."""

from __future__ import annotations

from loguru import logger
from mcp.shared.exceptions import MCPError
from mcp_types import CONNECTION_CLOSED, INTERNAL_ERROR

_ELSEWHERE = "The upstream server does not answer as an MCP server."
_REFUSED = "The upstream server refuses this one."
_AWAY = "The upstream server cannot be reached."
_LONGEST = 300


class Outage:
    """name: of the upstream, for the log."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._said: str | None = None

    def over(self) -> None:
        if self._said is not None:
            self._said = None
            logger.info("upstream {} answers again", self._name)

    def because(self, error: BaseException, status: int | None = None) -> MCPError:
        """What the caller is told of a connection that could not be made. status: of the last HTTP answer, if any."""
        said, told = _words(_innermost(error), status)
        if said != self._said:
            self._said = said
            logger.error("upstream {} {}", self._name, said)
        return MCPError(INTERNAL_ERROR, told)


def _words(cause: BaseException, status: int | None) -> tuple[str, str]:
    """For the log and for the caller."""
    own = str(cause)[:_LONGEST]
    if status is None and isinstance(cause, MCPError) and cause.code == CONNECTION_CLOSED:
        return "ended before it answered", _AWAY
    if status is None or status < 300:
        if isinstance(cause, MCPError):
            return f"refused the first request: {own}", _REFUSED
        return f"cannot be reached: {type(cause).__name__}: {own}", _AWAY
    if status < 400:
        return f"answered {status}: RESOURCE_UPSTREAM must be the address that it redirects to", _ELSEWHERE
    if status in (401, 403):
        return f"answered {status}: it wants a token of its own, and no caller's token is passed on to it", _REFUSED
    if status in (404, 405):
        return f"answered {status}: RESOURCE_UPSTREAM must be its MCP endpoint, mostly /mcp", _ELSEWHERE
    return f"answered {status}: {own}", _AWAY if status in (429, 502, 503, 504) else _REFUSED


def _innermost(error: BaseException) -> BaseException:
    """What began it; `error` may be a group, or tell of one that it was raised from."""
    while True:
        if isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        elif isinstance(error, MCPError) or error.__cause__ is None:
            return error
        else:
            error = error.__cause__
