"""What is the matter with the upstream: logged when that changes, told to callers in words without its address."""

from __future__ import annotations

from loguru import logger
from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR

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
    if status in (401, 403):
        return f"answered {status}: it wants a token of its own, and no caller's token is passed on to it", _REFUSED
    if status is not None and 300 <= status < 400:
        return f"answered {status}: RESOURCE_UPSTREAM must be the address that it redirects to", _ELSEWHERE
    if status is not None and status >= 400:
        return f"answered {status}: RESOURCE_UPSTREAM must be its MCP endpoint, mostly /mcp", _ELSEWHERE
    if isinstance(cause, MCPError):
        return f"refused the first request: {str(cause)[:_LONGEST]}", _REFUSED
    return f"cannot be reached: {type(cause).__name__}: {str(cause)[:_LONGEST]}", _AWAY


def _innermost(error: BaseException) -> BaseException:
    """What began it; `error` may be a group, or tell of one that it was raised from."""
    while True:
        if isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        elif isinstance(error, MCPError) or error.__cause__ is None:
            return error
        else:
            error = error.__cause__
