"""What goes wrong: one class for each registered OAuth error code (RFC 6749 §4.1.2.1, §5.2 and successors).

Each error carries two texts: `description` is public (it travels to whoever asked, so it never repeats what was
sent), `detail` is private (it goes to the log alone). `remember` is what must be written although the request is
refused, for example that a family is revoked: the refusal rolls its own transaction back, so the endpoint runs it in
a second one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

# The characters that RFC 6749 §5.2 allows in error_description: no quote, no backslash, no control, ASCII only.
_ALLOWED = frozenset(chr(c) for c in range(0x20, 0x7F)) - {'"', "\\"}


class OAuthError(Exception):
    """A refusal in OAuth's words: `error`, `error_description`, and the HTTP status that goes with them."""

    code: ClassVar[str] = "server_error"
    status: ClassVar[int] = 400

    def __init__(
        self,
        description: str,
        *,
        detail: str | None = None,
        remember: Callable[[Any], None] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(description)
        self.description = "".join(c if c in _ALLOWED else "'" for c in description)
        self.detail = detail
        self.remember = remember
        self.headers = headers or {}

    def body(self) -> dict[str, str]:
        """The JSON members of RFC 6749 §5.2."""
        return {"error": self.code, "error_description": self.description}


class InvalidRequest(OAuthError):
    code = "invalid_request"


class PayloadTooLarge(InvalidRequest):
    status = 413


class UnsupportedMediaType(InvalidRequest):
    status = 415


class InvalidClient(OAuthError):
    code = "invalid_client"
    status = 401


class InvalidGrant(OAuthError):
    code = "invalid_grant"


class UnauthorizedClient(OAuthError):
    code = "unauthorized_client"


class UnsupportedGrantType(OAuthError):
    code = "unsupported_grant_type"


class UnsupportedResponseType(OAuthError):
    code = "unsupported_response_type"


class InvalidScope(OAuthError):
    code = "invalid_scope"


class InvalidTarget(OAuthError):
    """RFC 8707 §2."""

    code = "invalid_target"


class AccessDenied(OAuthError):
    code = "access_denied"
    status = 403


class TemporarilyUnavailable(OAuthError):
    code = "temporarily_unavailable"
    status = 503


class TooManyRequests(OAuthError):
    """A limit was reached; `Retry-After` says for how long (RFC 6585 §4, code of RFC 8628 §3.5)."""

    code = "slow_down"
    status = 429


class InvalidRedirectUri(OAuthError):
    """RFC 7591 §3.2.2."""

    code = "invalid_redirect_uri"


class InvalidClientMetadata(OAuthError):
    """RFC 7591 §3.2.2."""

    code = "invalid_client_metadata"


class InvalidToken(OAuthError):
    """RFC 6750 §3.1."""

    code = "invalid_token"
    status = 401


class InsufficientScope(OAuthError):
    """RFC 6750 §3.1."""

    code = "insufficient_scope"
    status = 403


class LoginRequired(OAuthError):
    """OpenID Connect Core §3.1.2.6, as are the three below."""

    code = "login_required"


class ConsentRequired(OAuthError):
    code = "consent_required"


class RequestNotSupported(OAuthError):
    code = "request_not_supported"


class RequestUriNotSupported(OAuthError):
    code = "request_uri_not_supported"
