"""`/metrics` for Prometheus: for the operator's network, not for the public; off outside development unless set."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException, Request
from starlette.responses import Response

from resource_server.guard import came_through_proxy
from resource_server.metrics import CONTENT_TYPE, Metrics

PATH = "/metrics"


def router(metrics: Metrics) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get(PATH)
    async def scrape(request: Request) -> Response:
        """The counters of this process, for who asks it directly: what a proxy passes on may come from anywhere."""
        if came_through_proxy(request.headers):
            raise HTTPException(404)
        return Response(metrics.exposition(), media_type=CONTENT_TYPE)

    return router
