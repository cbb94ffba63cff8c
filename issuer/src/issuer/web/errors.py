"""From errors to responses: the one translator (RFC 6749 §5.2)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import Match, Route

from issuer import log
from issuer.errors import OAuthError, TemporarilyUnavailable
from issuer.store import StoreUnavailable
from issuer.web.page_error import PageError

NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
_REASONS = {404: "there is nothing at this address", 405: "this address does not answer to that method"}


def oauth_error(error: OAuthError) -> Response:
    """The JSON error response; what is private goes to the log."""
    log.note(error=error.code, detail=error.detail or error.description)
    return JSONResponse(error.body(), error.status, headers={**NO_STORE, **error.headers})


def unavailable(error: StoreUnavailable) -> OAuthError:
    return TemporarilyUnavailable(
        "the database cannot answer now: try again shortly",
        detail=str(error),
        headers={"Retry-After": str(error.retry_after)},
    )


def answer(error: Any, elsewhere: str = "") -> Response:
    """The response to an error of `TRANSLATED`. elsewhere: what is said where there is nothing."""
    if isinstance(error, PageError):
        return error.response()
    if isinstance(error, StoreUnavailable):
        error = unavailable(error)
    if isinstance(error, OAuthError):
        return oauth_error(error)
    reason = _REASONS.get(error.status_code, "the request cannot be answered")
    if error.status_code == 404:
        reason += elsewhere
    body = {
        "error": "not_found" if error.status_code == 404 else "invalid_request",
        "error_description": reason,
    }
    return JSONResponse(body, error.status_code, headers={**NO_STORE, **(error.headers or {})})


TRANSLATED = (OAuthError, PageError, StoreUnavailable, HTTPException)


def install(app: FastAPI, routers: Sequence[tuple[APIRouter, str]], path: str = "") -> None:
    """Every error of every route becomes JSON in OAuth's shape, or a page where a person looks at it.

    routers: each with the prefix under which it is included. path: that of the issuer.
    """
    elsewhere = f"; {path}/account is for people, /.well-known/oauth-authorization-server{path} for programs"

    async def translate(request: Request, error: Any) -> Response:
        if isinstance(error, HTTPException) and error.status_code == 405:
            methods = sorted({method for router, prefix in routers for method in _methods(router, prefix, request)})
            error.headers = {"Allow": ", ".join(methods)} if methods else error.headers
        return answer(error, elsewhere)

    for kind in TRANSLATED:
        app.add_exception_handler(kind, translate)


def _methods(router: APIRouter, prefix: str, request: Request) -> Iterator[str]:
    """What the address answers to (RFC 9110 §15.5.6): the framework tells of one route, and ours have a method each."""
    path = request.scope["path"]
    # A scope of its own: in the request's the framework has noted which route it found.
    scope = {"type": "http", "method": request.method, "path": path.removeprefix(prefix)}
    for route in router.routes if path.startswith(prefix) else ():
        if isinstance(route, Route) and route.matches(scope)[0] is not Match.NONE:
            yield from route.methods or ()
