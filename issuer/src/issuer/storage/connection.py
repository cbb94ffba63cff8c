"""One database connection, as the verbs use it: named parameters, positional rows, and values that can be stored."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from issuer.errors import InvalidRequest

Row = tuple[Any, ...]
_LARGEST = 2**63 - 1


class Connection(Protocol):
    def one(self, sql: str, **values: object) -> Row | None:
        """The first row of a statement with `:name` parameters."""

    def all(self, sql: str, **values: object) -> list[Row]: ...
    def run(self, sql: str, **values: object) -> int:
        """How many rows the statement changed."""

    def hold(self, sql: str, **values: object) -> None:
        """Write a row as it is, so that whoever writes it meanwhile has to come before or after.

        For what rests on a row that it does not write. Where one transaction writes at a time it is nothing.
        """


def check_storable(values: Iterable[object]) -> None:
    """Refuse what one of the databases cannot hold: both say the same to the same request, and copies stay whole.

    PostgreSQL has no NUL in text, neither has halves of surrogate pairs, and integers have 64 bits.
    """
    for value in values:
        kind = type(value)
        if kind is str:
            assert isinstance(value, str)
            if "\0" in value or not (value.isascii() or _encodable(value)):
                raise InvalidRequest("a value holds a character that is not text: NUL, or half a surrogate pair")
        elif kind is int:
            assert isinstance(value, int)
            if not -_LARGEST <= value <= _LARGEST:
                raise InvalidRequest("a number is too large")


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
