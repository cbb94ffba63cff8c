"""The last line: a function is not run for a caller who lacks its scopes, whatever name or way led to it.

FastMCP has many: tools made of tools, searches, resources as tools, mounted servers and their own such tools. All end
at one of `_PLACES`, which see the function itself and what its `@requires` asks for.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol
from weakref import WeakSet

from fastmcp.exceptions import InsufficientScopeError
from fastmcp.prompts.function_prompt import FunctionPrompt
from fastmcp.resources.function_resource import FunctionResource
from fastmcp.resources.template import FunctionResourceTemplate
from fastmcp.server.dependencies import get_access_token
from fastmcp.tools.function_tool import FunctionTool
from fastmcp.tools.tool_transform import TransformedTool
from fastmcp.utilities.components import FastMCPComponent

from resource_server import seams

_PLACES: tuple[tuple[type[FastMCPComponent], str], ...] = (
    (FunctionTool, "run"),
    (TransformedTool, "run"),
    (FunctionResource, "read"),
    (FunctionResourceTemplate, "read"),
    (FunctionPrompt, "render"),
)
_MARK = "__checks_scopes__"

Judge = Callable[[FastMCPComponent], Awaitable[None]]
"""Knows more than the function says of itself. Raises FastMCP's AuthorizationError."""

_judge: ContextVar[Judge | None] = ContextVar("judge", default=None)


class Judging(Protocol):
    """A server's rules."""

    async def judge(self, component: FastMCPComponent) -> None:
        """Judge what runs outside of every request: in a background task nobody knows what was asked for."""


_judging: WeakSet[Judging] = WeakSet()


@contextmanager
def judged_by(judge: Judge) -> Iterator[None]:
    """While this lasts, every function that is run is put before `judge` first."""
    reset = _judge.set(judge)
    try:
        yield
    finally:
        _judge.reset(reset)


def stand(judging: Judging) -> None:
    """Have FastMCP check before it runs a function, by the rules of one more server."""
    _judging.add(judging)
    for place, name in _PLACES:
        original = getattr(place, name)
        if not hasattr(original, _MARK):
            setattr(place, name, _checking(original))


def _checking(original: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    @functools.wraps(original)
    async def checked(self: Any, *args: Any, **kwargs: Any) -> Any:
        await _check(self)
        return await original(self, *args, **kwargs)

    setattr(checked, _MARK, True)
    return checked


async def _check(component: Any) -> None:
    token = get_access_token()
    if token is None:
        return
    needed = seams.marked(component.fn)
    if not needed <= set(token.scopes):
        asked = sorted(needed)
        text = f"insufficient_scope: this operation needs {' '.join(asked)}; sign in again and allow it"
        raise InsufficientScopeError(asked, message=text)
    known = _judge.get()
    for judge in [server.judge for server in _judging] if known is None else (known,):
        await judge(component)
