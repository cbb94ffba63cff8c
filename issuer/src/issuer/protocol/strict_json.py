"""JSON read strictly (RFC 8259, RFC 7493): what two readers could take for two things is refused."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

_MOST_DIGITS = 40
_MOST_LEVELS = 32
_TOO_DEEP = f"it is nested deeper than {_MOST_LEVELS} levels"
_WRITE = json.JSONEncoder(ensure_ascii=False).encode


class NotStrict(ValueError):
    """The text is no object, or one that two readers could take for two things. The message quotes nothing of it."""


def read_object(raw: bytes) -> dict[str, Any]:
    """One JSON object in UTF-8: no byte order mark, no NaN, no lone surrogate, no member twice, no endless number.

    Raises NotStrict, whatever is wrong.
    """
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise NotStrict("it is not UTF-8") from None
    try:
        value = json.loads(text, parse_constant=_refuse, parse_float=_float, parse_int=_int, object_pairs_hook=_members)
        if _is_deep(value):
            raise NotStrict(_TOO_DEEP)
        # Escapes may spell a lone surrogate, which no other program could be sent.
        _WRITE(value).encode("utf-8")
    except NotStrict:
        raise
    except RecursionError:
        raise NotStrict(_TOO_DEEP) from None
    except UnicodeEncodeError:
        raise NotStrict("an escape spells half of a surrogate pair") from None
    except ValueError:
        raise NotStrict("it is not JSON") from None
    if not isinstance(value, dict):
        raise NotStrict("it is no object")
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
    raise NotStrict("NaN and Infinity are no JSON")


def _float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise NotStrict("a number is too large")
    return number


def _int(text: str) -> int:
    if len(text) > _MOST_DIGITS:
        raise NotStrict(f"a number has more than {_MOST_DIGITS} digits")
    return int(text)


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise NotStrict("a member stands twice")
    return members
