"""For how long an answer holds by its headers (RFC 9111 §4.2.1), as a cache that serves many people reads them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from email.utils import parsedate_to_datetime

_DIRECTIVE = re.compile(r'([!#$%&\'*+.^_`|~0-9a-z-]+)(?:=(?:"([^"]*)"|([^\s,;"]*)))?')


def seconds(headers: Iterable[tuple[str, str]]) -> int | None:
    """Seconds from now, 0 or more; None when the headers say nothing that can be understood."""
    values: dict[str, list[str]] = {}
    for name, value in headers:
        values.setdefault(name.lower(), []).append(value)
    directives = _directives(",".join(values.get("cache-control", ())))
    if directives.keys() & {"no-store", "no-cache", "private"}:
        return 0
    for name in ("s-maxage", "max-age"):
        if name in directives:
            return max(0, directives[name] - (_number(values.get("age", ["0"])[0]) or 0))
    return _expires(values)


def within(seconds: int | None, *, shortest: int, usual: int, longest: int) -> int:
    """For how long an answer is kept: as long as it holds, in bounds, and as is usual where it does not say."""
    return usual if seconds is None else min(max(seconds, shortest), longest)


def _directives(value: str) -> dict[str, int]:
    """The directives with their seconds: 0 for what cannot be understood, the least of one that stands twice."""
    found: dict[str, int] = {}
    for name, quoted, plain in _DIRECTIVE.findall(value.lower()):
        life = _number(quoted or plain) or 0
        found[name] = min(life, found.get(name, life))
    return found


def _number(text: str) -> int | None:
    # More digits than this are more years than anyone will wait.
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else None


def _expires(values: dict[str, list[str]]) -> int | None:
    if "expires" not in values:
        return None
    try:
        ends = parsedate_to_datetime(values["expires"][0])
        begins = parsedate_to_datetime(values["date"][0])
        return max(0, int((ends - begins).total_seconds()))
    except (ValueError, KeyError, IndexError, TypeError, OverflowError):
        return 0
