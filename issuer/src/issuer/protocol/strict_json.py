"""JSON read strictly (RFC 8259, RFC 7493): what two readers could take for two things is refused."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

_MOST_DIGITS = 40
_MOST_LEVELS = 32
_WRITE = json.JSONEncoder(ensure_ascii=False).encode


def read_object(raw: bytes) -> dict[str, Any]:
    """One JSON object in UTF-8: no byte order mark, no NaN, no lone surrogate, no member twice, no endless number.

    Raises ValueError, whatever is wrong.
    """
    try:
        value = json.loads(
            raw.decode("utf-8"),
            parse_constant=_refuse,
            parse_float=_float,
            parse_int=_int,
            object_pairs_hook=_members,
        )
        if _is_deep(value):
            raise ValueError("nested too deeply")
        # Escapes may spell a lone surrogate, which no other program could be sent.
        _WRITE(value).encode("utf-8")
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return value


def _is_deep(value: object) -> bool:
    """Nested beyond _MOST_LEVELS: how deep Python itself reads differs from version to version."""
    level = [value]
    for _ in range(_MOST_LEVELS):
        if not level:
            return False
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer if isinstance(outer, list) else ())
        ]
    return bool(level)


def _refuse(constant: str) -> NoReturn:
    raise ValueError("not JSON")


def _float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("not a number")
    return number


def _int(text: str) -> int:
    if len(text) > _MOST_DIGITS:
        raise ValueError("too many digits")
    return int(text)


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member stands twice")
    return members
