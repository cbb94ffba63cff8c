"""Sign-ins: rows behind an opaque cookie, new at each login, ended by idleness, by age, or by the person."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import Response

from issuer.model import Session, User
from issuer.protocol import secret
from issuer.settings import Settings
from issuer.store import Transaction
from issuer.web import browser

_SEEN_EVERY = 60


@dataclass(frozen=True, slots=True)
class SignedIn:
    user: User
    session: Session


def current(digest: str | None, tx: Transaction, settings: Settings, now: int) -> SignedIn | None:
    """Who is signed in by the cookie of this digest, if the sign-in still counts."""
    session = tx.sessions.get(digest) if digest else None
    if session is None or now >= min(session.expires_at, session.last_seen_at + settings.ISSUER_SESSION_IDLE_SECONDS):
        return None
    user = tx.users.get(session.subject)
    return SignedIn(user, session) if user is not None and not user.disabled else None


def worth_noting(signed_in: SignedIn, now: int) -> bool:
    """Whether this use of a sign-in is worth a write: now and then is enough to know that it is not idle."""
    return now - signed_in.session.last_seen_at >= _SEEN_EVERY


def make(user: User, settings: Settings, now: int) -> tuple[str, Session]:
    """A new sign-in; the cookie's value is returned and kept nowhere."""
    value = secret.invent(secret.SESSION)
    return value, Session(
        digest=secret.digest(value),
        sid=secret.invent_id(""),
        subject=user.subject,
        auth_time=now,
        last_seen_at=now,
        expires_at=now + settings.ISSUER_SESSION_TOTAL_SECONDS,
    )


def set_cookie(response: Response, settings: Settings, value: str) -> None:
    browser.set_cookie(response, settings, "session", value, settings.ISSUER_SESSION_TOTAL_SECONDS)


def clear_cookie(response: Response, settings: Settings) -> None:
    browser.set_cookie(response, settings, "session", "", 0)
