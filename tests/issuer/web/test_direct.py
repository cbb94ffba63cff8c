"""The short way to an endpoint leads where FastAPI's leads, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI, Request
from starlette.responses import PlainTextResponse, Response

from issuer.errors import InvalidRequest
from issuer.store import StoreUnavailable
from issuer.web import errors
from issuer.web.direct import Direct

router = APIRouter()


def _allowed() -> None:
    raise InvalidRequest("a dependency was asked")


@router.get("/plain")
@router.head("/plain")
async def plain(request: Request) -> Response:
    return PlainTextResponse(f"{request.url.path} {request.scope['route'].path}")


@router.post("/plain")
async def plain_by_post(request: Request) -> Response:
    return PlainTextResponse("posted")


@router.post("/refused")
async def refused(request: Request) -> Response:
    raise InvalidRequest("no")


@router.post("/away")
async def away(request: Request) -> Response:
    raise StoreUnavailable("away", retry_after=7)


@router.get("/of/{name}")
async def named(request: Request, name: str) -> Response:
    return PlainTextResponse(name)


@router.put("/of/{name}")
async def put(request: Request, name: str) -> Response:
    return PlainTextResponse(f"put {name}")


@router.get("/guarded", dependencies=[Depends(_allowed)])
async def guarded(request: Request) -> Response:
    return PlainTextResponse("never")


@router.get("/model")
async def model(request: Request) -> dict[str, str]:
    return {"a": "b"}


def served(*, direct: bool) -> FastAPI:
    app = FastAPI(redirect_slashes=False)
    app.include_router(router, prefix="/under")
    errors.install(app, [(router, "/under")])
    if direct:
        app.add_middleware(Direct, routers=[(router, "/under")])
    return app


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("GET", f"/under/{name}") for name in ("plain", "of/x", "guarded", "model", "plain/", "nowhere", "refused")),
        ("HEAD", "/under/plain"),
        ("POST", "/under/refused"),
        ("POST", "/under/away"),
        ("POST", "/under/plain"),
        ("GET", "/plain"),
    ],
)
async def test_both_ways_answer_alike(method: str, path: str) -> None:
    def told(answer: httpx.Response) -> tuple[Any, ...]:
        return answer.status_code, answer.headers.multi_items(), answer.content

    found = []
    for direct in (False, True):
        transport = httpx.ASGITransport(served(direct=direct))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as web:
            found.append(told(await web.request(method, path)))
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/under/plain", "GET, HEAD, POST"),
        ("DELETE", "/under/of/x", "GET, PUT"),
        ("GET", "/under/refused", "POST"),
    ],
)
async def test_405_names_every_method_of_the_address(method: str, path: str, allowed: str) -> None:
    transport = httpx.ASGITransport(served(direct=True))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as web:
        answer = await web.request(method, path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)


@pytest.mark.parametrize(
    ("name", "short"),
    [("plain", True), ("refused", True), ("of/x", False), ("guarded", False), ("model", False)],
)
async def test_what_fastapi_has_work_with_stays_with_it(name: str, short: bool) -> None:
    seen: list[str] = []

    async def fastapi(scope: Any, receive: Callable[..., Any], send: Callable[..., Any]) -> None:
        seen.append(scope["path"])
        await PlainTextResponse("fastapi")(scope, receive, send)

    transport = httpx.ASGITransport(Direct(fastapi, [(router, "/under")]))
    method = "POST" if name == "refused" else "GET"
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as web:
        await web.request(method, f"/under/{name}")
    assert bool(seen) is not short
