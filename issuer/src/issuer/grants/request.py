"""A token request, after the endpoint has made sure of the client: a grant cannot forget to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from issuer.errors import InvalidGrant
from issuer.model import Client
from issuer.store import Transaction


class Parameters(Protocol):
    def get(self, name: str) -> str | None: ...
    def require(self, name: str) -> str: ...
    def all(self, name: str) -> tuple[str, ...]: ...


@dataclass(frozen=True, slots=True)
class Lives:
    """How long things live, in seconds."""

    refresh_idle: int
    refresh_total: int


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """`client` is authenticated and registered for the grant; `resources` are all there are, with their audience."""

    client: Client
    parameters: Parameters
    resources: Mapping[str, str]
    lives: Lives
    now: int


def check_person(subject: str, tx: Transaction) -> None:
    """Refuse a grant whose person is gone or disabled since."""
    user = tx.users.get(subject)
    if user is None or user.disabled:
        raise InvalidGrant("the person who granted this is no longer here")
