"""Authorization server metadata (RFC 8414 §3) and OpenID Connect Discovery 1.0 §4: one document at every address.

What it says is the union of what the registered endpoints and grants say of themselves, so it cannot lie.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from issuer.settings import Settings
from issuer.web.cacheable import Cacheable

_NAMES = ("oauth-authorization-server", "openid-configuration")


def document(settings: Settings, parts: Iterable[Mapping[str, Any]]) -> bytes:
    """The metadata: lists are joined, single values must not contradict each other."""
    joined: dict[str, Any] = {"issuer": settings.ISSUER}
    for part in parts:
        for name, value in part.items():
            if isinstance(value, list):
                joined[name] = list(dict.fromkeys([*joined.get(name, []), *value]))
            else:
                assert joined.setdefault(name, value) == value, f"two endpoints disagree on {name}"
    return json.dumps(joined, separators=(",", ":")).encode()


def addresses(path: str) -> list[str]:
    """Where clients look: the path inserted (RFC 8414 §3.1), and appended (OpenID Connect Discovery §4.1)."""
    return list(
        dict.fromkeys(p for name in _NAMES for p in (f"/.well-known/{name}{path}", f"{path}/.well-known/{name}"))
    )


def router(settings: Settings, body: bytes) -> APIRouter:
    """Routes that answer with `body`, which never changes while the process lives."""
    router = APIRouter(tags=["discovery"])
    cacheable = Cacheable(body, "application/json")

    async def metadata(request: Request) -> Response:
        """The authorization server's metadata (RFC 8414 §2), which is the OpenID provider's too."""
        return cacheable.answer(request)

    for address in addresses(settings.path):
        router.get(address, include_in_schema=address == f"/.well-known/{_NAMES[0]}")(metadata)
        router.head(address, include_in_schema=False)(metadata)
    return router
