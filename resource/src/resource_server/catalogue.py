"""What each operation of a FastMCP server needs, looked up once and remembered for a few seconds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from time import monotonic
from typing import Any

from fastmcp import FastMCP
from fastmcp.resources import ResourceTemplate
from fastmcp.utilities.components import FastMCPComponent

from resource_server import seams
from resource_server.scopes import KINDS, Kind, Operation, Policy, matches, means_kind

REMEMBERED = 5.0  # seconds in which a component that was replaced under its name keeps its old scopes

Judgement = tuple[frozenset[str], Sequence[Operation]]  # scopes, and the operations that they are for
NOTHING: Judgement = frozenset(), ()


class Catalogue:
    """The operations of one server and their scopes.

    upstream: the components are another server's, which declares no scopes; patterns alone decide.
    """

    def __init__(
        self, server: FastMCP[Any], policy: Policy, *, upstream: bool = False, clock: Callable[[], float] = monotonic
    ) -> None:
        self._server, self.policy, self._upstream, self._clock = server, policy, upstream, clock
        self._tables: dict[Kind, _Table] = {}
        self._schemas: dict[str, Mapping[str, Any]] = {}
        if not upstream:
            seams.give_schemas(server, self._schemas.get)

    async def needed(self, operation: Operation) -> frozenset[str]:
        """The scopes an operation needs beyond those of every request."""
        return (await self._judged(operation))[0]

    async def meanings(self, operation: Operation) -> Sequence[Operation]:
        """The operation, and what else comes to the same function: what a pattern asks for one holds for all."""
        return (await self._judged(operation))[1]

    async def needed_by(self, kind: Kind, component: Any) -> frozenset[str]:
        """The scopes of a component that is at hand."""
        needed = await self.needed(Operation(kind, _name(component)))
        return needed if self._upstream else needed | seams.scopes_of([component])

    async def of_function(self, kind: Kind, function: object) -> Judgement:
        """The scopes that patterns ask of the operations that come to a function, and those operations. None for a
        template's: it has a name for each of its resources."""
        if self._upstream:
            return NOTHING
        table = self._known(kind) or await self._read(kind)
        known = table.by_function.get(id(function))
        if known is None:
            names = table.names_of(function)
            known = frozenset[str]().union(*map(self.policy.by_name, names)), names
            if names:  # the table then keeps the function, and no other gets its id
                table.by_function[id(function)] = known
        return known

    async def runs(self, kind: Kind, function: object) -> bool:
        """Whether something of this server comes to a function."""
        return not self._upstream and (self._known(kind) or await self._read(kind)).runs(function)

    async def mentioned(self) -> frozenset[str]:
        """Every scope that some operation needs."""
        found = self.policy.mentioned
        for kind in () if self._upstream else KINDS:
            for component in await seams.every_component(self._server, kind):
                found |= await seams.declared_scopes(component)
        return found

    async def unmet(self, patterns: Iterable[str]) -> list[str]:
        """Those of `patterns` that mean nothing which is here now; one about resources may mean a template's."""
        names: list[Operation] = []
        templates = False
        for kind in KINDS:
            for component in await seams.every_component(self._server, kind):
                names.append(Operation(kind, _name(component)))
                templates = templates or isinstance(component, ResourceTemplate)
        return [
            pattern
            for pattern in patterns
            if not (templates and means_kind(pattern, "resource")) and not any(matches(pattern, name) for name in names)
        ]

    async def _judged(self, operation: Operation) -> Judgement:
        """All scopes of an operation, and all its names; remembered with the table that lists it."""
        table = self._known(operation.kind)
        known = None if table is None else table.by_name.get(operation.name)
        if known is None:
            declared, meanings = await self._look_up(operation)
            known = declared.union(*map(self.policy.by_name, meanings)), meanings
            table = self._known(operation.kind)
            if table is not None and table.lists(operation.name):
                table.by_name[operation.name] = known
        return known

    async def _look_up(self, operation: Operation) -> Judgement:
        """The scopes that are declared for an operation, and all its names."""
        if self._upstream:
            hidden = await seams.hashed_tool(self._server, operation.name) if operation.kind == "tool" else None
            return frozenset(), [operation, *([] if hidden is None else [Operation("tool", hidden.name)])]
        table = self._known(operation.kind)
        found = None if table is None else table.find(operation.name)
        if table is None or found is None:
            # A name that is new to us is always looked up: it may have come with scopes a moment ago.
            table = await self._read(operation.kind)
            found = table.find(operation.name)
        if found is None:
            hidden = await seams.unlisted(self._server, operation)
            if hidden is None:
                return frozenset(), [operation]
            layers = await seams.layers(hidden)
            found = seams.scopes_of(layers), _functions(layers)
            meant = [operation, Operation(operation.kind, _name(hidden))]
        else:
            meant = [operation]
        others = (name for function in found[1] for name in table.names_of(function))
        return found[0], list(dict.fromkeys([*meant, *others]))

    def _known(self, kind: Kind) -> _Table | None:
        table = self._tables.get(kind)
        return table if table is not None and self._clock() < table.until else None

    async def _read(self, kind: Kind) -> _Table:
        table = _Table(kind, self._clock() + REMEMBERED)
        found = await seams.every_component(self._server, kind)
        for component in found:
            table.add(component, await seams.layers(component))
        if kind == "tool":
            self._schemas.clear()
            self._schemas.update(seams.schemas_as_listed(found))
        self._tables[kind] = table
        return table


