"""What each operation of a FastMCP server needs, looked up once and remembered for a few seconds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any

from fastmcp import FastMCP
from fastmcp.resources import ResourceTemplate

from resource_server import seams
from resource_server.scopes import KINDS, Kind, Operation, Policy

REMEMBERED = 5.0  # seconds in which a component that was replaced under its name keeps its old scopes


class Catalogue:
    """The operations of one server and their scopes.

    upstream: the components are another server's, which declares no scopes; patterns alone decide.
    """

    def __init__(
        self, server: FastMCP[Any], policy: Policy, *, upstream: bool = False, clock: Callable[[], float] = monotonic
    ) -> None:
        self._server, self._policy, self._upstream, self._clock = server, policy, upstream, clock
        self._tables: dict[Kind, _Table] = {}
        self._schemas: dict[str, Mapping[str, Any]] = {}
        if not upstream:
            seams.give_schemas(server, self._schemas.get)

    async def needed(self, operation: Operation) -> frozenset[str]:
        """The scopes an operation needs beyond those of every request."""
        by_name = self._policy.by_name(operation)
        return by_name if self._upstream else by_name | await self._declared(operation)

    async def needed_by(self, kind: Kind, component: Any) -> frozenset[str]:
        """The same of a component that is at hand."""
        by_name = self._policy.by_name(Operation(kind, _name(component)))
        return by_name if self._upstream else by_name | await seams.declared_scopes(component)

    async def mentioned(self) -> frozenset[str]:
        """Every scope that some operation needs."""
        found = self._policy.mentioned
        for kind in () if self._upstream else KINDS:
            for component in await seams.every_component(self._server, kind):
                found |= await seams.declared_scopes(component)
        return found

    async def _declared(self, operation: Operation) -> frozenset[str]:
        table = self._tables.get(operation.kind)
        now = self._clock()
        if table is not None and now < table.until:
            known = table.find(operation.name)
            if known is not None:
                return known
        # A name that is new to us is always looked up: it may have come with scopes a moment ago.
        table = self._tables[operation.kind] = await self._read(operation.kind, now)
        known = table.find(operation.name)
        if known is None and operation.kind == "tool":
            hidden = await seams.hashed_tool(self._server, operation.name)
            if hidden is not None:
                return await seams.declared_scopes(hidden) | self._policy.by_name(Operation("tool", hidden.name))
        return known or frozenset()

    async def _read(self, kind: Kind, now: float) -> _Table:
        table = _Table(now + REMEMBERED)
        found = await seams.every_component(self._server, kind)
        for component in found:
            table.add(component, await seams.declared_scopes(component))
        if kind == "tool":
            self._schemas.clear()
            self._schemas.update(seams.schemas_as_listed(found))
        return table


class _Table:
    """Names, or URIs and templates, to scopes. All versions of a name count together."""

    def __init__(self, until: float) -> None:
        self.until = until
        self._names: dict[str, frozenset[str]] = {}
        self._templates: list[tuple[ResourceTemplate, frozenset[str]]] = []

    def add(self, component: Any, scopes: frozenset[str]) -> None:
        if isinstance(component, ResourceTemplate):
            self._templates.append((component, scopes))
        else:
            name = _name(component)
            self._names[name] = self._names.get(name, frozenset()) | scopes

    def find(self, name: str) -> frozenset[str] | None:
        fit = [scopes for template, scopes in self._templates if template.matches(name) is not None]
        if name in self._names:
            fit.append(self._names[name])
        return frozenset().union(*fit) if fit else None


def _name(component: Any) -> str:
    """What a request calls a component by; for a template, itself."""
    return str(getattr(component, "uri", None) or getattr(component, "uri_template", None) or component.name)
