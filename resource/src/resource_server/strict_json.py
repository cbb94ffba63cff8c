"""JSON (RFC 8259) as a credential or a key must be written: one meaning only, bounded, UTF-8.

The standard parser takes the last of two members of one name, NaN, 1e999 and lone surrogates; two readers
of such a text may understand different things.
"""

from __future__ import annotations

import json
from typing import Any, NoReturn

MAX_DEPTH = 32


class NotStrict(ValueError):
    """The text is no JSON, or JSON that could be read in two ways. The message never quotes it."""


def loads(data: bytes, max_depth: int = MAX_DEPTH) -> Any:
    """The value that `data` writes. Raises NotStrict."""
    try:
        text = data.decode("utf-8")
    except UnicodeError:
        raise NotStrict("not valid UTF-8") from None
    try:
        if _depth(text, max_depth) > max_depth:
            raise NotStrict(f"nested deeper than {max_depth}")
        value = _DECODER.decode(text)
        if "\\u" in text:  # only an escape can write half a surrogate pair, which no UTF-8 can carry on
            json.dumps(value, ensure_ascii=False).encode()
        return value
    except NotStrict:
        raise
    except UnicodeError:
        raise NotStrict("half of a surrogate pair is escaped") from None
    except (ValueError, RecursionError):
        raise NotStrict("not valid JSON") from None


def _depth(text: str, enough: int) -> int:
    """The nesting of `text`, counted only when there are brackets enough for it to matter."""
    if text.count("[") + text.count("{") <= enough:
        return 0
    depth = deepest = 0
    quoted = escaped = False
    for character in text:
        if escaped:
            escaped = False
        elif quoted:
            escaped = character == "\\"
            quoted = character != '"'
        elif character == '"':
            quoted = True
        elif character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "]}":
            depth -= 1
    return deepest


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