_Entry = tuple[frozenset[str], tuple[object, ...]]  # scopes, and the functions that are run


class _Table:
    """Names, or URIs and templates, to scopes and functions. All versions of a name count together."""

    def __init__(self, kind: Kind, until: float) -> None:
        self._kind, self.until = kind, until
        self._names: dict[str, _Entry] = {}
        self._templates: list[tuple[ResourceTemplate, _Entry]] = []
        self._functions: dict[int, tuple[object, dict[Operation, None]]] = {}  # by id, for not all can be hashed
        self.by_name: dict[str, Judgement] = {}
        self.by_function: dict[int, Judgement] = {}

    def add(self, component: FastMCPComponent, layers: Sequence[FastMCPComponent]) -> None:
        scopes, functions, name = seams.scopes_of(layers), _functions(layers), _name(component)
        known, others = self._names.get(name, (frozenset[str](), ()))
        self._names[name] = known | scopes, (*others, *functions)
        if isinstance(component, ResourceTemplate):
            self._templates.append((component, (scopes, functions)))
            return
        for function in functions:
            self._functions.setdefault(id(function), (function, {}))[1][Operation(self._kind, name)] = None

    def find(self, name: str) -> _Entry | None:
        fit = [entry for template, entry in self._templates if template.matches(name) is not None]
        if name in self._names:
            fit.append(self._names[name])
        if not fit:
            return None
        return frozenset[str]().union(*(scopes for scopes, _ in fit)), tuple(f for _, found in fit for f in found)

    def runs(self, function: object) -> bool:
        of_templates = (known for _, (_, functions) in self._templates for known in functions)
        return id(function) in self._functions or any(known is function for known in of_templates)

    def lists(self, name: str) -> bool:
        return name in self._names

    def names_of(self, function: object) -> Sequence[Operation]:
        return list(self._functions[id(function)][1]) if id(function) in self._functions else []


def _functions(layers: Sequence[FastMCPComponent]) -> tuple[object, ...]:
    found = (getattr(component, "fn", None) for component in layers)
    return tuple(function for function in found if function is not None)


def _name(component: Any) -> str:
    """What a request calls a component by; for a template, itself."""
    return str(getattr(component, "uri", None) or getattr(component, "uri_template", None) or component.name)
