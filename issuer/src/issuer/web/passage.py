"""One passage of a person through our pages: sealed, ten minutes, one use, bound to the browser and the sign-in."""

from __future__ import annotations

import dataclasses
import secrets
from dataclasses import dataclass
from typing import Any, Literal

from fastapi import Request
from starlette.responses import Response

from issuer.protocol import secret
from issuer.protocol.authorization import PARAMETERS
from issuer.server import Server
from issuer.store import Transaction
from issuer.web import browser
from issuer.web.form import Form
from issuer.web.page_error import start_again
from issuer.web.sealed import seal, unseal

_SECONDS = 600
CARRIED = PARAMETERS | {"post_logout_redirect_uri"}
"""What a passage remembers of the request it began with: all that means something."""
Kind = Literal["login", "consent", "account", "logout"]


@dataclass(frozen=True, slots=True)
class Passage:
    """`request` are the parameters the passage began with, checked anew at each step. `session` is the digest of the
    sign-in that may go on; `fresh` that this sign-in was made for this passage."""

    id: str
    kind: Kind
    request: tuple[tuple[str, str], ...]
    browser: str
    session: str | None
    began_at: int
    fresh: bool = False

    def form(self) -> Form:
        return Form(self.request)

    def sealed(self, server: Server) -> str:
        # Not `asdict`, which copies deeply: all that a passage holds is as it is to be written.
        return seal(server.secret, {name: getattr(self, name) for name in _FIELDS})

    def spend(self, tx: Transaction) -> None:
        """Use it up; raises when somebody did before."""
        if not tx.once.spend(f"passage:{self.id}", self.began_at + _SECONDS):
            raise start_again()


_FIELDS = {field.name: None for field in dataclasses.fields(Passage)}.keys()


class Begin:
    """Begins a passage in this browser, and gives the browser its cookie when it has none."""

    def __init__(self, request: Request, server: Server) -> None:
        self._server = server
        self._digest = browser.cookie(request, server.settings, "browser")
        self._new: str | None = None
        if self._digest is None:
            self._new = secret.invent("")
            self._digest = secret.digest(self._new)

    def passage(self, kind: Kind, form: Form, session: str | None, *, fresh: bool = False) -> Passage:
        assert self._digest is not None
        return Passage(
            id=secrets.token_urlsafe(12),
            kind=kind,
            request=tuple((name, value) for name, value in form.items() if name in CARRIED),
            browser=self._digest,
            session=session,
            began_at=self._server.now(),
            fresh=fresh,
        )

    def remember(self, response: Response) -> Response:
        if self._new is not None:
            browser.set_cookie(response, self._server.settings, "browser", self._new)
        return response


def resume(request: Request, server: Server, sealed: str | None, *kinds: Kind) -> Passage:
    """The passage a page sent back, if it was made for this browser, sign-in and step, in the last ten minutes."""
    content: dict[str, Any] | None = unseal(server.secret, sealed) if sealed else None
    if content is None or content.keys() != _FIELDS or content["kind"] not in kinds:
        raise start_again()  # other fields: a replica of another version made it
    passage = Passage(**{**content, "request": tuple((name, value) for name, value in content["request"])})
    # abs: a page may come back to a replica whose clock is a little behind.
    late = abs(server.now() - passage.began_at) > _SECONDS
    if late or passage.browser != browser.cookie(request, server.settings, "browser"):
        raise start_again()
    if passage.session is not None and passage.session != browser.cookie(request, server.settings, "session"):
        raise start_again()
    return passage
