"""Where a request comes from, as limits count it."""

from __future__ import annotations

from fastapi import Request


def address_of(request: Request) -> str:
    """The network address, behind a trusted proxy that of its client; nothing where the server was told none."""
    return request.client.host if request.client else ""
