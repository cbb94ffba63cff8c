"""Forms and query strings as OAuth reads them (RFC 6749 §3.1, §3.2, Appendix B).

A repeated parameter is an error (a framework would silently take the last), an empty one is absent, and bytes that
are not UTF-8 are refused, not replaced: two different secrets must never become equal.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from urllib.parse import unquote_to_bytes

from fastapi import Request

from issuer.errors import InvalidRequest, UnsupportedMediaType
from issuer.web.body import read_body

_LONGEST = 64 * 1024
_MOST_FIELDS = 100
_REPEATABLE = frozenset({"resource"})
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_MEDIA_TYPE = re.compile(rb"application/x-www-form-urlencoded(?:\s*;\s*charset=\"?utf-8\"?)?\s*", re.IGNORECASE)


class Form:
    """The parameters of a request. `repeated` names those that were sent twice and must not be."""

    def __init__(self, pairs: Iterable[tuple[str, str]], repeatable: Collection[str] = _REPEATABLE) -> None:
        self._values: dict[str, str] = {}
        self._lists: dict[str, list[str]] = {}
        self.repeated: set[str] = set()
        for name, value in pairs:
            if not value:
                continue
            if name in repeatable:
                self._lists.setdefault(name, []).append(value)
            elif name in self._values:
                self.repeated.add(name)
            else:
                self._values[name] = value

    def get(self, name: str) -> str | None:
        return self._values.get(name)

    def all(self, name: str) -> tuple[str, ...]:
        """The values of a parameter that may repeat: `resource` (RFC 8707 §2)."""
        return tuple(self._lists.get(name, ()))

    def require(self, name: str) -> str:
        value = self._values.get(name)
        if value is None:
            raise InvalidRequest(f"{name} is missing")
        return value

    def refuse_repeated(self) -> None:
        if self.repeated:
            raise InvalidRequest("a parameter was sent more than once: " + named(self.repeated))

    def items(self) -> list[tuple[str, str]]:
        """Every parameter in a stable order, for showing and for sealing."""
        return [*self._values.items(), *((n, v) for n, values in self._lists.items() for v in values)]


def parse(raw: bytes, repeatable: Collection[str] = _REPEATABLE, most: int = _MOST_FIELDS) -> Form:
    """Read `application/x-www-form-urlencoded` bytes of at most so many fields."""
    if len(raw) > _LONGEST or raw.count(b"&") >= most:
        raise InvalidRequest(f"too many parameters: {most} of {_LONGEST // 1024} KB in all are the most")
    if _BAD_ESCAPE.search(raw):
        raise InvalidRequest("a percent sign must be followed by two hexadecimal digits")
    return Form(_pairs(raw), repeatable)


def _pairs(raw: bytes) -> Iterator[tuple[str, str]]:
    for field in raw.split(b"&"):
        name, _, value = field.partition(b"=")
        if name:
            yield _text(name), _text(value)


def _text(raw: bytes) -> str:
    if b"%" in raw or b"+" in raw:
        raw = unquote_to_bytes(raw.replace(b"+", b" "))
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise InvalidRequest("parameters must be UTF-8") from None
    if "\0" in text:
        raise InvalidRequest("parameters must not hold a NUL character")
    return text


async def read_form(
    request: Request, repeatable: Collection[str] = _REPEATABLE, most: int = _MOST_FIELDS, *, refuse: bool = True
) -> Form:
    """The form that a request carries in its body; repeated parameters are refused, unless who calls does that."""
    kinds = [value for name, value in request.scope["headers"] if name == b"content-type"]
    if len(kinds) != 1 or not _MEDIA_TYPE.fullmatch(kinds[0]):
        raise UnsupportedMediaType("send the parameters as application/x-www-form-urlencoded, in UTF-8")
    form = parse(await read_body(request, _LONGEST), repeatable, most)
    if refuse:
        form.refuse_repeated()
    return form


_OURS = (
    " grant_type code redirect_uri code_verifier client_id client_secret refresh_token scope client_assertion"
    " client_assertion_type token token_type_hint response_type state code_challenge code_challenge_method nonce"
    " prompt max_age login_hint id_token_hint post_logout_redirect_uri response_mode request request_uri sub"
    " expires_in "
)


def named(names: set[str]) -> str:
    """Names of the protocol's own parameters; a name that somebody made up is not repeated to anybody."""
    return " ".join(sorted(name for name in names if f" {name} " in _OURS)) or "one that this endpoint does not know"
