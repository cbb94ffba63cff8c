"""The query string of a page's address: read as every form is, refused with a page, for a person is looking."""

from __future__ import annotations

from fastapi import Request

from issuer.errors import InvalidRequest
from issuer.web.form import Form, parse
from issuer.web.page_error import PageError


def read_query(request: Request) -> Form:
    try:
        return parse(request.scope["query_string"])
    except InvalidRequest as error:
        raise PageError(
            400,
            "The request cannot be read",
            error.description[:1].upper() + error.description[1:] + ".",
            "Go back to the program that sent you here and connect again.",
        ) from None
