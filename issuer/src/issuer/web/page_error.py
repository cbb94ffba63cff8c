"""Errors that a person sees: a page with what went wrong and the way out."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.responses import Response

from issuer import log
from issuer.web import pages


class PageError(Exception):
    """Shown as a page. `details` may hold what was sent, in development alone."""

    def __init__(
        self, status: int, title: str, explain: str, fix: str, details: Sequence[tuple[str, str]] = ()
    ) -> None:
        super().__init__(title)
        self.status = status
        self.title = title
        self.explain = explain
        self.fix = fix
        self.details = details

    def response(self) -> Response:
        log.note(error="page", detail=self.explain)
        return pages.error(
            status=self.status,
            title=self.title,
            explain=self.explain,
            fix=self.fix,
            details=self.details,
            request_id=log.request_id.get(),
        )


def start_again() -> PageError:
    """For whatever does not belong to this browser, is used already or too old."""
    return PageError(
        403,
        "This page can no longer be used",
        "It was used already, is older than ten minutes, or was opened in another browser.",
        "Go back to the program that sent you here and connect again.",
    )
