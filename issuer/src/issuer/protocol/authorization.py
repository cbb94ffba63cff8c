"""The authorization request (OAuth 2.1 §4.1.1, OpenID Connect Core §3.1.2.1): read it, and decide what comes next.

The decision is pure: from the request, the person's sign-in and their consent to one of three steps. The endpoints
do what it says; the steps never call each other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from issuer.errors import (
    ConsentRequired,
    InvalidRequest,
    LoginRequired,
    RequestNotSupported,
    RequestUriNotSupported,
    UnsupportedResponseType,
)
from issuer.model import Resources, Scope
from issuer.protocol import pkce, resource, scope

ResponseMode = Literal["query", "form_post"]
RESPONSE_MODES: tuple[ResponseMode, ...] = ("query", "form_post")
PROMPTS = ("none", "login", "consent", "select_account")
PARAMETERS = frozenset(
    (
        "client_id redirect_uri response_type response_mode scope state resource code_challenge code_challenge_method"
        " nonce prompt max_age login_hint id_token_hint"
    ).split(" ")
)
"""What a request may say; everything else is ignored (RFC 6749 §3.1)."""
_LONGEST_STATE = 2048
_LONGEST_NONCE = 512
_LONGEST_HINT = 256


class Parameters(Protocol):
    @property
    def repeated(self) -> Collection[str]: ...
    def get(self, name: str) -> str | None: ...
    def all(self, name: str) -> tuple[str, ...]: ...


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """What is asked, checked; the client and its redirect URI were verified before."""

    scope: Scope
    resources: Resources
    code_challenge: str
    nonce: str | None
    prompt: frozenset[str]
    max_age: int | None
    login_hint: str | None
    subject: str | None
    """The only person who will do, by the `id_token_hint`."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What the server knows: its scopes with the default, and its resources with their audience."""

    scopes: Collection[str]
    default_scope: Scope
    any_scope: bool
    resources: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ShowLogin:
    """Nobody is signed in, or not as the request wants it."""


@dataclass(frozen=True, slots=True)
class ShowConsent:
    """The person must say yes or no."""


@dataclass(frozen=True, slots=True)
class IssueCode:
    """The person agreed to exactly this before."""


Decision = ShowLogin | ShowConsent | IssueCode


def read(parameters: Parameters, rules: Rules, hinted: Callable[[str], str | None]) -> AuthorizationRequest:
    """The request, or the error that goes back to the client by redirect.

    hinted: the subject of an ID token that this server issued to the client, None for anything else.
    """
    if parameters.get("request") is not None:
        raise RequestNotSupported("request objects are not supported: send plain parameters")
    if parameters.get("request_uri") is not None:
        raise RequestUriNotSupported("request_uri is not supported: send plain parameters")
    if parameters.repeated:
        raise InvalidRequest("a parameter was sent more than once")
    response_type = parameters.get("response_type")
    if response_type is None:
        raise InvalidRequest("response_type is missing")
    if response_type != "code":
        raise UnsupportedResponseType("response_type must be code")
    if parameters.get("response_mode") not in (None, *RESPONSE_MODES):
        raise InvalidRequest("response_mode must be query or form_post")
    _short(parameters, "state", _LONGEST_STATE)
    return AuthorizationRequest(
        code_challenge=pkce.check_challenge(parameters.get("code_challenge"), parameters.get("code_challenge_method")),
        scope=scope.grantable(
            scope.parse(parameters.get("scope")),
            known=rules.scopes,
            default=rules.default_scope,
            any_scope=rules.any_scope,
        ),
        resources=resource.choose(parameters.all("resource"), rules.resources),
        nonce=_short(parameters, "nonce", _LONGEST_NONCE),
        prompt=_prompt(parameters.get("prompt")),
        max_age=_max_age(parameters.get("max_age")),
        login_hint=_short(parameters, "login_hint", _LONGEST_HINT),
        subject=_subject(parameters.get("id_token_hint"), hinted),
    )


def decide(
    request: AuthorizationRequest,
    *,
    subject: str | None,
    auth_time: int | None,
    signed_in_for_this: bool,
    consented: bool,
    now: int,
) -> Decision:
    """The next step (OpenID Connect Core §3.1.2.2, §3.1.2.3, §3.1.2.4).

    `subject` is who is signed in and `auth_time` since when, None when nobody is; `signed_in_for_this` that they did
    so on behalf of this very request; `consented` that they agreed before, and may be taken at their word unseen.
    """
    another = request.subject not in (None, subject)
    again = (
        another
        or request.prompt & {"login", "select_account"}
        or request.max_age == 0  # the same as prompt=login
        or (request.max_age is not None and auth_time is not None and now - auth_time > request.max_age)
    )
    if auth_time is None or (again and not signed_in_for_this):
        if "none" in request.prompt:
            raise LoginRequired("nobody is signed in as the request wants it")
        return ShowLogin()
    if another:
        raise LoginRequired("another person signed in than the one of id_token_hint")
    if not consented or "consent" in request.prompt:
        if "none" in request.prompt:
            raise ConsentRequired("the person has to be asked")
        return ShowConsent()
    return IssueCode()


def _subject(hint: str | None, hinted: Callable[[str], str | None]) -> str | None:
    if hint is None:
        return None
    subject = hinted(hint)
    if subject is None:
        raise InvalidRequest("id_token_hint is no ID token that this server gave this client and still knows: omit it")
    return subject


def _prompt(value: str | None) -> frozenset[str]:
    prompt = frozenset((value or "").split())
    if "none" in prompt and len(prompt) > 1:
        raise InvalidRequest("prompt=none cannot be combined with another")
    return prompt & set(PROMPTS)


def _max_age(value: str | None) -> int | None:
    if value is None:
        return None
    if not re.fullmatch(r"[0-9]{1,9}", value):
        raise InvalidRequest("max_age must be a whole number of seconds")
    return int(value)


def _short(parameters: Parameters, name: str, longest: int) -> str | None:
    value = parameters.get(name)
    if value is not None and len(value) > longest:
        raise InvalidRequest(f"{name} is longer than {longest} characters")
    return value
