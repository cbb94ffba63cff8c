"""What comes to a page, by address or form: read as everywhere, refused with a page, for a person is looking."""

from __future__ import annotations

from urllib.parse import urlencode

from fastapi import Request
from starlette.responses import Response

from issuer.errors import InvalidRequest, PayloadTooLarge
from issuer.settings import Settings
from issuer.web import browser
from issuer.web.form import Form, parse, read_form
from issuer.web.page_error import PageError

_LONGEST = 15_000
"""Bytes of a query that a browser is sent on with; a request target may have 16,000."""


def read_query(request: Request, *, refuse: bool = True) -> Form:
    """The query; repeated parameters are refused, unless who calls does that."""
    try:
        form = parse(request.scope["query_string"])
        if refuse:
            form.refuse_repeated()
        return form
    except InvalidRequest as error:
        raise _unreadable(error) from None


async def read_posted(request: Request, **how: object) -> Form:
    """The form in a request's body; `how` as `read_form` takes it."""
    try:
        return await read_form(request, **how)  # type: ignore[arg-type]
    except PayloadTooLarge:
        raise  # it also ends the connection, which no page does
    except InvalidRequest as error:
        raise _unreadable(error) from None


def again_by_get(form: Form, path: str, settings: Settings) -> Response:
    """Send the browser to `path` with what it posted: a post from another site brings no cookies, a GET does."""
    query = urlencode(form.items())
    if len(query) > _LONGEST:
        raise _unreadable(InvalidRequest(f"all parameters together may have {_LONGEST} bytes"))
    return browser.see_other(f"{settings.ISSUER}{path}?{query}")


def _unreadable(error: InvalidRequest) -> PageError:
    return PageError(
        error.status,
        "The request cannot be read",
        error.description[:1].upper() + error.description[1:] + ".",
        "Go back to the program that sent you here and connect again.",
    )
