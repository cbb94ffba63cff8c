"""`/metrics` for Prometheus: for the operator's network, not for the public; off outside development unless set."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from issuer.metrics import CONTENT_TYPE
from issuer.server import server_of

router = APIRouter(include_in_schema=False)
PATH = "/metrics"


@router.get(PATH)
async def metrics(request: Request) -> Response:
    """The counters of this process."""
    return Response(server_of(request).metrics.exposition(), media_type=CONTENT_TYPE)
