"""What anybody may fetch and keep for a while: the whole body, or 304 for whoever has it (RFC 9110 §13.1.2)."""

from __future__ import annotations

import hashlib

from fastapi import Request
from starlette.responses import Response


class Cacheable:
    """Both answers are built once: an answer keeps nothing of the request that it is sent to."""

    def __init__(self, body: bytes, media_type: str) -> None:
        self._etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        headers = {"Cache-Control": "public, max-age=300", "ETag": self._etag}
        self._whole = Response(body, media_type=media_type, headers=headers)
        self._unchanged = Response(status_code=304, headers=headers)

    def answer(self, request: Request) -> Response:
        return self._unchanged if request.headers.get("if-none-match") == self._etag else self._whole
