"""The browser: its cookies, and what it says of where a request comes from.

Two cookies. `browser` binds pages to the browser they were made for and is never rotated; `session` is a sign-in and
new at each. On https they are `__Host-` cookies; on http loopback, where cookies ignore ports, their names carry a
hash of the issuer so that two pairs on one machine do not sign each other out.
"""

from __future__ import annotations

import functools
import hashlib
from typing import Literal

from fastapi import Request
from starlette.responses import RedirectResponse, Response

from issuer.protocol import secret
from issuer.settings import Settings, origin_of
from issuer.web.page_error import PageError

Name = Literal["browser", "session"]


def cookie_name(settings: Settings, name: Name) -> str:
    return _cookie_name(settings.ISSUER, name)


@functools.cache
def _cookie_name(issuer: str, name: Name) -> str:
    if issuer.startswith("https://"):
        return f"__Host-{name}"
    return f"{name}-{hashlib.sha256(issuer.encode()).hexdigest()[:8]}"


def cookie(request: Request, settings: Settings, name: Name) -> str | None:
    """The digest of a cookie's value, which is all that is ever compared or stored."""
    value = request.cookies.get(cookie_name(settings, name))
    return secret.digest(value) if value and len(value) <= 256 else None


def set_cookie(response: Response, settings: Settings, name: Name, value: str, seconds: int | None = None) -> None:
    response.set_cookie(
        cookie_name(settings, name),
        value,
        max_age=seconds,
        path="/",
        secure=settings.ISSUER.startswith("https://"),
        httponly=True,
        samesite="lax",
    )


def refuse_cross_site(request: Request, settings: Settings) -> None:
    """A decision must come from our own page. `Origin: null` is what privacy settings make of it: tolerated, as the
    sealed transaction is the first line of defence and this the second."""
    origin = request.headers.get("origin", "null")
    if request.headers.get("sec-fetch-site") == "cross-site" or origin not in ("null", origin_of(settings.ISSUER)):
        raise PageError(
            403,
            "This did not come from our page",
            "Another web site tried to answer in your place.",
            "Close that site. If it was you, go back to the program that sent you here and connect again.",
        )


def see_other(url: str) -> Response:
    """On to `url` by GET; neither the address that was come from nor this answer is to be kept."""
    return RedirectResponse(url, 303, headers={"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"})


def came_by_itself(request: Request) -> bool:
    """Whether the person, not another site, brought the browser here; a browser that does not say is not believed."""
    return request.headers.get("sec-fetch-site") in ("none", "same-origin")
