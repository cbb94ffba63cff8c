"""When the metadata documents of clients were fetched; what they say stands with the other clients."""

from __future__ import annotations

from dataclasses import dataclass

from issuer.model import Client, Document
from issuer.storage.clients import Clients
from issuer.storage.connection import Connection

_EVERYTHING = 2**31


@dataclass(frozen=True, slots=True)
class Documents:
    db: Connection

    def get(self, url: str) -> Document | None:
        row = self.db.one("SELECT fetched_at, fresh_until FROM documents WHERE url = :url", url=url)
        return Document(*row) if row else None

    def keep(self, client: Client, document: Document, most: int) -> None:
        clients = Clients(self.db)
        if not clients.put(client):
            clients.add(client)
        self.db.run(
            "INSERT INTO documents (url, fetched_at, fresh_until) VALUES (:url, :fetched_at, :fresh_until)"
            " ON CONFLICT (url) DO UPDATE SET fetched_at = excluded.fetched_at, fresh_until = excluded.fresh_until",
            url=client.id,
            fetched_at=document.fetched_at,
            fresh_until=document.fresh_until,
        )
        # An offset reads so many index entries and no more; only beyond `most` is there anything to sort.
        if self.db.one("SELECT 1 FROM documents LIMIT 1 OFFSET :most", most=most):
            self.db.run(
                "DELETE FROM clients WHERE origin = 'document' AND id IN (SELECT url FROM documents WHERE NOT EXISTS"
                " (SELECT 1 FROM families WHERE families.client_id = documents.url AND revoked_at IS NULL)"
                " ORDER BY fetched_at DESC, url LIMIT :all OFFSET :most)",
                all=_EVERYTHING,
                most=most,
            )
