"""What passes between a server and its clients and is a secret: an answer may hold it, and no log."""

from __future__ import annotations

import base64
import contextlib
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx

NAMES = frozenset(
    "access_token assertion client_assertion client_secret code code_verifier id_token id_token_hint password"
    " refresh_token registration_access_token token transaction".split()
)
LENGTH = 20
"""A secret counts by its first characters: a log cuts what is long, and all tokens of one kind begin alike."""
_WORD = re.compile(r"[\w.~+-]+")
_SHOWN = re.compile(r'(?:name="transaction" value="|[?&;]code=)([\w.-]+)')
_MOST = 64 * 1024
_heads: set[str] = set()


def listen(response: httpx.Response) -> None:
    """A hook of httpx: the secrets of a request and of its answer, whether or not the request was a good one."""
    request = response.request
    add(value for name, value in _fields(request) if name.lower() in NAMES)
    for header in ("authorization", "cookie"):
        add(_words(request.headers.get(header, "")))
    for cookie in response.headers.get_list("set-cookie"):
        add(_words(cookie.partition(";")[0]))
    location = urlsplit(response.headers.get("location", "")).query
    add(value for name, value in parse_qsl(location) if name in NAMES)
    kind = response.headers.get("content-type", "").partition(";")[0]
    if kind == "application/json":
        response.read()
        add(_members(response))
    elif kind == "text/html":
        response.read()
        add(_SHOWN.findall(response.text))


def add(values: Iterable[str]) -> None:
    """Remember those that are secrets: what tests send for garbage is short, all the same, a path or a client's id."""
    for head in {value[:LENGTH] for value in values if not value.startswith("mcp_client_")}:
        if len(head) == LENGTH and len(set(head)) >= 8 and "/" not in head:
            _heads.add(head)


def knows(value: str) -> bool:
    return value[:LENGTH] in _heads


def found(line: str) -> list[str]:
    """The secrets that a line tells, by their beginnings."""
    return [head for at in range(len(line) - LENGTH + 1) if (head := line[at : at + LENGTH]) in _heads]


def _fields(request: httpx.Request) -> list[tuple[str, str]]:
    query = parse_qsl(request.url.query.decode("ascii", "replace"))
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return query
    try:
        return query + parse_qsl(request.content[:_MOST].decode("utf-8", "replace"))
    except httpx.RequestNotRead:  # a body that was sent piece by piece
        return query


def _words(header: str) -> list[str]:
    """What a header of credentials says, and what it says in Base64."""
    words = _WORD.findall(header)
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() == "basic":
        with contextlib.suppress(ValueError):
            words += base64.b64decode(encoded).decode("utf-8", "replace").split(":")[1:]
    return words


def _members(response: httpx.Response) -> list[str]:
    try:
        body: Any = response.json()
    except ValueError:
        return []
    members = body.items() if isinstance(body, dict) else ()
    return [value for name, value in members if name in NAMES and isinstance(value, str)]
