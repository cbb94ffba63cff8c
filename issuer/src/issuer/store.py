"""The storage contract, in the protocol's verbs. One suite judges every backend (tests/issuer/storage).

All of it runs inside a transaction that `Store.write` or `Store.read` opens: it is whole or not at all, sees one state
of the database, and when another one writes a row that it writes too, one of them is run again after the other.
`work` may so be run more than once: it changes nothing but by these verbs, and notes in the log what it may note twice.
Text may hold any character but NUL, a
number 64 bits: everything else is refused with InvalidRequest.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from issuer.model import Client, Code, Document, Family, RefreshToken, Scope, Session, User

T = TypeVar("T")


class StoreUnavailable(Exception):
    """The database cannot answer now. Ask again after `retry_after` seconds.

    Nothing was written; only a connection that was lost in the midst of a commit may have written everything.
    """

    def __init__(self, detail: str, retry_after: int = 1) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class Clients(Protocol):
    def add(self, client: Client) -> bool:
        """False when the id is taken."""

    def get(self, id: str) -> Client | None: ...
    def put(self, client: Client) -> bool:
        """Replace a client whole, by id; False when there is none, and then none is made."""

    def remove(self, id: str) -> None:
        """Remove a client with all that was granted to it."""

    def all(self) -> list[Client]: ...
    def registered_by(self, digest: str) -> Client | None:
        """The client that the registration access token of this digest belongs to."""

    def crowded(self, most: int) -> bool:
        """Whether there are `most` or more clients that registered themselves."""

    def used(self, id: str, now: int) -> None:
        """Note that the client completed an authorization: it will not be swept as unused."""


class Documents(Protocol):
    def get(self, url: str) -> Document | None:
        """When the client of this id was fetched as a metadata document; None for every other client."""

    def keep(self, client: Client, document: Document, most: int) -> None:
        """Store what a client's document says now. Beyond `most` clients of this kind those go that were fetched
        longest ago and have no living family.
        """


class Codes(Protocol):
    def add(self, code: Code) -> None:
        """Whoever signs the person out, disables or removes them comes before, and is seen, or ends the code too."""

    def get(self, digest: str) -> Code | None: ...
    def spend(self, digest: str, family: str) -> bool:
        """Tie the code to the family it became. True for exactly one caller, ever."""

    def failed(self, digest: str, most: int) -> None:
        """Count a refused redemption of a live code; at `most` the code is gone."""


class Families(Protocol):
    def add(self, family: Family) -> None: ...
    def get(self, id: str) -> Family | None: ...
    def of(self, subject: str) -> list[Family]:
        """The living families of a person, the latest first."""

    def used(self, id: str, now: int) -> None: ...
    def revoke(self, id: str, now: int) -> None:
        """End a family and every refresh token of it, for good; one that had ended before keeps its moment."""

    def revoke_of(self, subject: str, now: int) -> None:
        """End all families of a person, and the codes that would become some. To end also those that are being
        made, write the person too.
        """


class RefreshTokens(Protocol):
    def add(self, token: RefreshToken) -> None: ...
    def get(self, digest: str) -> RefreshToken | None: ...
    def spend(self, digest: str, salt: bytes, now: int) -> bool:
        """Mark the token used and keep the salt of its successor. True for exactly one caller, ever."""

    def forget_salt(self, digest: str) -> None:
        """The successor was used: the spent token can no longer be retried."""


class Sessions(Protocol):
    def add(self, session: Session) -> None:
        """As with a code: ordered with whatever changes or removes the person."""

    def get(self, digest: str) -> Session | None: ...
    def seen(self, digest: str, now: int) -> None: ...
    def remove(self, digest: str) -> None: ...
    def remove_of(self, subject: str) -> None: ...


class Users(Protocol):
    def add(self, user: User) -> bool:
        """False when the username is taken."""

    def get(self, subject: str) -> User | None: ...
    def named(self, username: str) -> User | None: ...
    def all(self) -> list[User]: ...
    def put(self, user: User) -> None:
        """Replace a user whole, by subject."""

    def remove(self, subject: str) -> None:
        """Remove a person with sessions, consents and families."""


class Consents(Protocol):
    def covers(self, subject: str, client: str, redirect_uri: str, resource: str, scope: Scope) -> bool:
        """Whether the person already agreed to all of `scope` for exactly this client, redirect and resource."""

    def add(self, subject: str, client: str, redirect_uri: str, resource: str, scope: Scope, now: int) -> None: ...
    def remove(self, subject: str, client: str) -> None: ...
    def forget(self, client: str) -> None:
        """Nobody's consent to this client counts any more."""


class Once(Protocol):
    """What may happen once: transaction ids, `jti`s of assertions."""

    def spend(self, key: str, expires_at: int) -> bool:
        """True for exactly one caller until `expires_at`."""


class Limits(Protocol):
    """Fixed windows, shared by every replica."""

    def count(self, key: str, now: int) -> tuple[int, int]:
        """How many hits the running window has, and when it ends (0, 0 when none runs)."""

    def hit(self, key: str, window: int, now: int) -> int:
        """Add one hit; the count of the window with it."""

    def clear(self, key: str) -> None: ...


class Denied(Protocol):
    """Access tokens that were revoked one by one, until they would have expired."""

    def add(self, jti: str, expires_at: int) -> None: ...
    def has(self, jti: str) -> bool: ...


class Transaction(Protocol):
    @property
    def clients(self) -> Clients: ...
    @property
    def documents(self) -> Documents: ...
    @property
    def codes(self) -> Codes: ...
    @property
    def families(self) -> Families: ...
    @property
    def refresh_tokens(self) -> RefreshTokens: ...
    @property
    def sessions(self) -> Sessions: ...
    @property
    def users(self) -> Users: ...
    @property
    def consents(self) -> Consents: ...
    @property
    def once(self) -> Once: ...
    @property
    def limits(self) -> Limits: ...
    @property
    def denied(self) -> Denied: ...
    def shared_secret(self, name: str, fresh: bytes) -> bytes:
        """The secret of this name that all replicas share: `fresh` when there was none."""

    def sweep(self, now: int, most: int) -> int:
        """Delete up to `most` rows that no longer matter; how many were deleted."""


class Store(Protocol):
    async def write(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` in one transaction and commit it durably. What `work` raises rolls back."""

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` in one transaction that writes nothing."""

    async def sweep(self, now: int, most: int) -> int:
        """`Transaction.sweep` in a transaction that keeps no request waiting."""

    async def open(self) -> None: ...
    async def close(self) -> None: ...
    async def check(self) -> None:
        """Raise StoreUnavailable unless the database answers."""
