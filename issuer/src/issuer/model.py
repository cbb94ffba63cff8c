"""The nouns: what an authorization server knows and passes on. Times are seconds since 1970, whole and UTC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

Scope = tuple[str, ...]
Resources = tuple[str, ...]
AuthMethod = Literal["none", "client_secret_basic", "client_secret_post", "private_key_jwt"]
AUTH_METHODS: tuple[AuthMethod, ...] = get_args(AuthMethod)
SECRET_METHODS: tuple[AuthMethod, ...] = ("client_secret_basic", "client_secret_post")
Origin = Literal["operator", "dynamic", "document"]


@dataclass(frozen=True, slots=True)
class Secret:
    """One client secret at rest: its SHA-256 and, while it is being replaced, the moment it ends."""

    digest: str
    expires_at: int | None = None


@dataclass(frozen=True, slots=True)
class Client:
    """A client as registered (RFC 7591 §2). `origin` says who let it in, which decides how far it is trusted."""

    id: str
    origin: Origin
    created_at: int
    redirect_uris: tuple[str, ...] = ()
    grant_types: tuple[str, ...] = ("authorization_code",)
    response_types: tuple[str, ...] = ("code",)
    auth_method: AuthMethod = "none"
    name: str | None = None
    scope: Scope = ()
    resources: Resources = ()
    secrets: tuple[Secret, ...] = ()
    registration: str | None = None
    """The digest of the registration access token (RFC 7592 §3) that may change this client."""
    introspects: Resources = ()
    """The resources whose tokens this client may ask about (RFC 7662 §2.1): it is their resource server."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """The remaining members as registered: `client_uri`, `jwks`, `jwks_uri`, `application_type` ..."""

    @property
    def confidential(self) -> bool:
        return self.auth_method != "none"

    @property
    def trusted(self) -> bool:
        """Consent may be remembered: the operator registered it, and it is not an unprovable loopback program."""
        return self.origin == "operator" and (
            self.confidential or all(uri.startswith("https://") for uri in self.redirect_uris)
        )


@dataclass(frozen=True, slots=True)
class Document:
    """When the metadata document of a client was fetched, and until when it holds unasked."""

    fetched_at: int
    fresh_until: int


SUBJECT_MARK = "usr_"
"""What the subject of a person begins with, and no client's id."""


@dataclass(frozen=True, slots=True)
class User:
    """A person. `subject` is what tokens carry and never changes; `username` is what is typed."""

    subject: str
    username: str
    created_at: int
    password_hash: str | None = None
    name: str | None = None
    email: str | None = None
    disabled: bool = False


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in browser. `sid` is the public name of it in ID tokens; the cookie's value is nowhere at rest."""

    digest: str
    sid: str
    subject: str
    auth_time: int
    last_seen_at: int
    expires_at: int


@dataclass(frozen=True, slots=True)
class Code:
    """An authorization code at rest (RFC 6749 §4.1.2), with all that it was granted for."""

    digest: str
    client_id: str
    redirect_uri: str
    code_challenge: str
    subject: str
    scope: Scope
    resources: Resources
    auth_time: int
    expires_at: int
    nonce: str | None = None
    sid: str | None = None
    family: str | None = None
    """Set once the code is spent: the family that came of it."""
    failures: int = 0


@dataclass(frozen=True, slots=True)
class Family:
    """What a person granted to a client once, and all tokens that descend from it (OAuth 2.1 §4.3.1)."""

    id: str
    client_id: str
    subject: str
    scope: Scope
    resources: Resources
    auth_time: int
    created_at: int
    last_used_at: int
    expires_at: int
    sid: str | None = None
    revoked_at: int | None = None


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """A refresh token at rest. `salt` lives from its use until its successor's use, 60 s at most."""

    digest: str
    family: str
    expires_at: int
    parent: str | None = None
    spent_at: int | None = None
    salt: bytes | None = None


@dataclass(frozen=True, slots=True)
class Authorization:
    """What a grant decided, and all the mint needs to know: every road to a token ends in one of these."""

    subject: str
    client_id: str
    scope: Scope
    audience: tuple[str, ...]
    family: str
    """Before the dot of each `jti`: what revocation and introspection ask about."""
    refresh_token: str | None = None
    auth_time: int | None = None
    nonce: str | None = None
    sid: str | None = None
    lifetime: int | None = None
    """Seconds; the mint's own when None."""
    claims: Mapping[str, Any] = field(default_factory=dict)
