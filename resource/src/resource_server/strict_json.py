"""JSON (RFC 8259) as a credential or a key must be written: one meaning only, bounded, UTF-8.

The standard parser takes the last of two members of one name, NaN, 1e999 and lone surrogates; two readers
of such a text may understand different things.
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

MAX_DEPTH = 32
MAX_CONTAINERS = 100_000  # arrays and objects: two bytes each to write, and a hundred to hold
_STRING = re.compile(r'"(?:[^"\\]|\\.)*+"')


class NotStrict(ValueError):
    """The text is no JSON, or JSON that could be read in two ways. The message never quotes it."""


def loads(data: bytes, max_depth: int = MAX_DEPTH) -> Any:
    """The value that `data` writes. Raises NotStrict."""
    try:
        text = data.decode("utf-8")
    except UnicodeError:
        raise NotStrict("not valid UTF-8") from None
    try:
        brackets = _brackets(text)
        if brackets > MAX_CONTAINERS and _brackets(_STRING.sub("", text)) > MAX_CONTAINERS:
            raise NotStrict(f"more than {MAX_CONTAINERS} arrays and objects")
        value = _DECODER.decode(text)
        if brackets > max_depth and _deeper(value, max_depth):
            raise NotStrict(f"nested deeper than {max_depth}")
        if "\\u" in text:  # only an escape can write half a surrogate pair, which no UTF-8 can carry on
            json.dumps(value, ensure_ascii=False).encode()
        return value
    except NotStrict:
        raise
    except UnicodeError:
        raise NotStrict("half of a surrogate pair is escaped") from None
    except RecursionError:
        raise NotStrict(f"nested deeper than {max_depth}") from None
    except ValueError:
        raise NotStrict("not valid JSON") from None


def _brackets(text: str) -> int:
    return text.count("[") + text.count("{")


def _deeper(value: Any, most: int) -> bool:
    """Whether `value` has more levels of arrays and objects than `most`."""
    level: list[Any] = [[value]]
    for _ in range(most + 1):
        parts = (parent.values() if isinstance(parent, dict) else parent for parent in level)
        level = [part for some in parts for part in some if isinstance(part, dict | list)]
        if not level:
            return False
    return True


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise NotStrict("a member appears twice")
    return members


def _finite(text: str) -> float:
    number = float(text)
    if number - number != 0:
        raise NotStrict("a number is too large")
    return number


def _no_constant(_: str) -> NoReturn:
    raise NotStrict("NaN and Infinity are no JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_members, parse_float=_finite, parse_constant=_no_constant)
