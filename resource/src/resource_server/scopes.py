"""Which scopes an operation needs, and which a caller has: `@requires`, patterns and a hierarchy (RFC 6749 §3.3)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Literal, NamedTuple, TypeVar

from resource_server.spelling import spellings

Kind = Literal["tool", "resource", "prompt"]
KINDS: tuple[Kind, ...] = ("tool", "resource", "prompt")

_MARK = "__required_scopes__"
_NOTHING: Mapping[str, Collection[str]] = {}
_LONG = 256  # a name beyond this is nobody's: it is judged, and not remembered
F = TypeVar("F", bound=Callable[..., object])


class Operation(NamedTuple):
    """What a request asks for. name: of the tool or prompt, or the URI of the resource."""

    kind: Kind
    name: str


def requires(*scopes: str) -> Callable[[F], F]:
    """Decorate the function of a FastMCP tool, resource or prompt: its callers need all of `scopes`.

    Above or below `@mcp.tool`, both work. Several decorators add up. Raises TypeError for what is no function.
    """
    if not scopes:
        raise TypeError("@requires needs at least one scope")

    def mark(function: F) -> F:
        if not hasattr(function, "__code__"):
            raise TypeError("@requires decorates a function; for a Tool object use its auth=require_scopes(...)")
        setattr(function, _MARK, required_by(function) | set(scopes))
        return function

    return mark


def required_by(function: object) -> frozenset[str]:
    """What `@requires` has said about a function."""
    found: frozenset[str] = getattr(function, _MARK, frozenset())
    return found


class Policy:
    """The rules of one server.

    patterns: what `matches` understands, to scopes. implied: scope to the scopes it includes.
    """

    def __init__(
        self, patterns: Mapping[str, Collection[str]] = _NOTHING, implied: Mapping[str, Collection[str]] = _NOTHING
    ) -> None:
        self._patterns = [(pattern, frozenset(scopes)) for pattern, scopes in patterns.items()]
        self._implied = {scope: _closure(scope, implied) for scope in implied}
        self._remembered = lru_cache(maxsize=4096)(self._by_name)

    @property
    def mentioned(self) -> frozenset[str]:
        """Every scope that some pattern asks for."""
        return frozenset().union(*(scopes for _, scopes in self._patterns))

    def widen(self, scopes: Iterable[str]) -> list[str]:
        """The scopes with all that they include (MCP, Step-Up: hierarchies must be honoured)."""
        found = dict.fromkeys(scopes)
        for scope in tuple(found):
            found |= dict.fromkeys(self._implied.get(scope, ()))
        return list(found)

    def by_name(self, operation: Operation) -> frozenset[str]:
        """What the patterns say about an operation."""
        return self._by_name(operation) if len(operation.name) > _LONG else self._remembered(operation)

    def of_every(self, kind: Kind) -> frozenset[str]:
        """What the patterns say about some operation of a kind: for when it is not known which one it is."""
        return frozenset().union(*(scopes for pattern, scopes in self._patterns if means_kind(pattern, kind)))

    def _by_name(self, operation: Operation) -> frozenset[str]:
        return frozenset().union(*(scopes for pattern, scopes in self._patterns if matches(pattern, operation)))


def matches(pattern: str, operation: Operation) -> bool:
    """Whether `name*`, `tool:name*`, `resource:uri*` or `prompt:name*` means the operation.

    A URI has many spellings that reach the same resource; it is enough that a pattern means one of them.
    """
    kind, glob = _parts(pattern)
    if kind != operation.kind:
        return False
    if fnmatchcase(operation.name, glob):
        return True
    if kind != "resource":
        return False
    found = spellings(operation.name)
    return found is None or any(fnmatchcase(spelling, glob.casefold()) for spelling in found)


def means_kind(pattern: str, kind: Kind) -> bool:
    """Whether a pattern is about operations of that kind."""
    return _parts(pattern)[0] == kind


def _parts(pattern: str) -> tuple[Kind, str]:
    named, colon, glob = pattern.partition(":")
    for kind in KINDS if colon else ():
        if kind == named:
            return kind, glob
    return "tool", pattern


def _closure(scope: str, implied: Mapping[str, Collection[str]]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    waiting = list(implied.get(scope, ()))
    while waiting:
        following = waiting.pop(0)
        if following not in found:
            found[following] = None
            waiting += implied.get(following, ())
    return tuple(found)
