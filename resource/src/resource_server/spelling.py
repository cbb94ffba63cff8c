"""The ways to write one URI (RFC 3986 §6.2): a rule about a resource must hold however a caller spells it.

FastMCP decodes what a template takes from a URI, and a resource may treat `a`, `%61` and `A` alike. So nothing is
normalized here for anybody to go on with: these are only the texts that a rule is held against.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

MAX_LENGTH = 2048
_DECODINGS = 4  # of what was encoded more than once; there is no good reason for more
# What a path does not need, and what readers of URIs disagree about: dot segments, empty ones, invisible characters
_STRANGE = re.compile(r"[\\\x00-\x1f\x7f]|^\s|\s$|/\.\.?(?:[/?#]|$)|://[^?#]*//")


def spellings(uri: str) -> frozenset[str] | None:
    """Folded texts, one of which a rule that means this resource fits; None when any rule may mean it."""
    if len(uri) > MAX_LENGTH:
        return None
    address = _without_query(uri)
    decoded = _decoded(uri), _decoded(address)
    texts = {uri, address}
    for text in decoded:
        if text is None:
            return None
        texts |= {text, _without_query(text)}
    if any(_STRANGE.search(text) for text in texts):
        return None
    bare = {text.rstrip("/") for text in texts}
    return frozenset(text.casefold() for text in texts | bare | {f"{text}/" for text in bare})


def _without_query(uri: str) -> str:
    return re.split("[?#]", uri, maxsplit=1)[0]


def _decoded(text: str) -> str | None:
    """`text` without any percent-encoding; None when it hides too well what it says."""
    for _ in range(_DECODINGS):
        before = text
        try:
            text = unquote(text, errors="strict")
        except UnicodeDecodeError:
            return None
        if text == before:
            return text
    return None
