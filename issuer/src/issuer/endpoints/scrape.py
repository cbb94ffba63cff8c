"""`/metrics` for Prometheus: for the operator's network, not for the public; off outside development unless set."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException, Request
from starlette.responses import Response

from issuer.errors import TemporarilyUnavailable
from issuer.guard import came_through_proxy
from issuer.metrics import CONTENT_TYPE
from issuer.server import server_of
from issuer.siblings import NoAnswer

router = APIRouter(include_in_schema=False)
PATH = "/metrics"


@router.get(PATH)
async def metrics(request: Request) -> Response:
    """What was counted, for who asks directly: what a proxy passes on may come from anywhere."""
    if came_through_proxy(request.headers):
        raise HTTPException(404)
    try:
        return Response(await server_of(request).metrics.exposition(), media_type=CONTENT_TYPE)
    except NoAnswer:
        why = "another worker did not tell what it has counted"
        raise TemporarilyUnavailable(why, headers={"Retry-After": "5"}) from None
