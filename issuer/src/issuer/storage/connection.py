"""One database connection, as the verbs use it: named parameters, positional rows."""

from __future__ import annotations

from typing import Any, Protocol

Row = tuple[Any, ...]


class Connection(Protocol):
    def one(self, sql: str, **values: object) -> Row | None:
        """The first row of a statement with `:name` parameters."""

    def all(self, sql: str, **values: object) -> list[Row]: ...
    def run(self, sql: str, **values: object) -> int:
        """How many rows the statement changed."""
