"""The metadata documents of clients, kept in the store for as long as they hold (draft-ietf-oauth-client-id-metadata-
document §5).

A transaction cannot wait for the network, so whoever needs a client calls `resolve` before it: then the store has the
client as its document says now, a client like any other.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from issuer.errors import OAuthError
from issuer.fetch import Fetcher, FetchFailed
from issuer.model import Document
from issuer.protocol import client_document, freshness
from issuer.protocol.document_policy import Policy
from issuer.single_flight import SingleFlight
from issuer.store import Store, Transaction

SHORTEST, USUAL, LONGEST = 60, 3600, 86400
"""Seconds that a document holds: at least, when its host does not say, and at most."""
STALE = 86400
"""For so much longer a document serves while its host is out of reach; what its host takes back ends at once."""
PAUSE = 10
"""Seconds before a failed fetch is tried again."""
MOST = 1000
"""Documents kept without a living grant, and failures remembered."""
_MOST_ASKED, _MOST_AT_ONE_HOST, _WINDOW = 30, 120, 60
"""New documents that one address may ask for, and that one host is asked for, in so many seconds."""


class DocumentFailed(Exception):
    """The document cannot be used. The text is for the log alone; `temporary` when asking again may help."""

    def __init__(self, detail: str, *, temporary: bool = False) -> None:
        super().__init__(detail)
        self.temporary = temporary


@dataclass(frozen=True, slots=True)
class _Failure:
    until: int
    detail: str
    temporary: bool


class Documents:
    def __init__(self, policy: Policy, store: Store, fetcher: Fetcher, now: Callable[[], int]) -> None:
        self._policy = policy
        self._store = store
        self._fetcher = fetcher
        self._now = now
        self._flights: SingleFlight[None] = SingleFlight()
        self._failures: OrderedDict[str, _Failure] = OrderedDict()

    async def resolve(self, client_id: str, *, asked_by: str | None = None) -> None:
        """Have the store know this client as its document says; for any other client_id nothing is done.

        asked_by: the network address for which a document that is not known yet may be fetched. Without it such a
        client stays unknown. Raises DocumentFailed.
        """
        if not client_document.is_url(client_id):
            return
        client, kept = await self._store.read(lambda tx: (tx.clients.get(client_id), tx.documents.get(client_id)))
        if (client is not None and client.origin != "document") or (client is None and asked_by is None):
            return
        try:
            host = self._policy.check(client_id).host
        except ValueError as error:
            raise DocumentFailed(f"this client_id may not be used: {error}") from None
        now = self._now()
        if client is not None and kept is not None and kept.fetched_at <= now < kept.fresh_until:
            return
        try:
            self._check_pause(client_id)
            if client is None and not self._flights.under_way(client_id):
                # Not part of the flight: who asks too often must not fail others who want the same.
                await self._store.write(lambda tx: self._count(asked_by or "", host, tx))
            await self._flights.do(client_id, lambda: self._renew(client_id))
        except DocumentFailed as error:
            if client is None or kept is None or not error.temporary or now >= kept.fresh_until + STALE:
                raise

    def _check_pause(self, client_id: str) -> None:
        failure = self._failures.get(client_id)
        # Both ways, so that a clock that was set back does not keep a failure for long.
        if failure is not None and failure.until - PAUSE <= self._now() < failure.until:
            raise DocumentFailed(failure.detail, temporary=failure.temporary)

    async def _renew(self, client_id: str) -> None:
        try:
            await self._fetch(client_id)
        except DocumentFailed as error:
            self._failures[client_id] = _Failure(self._now() + PAUSE, str(error), error.temporary)
            self._failures.move_to_end(client_id)
            while len(self._failures) > MOST:
                self._failures.popitem(last=False)
            raise

    async def _fetch(self, client_id: str) -> None:
        try:
            fetched = await self._fetcher.json(client_id, client_document.LONGEST)
            client = client_document.read(fetched.document, client_id, self._now())
            if "jwks_uri" in client.metadata:
                self._fetcher.target(client.metadata["jwks_uri"])
        except FetchFailed as error:
            raise DocumentFailed(str(error), temporary=not error.answered) from None
        except OAuthError as error:
            raise DocumentFailed(f"the document is not valid: {error.description}") from None
        except ValueError as error:
            raise DocumentFailed(f"the jwks_uri of the document cannot be fetched: {error}") from None
        life = freshness.within(fetched.fresh_seconds, shortest=SHORTEST, usual=USUAL, longest=LONGEST)
        kept = Document(self._now(), self._now() + life)

        def keep(tx: Transaction) -> None:
            current = tx.clients.get(client_id)
            # An operator may have registered this very client_id in the meantime.
            if current is None or current.origin == "document":
                tx.documents.keep(client, kept, MOST)

        await self._store.write(keep)

    def _count(self, asked_by: str, host: str, tx: Transaction) -> None:
        if tx.limits.hit(f"document:{asked_by}", _WINDOW, self._now()) > _MOST_ASKED:
            raise DocumentFailed("this address asked for too many new documents", temporary=True)
        if tx.limits.hit(f"document-host:{host}", _WINDOW, self._now()) > _MOST_AT_ONE_HOST:
            raise DocumentFailed("this host was asked for too many new documents", temporary=True)
