"""Bodies to keep for a while: 304 to whoever has the very body, the whole one to everybody else."""

from __future__ import annotations

import re

from fastapi import Request
from starlette.responses import Response

from issuer.web.cacheable import Cacheable


def answer(body: bytes, *has: str) -> Response:
    headers = [(b"if-none-match", tag.encode()) for tag in has]
    return Cacheable(body, "application/json").answer(Request({"type": "http", "headers": headers}))


def test_only_who_has_this_very_body_is_told_that_it_is_unchanged():
    whole = answer(b"{}")
    tag = whole.headers["etag"]
    assert re.fullmatch(r'"[0-9a-f]{32}"', tag)
    assert (whole.status_code, whole.body) == (200, b"{}")
    unchanged = answer(b"{}", tag)
    assert (unchanged.status_code, unchanged.body, unchanged.headers["etag"]) == (304, b"", tag)
    other = answer(b"[]", tag)
    assert (other.status_code, other.body) == (200, b"[]")
    assert other.headers["etag"] != tag
