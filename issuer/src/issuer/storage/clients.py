"""Clients at rest: what SQL asks for in columns, the rest as one JSON document."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass

from issuer.model import Client, Secret
from issuer.storage.connection import Connection, Row

_COLUMNS = "id, origin, created_at, registration, document"


@functools.lru_cache(maxsize=1024)
def _read(row: Row) -> Client:
    """The client of a row. The same row is the same client, which nobody changes: it is read once."""
    id, origin, created_at, registration, document = row
    d = json.loads(document)
    return Client(
        id=id,
        origin=origin,
        created_at=created_at,
        redirect_uris=tuple(d["redirect_uris"]),
        grant_types=tuple(d["grant_types"]),
        response_types=tuple(d["response_types"]),
        auth_method=d["auth_method"],
        name=d["name"],
        scope=tuple(d["scope"]),
        resources=tuple(d["resources"]),
        secrets=tuple(Secret(*secret) for secret in d["secrets"]),
        registration=registration,
        introspects=tuple(d["introspects"]),
        metadata=d["metadata"],
    )


def _document(client: Client) -> str:
    return json.dumps(
        {
            "redirect_uris": client.redirect_uris,
            "grant_types": client.grant_types,
            "response_types": client.response_types,
            "auth_method": client.auth_method,
            "name": client.name,
            "scope": client.scope,
            "resources": client.resources,
            "secrets": [(secret.digest, secret.expires_at) for secret in client.secrets],
            "introspects": client.introspects,
            "metadata": dict(client.metadata),
        },
        separators=(",", ":"),
    )


@dataclass(frozen=True, slots=True)
class Clients:
    db: Connection

    def add(self, client: Client) -> bool:
        added = self.db.run(
            "INSERT INTO clients (id, origin, created_at, registration, document)"
            " VALUES (:id, :origin, :created_at, :registration, :document) ON CONFLICT (id) DO NOTHING",
            id=client.id,
            origin=client.origin,
            created_at=client.created_at,
            registration=client.registration,
            document=_document(client),
        )
        return added == 1

    def get(self, id: str) -> Client | None:
        row = self.db.one(f"SELECT {_COLUMNS} FROM clients WHERE id = :id", id=id)
        return _read(row) if row else None

    def put(self, client: Client) -> bool:
        # Never an insert: it would bring back a client that was removed since it was read.
        changed = self.db.run(
            "UPDATE clients SET origin = :origin, registration = :registration, document = :document WHERE id = :id",
            id=client.id,
            origin=client.origin,
            registration=client.registration,
            document=_document(client),
        )
        return changed == 1

    def remove(self, id: str) -> None:
        self.db.run("DELETE FROM codes WHERE client_id = :id", id=id)
        self.db.run("DELETE FROM families WHERE client_id = :id", id=id)
        self.db.run("DELETE FROM consents WHERE client_id = :id", id=id)
        self.db.run("DELETE FROM clients WHERE id = :id", id=id)

    def all(self) -> list[Client]:
        return [_read(row) for row in self.db.all(f"SELECT {_COLUMNS} FROM clients ORDER BY created_at, id")]

    def registered_by(self, digest: str) -> Client | None:
        row = self.db.one(f"SELECT {_COLUMNS} FROM clients WHERE registration = :digest", digest=digest)
        return _read(row) if row else None

    def crowded(self, most: int) -> bool:
        # An offset reads so many index entries and no more, where a count would read them all.
        sql = "SELECT 1 FROM clients WHERE origin = 'dynamic' LIMIT 1 OFFSET :skipped"
        return self.db.one(sql, skipped=max(0, most - 1)) is not None

    def used(self, id: str, now: int) -> None:
        # Once an hour is enough for sweeping: all requests of a client would wait for each other at its row.
        self.db.run(
            "UPDATE clients SET last_used_at = :now WHERE id = :id"
            " AND (last_used_at IS NULL OR last_used_at < :now - 3600)",
            id=id,
            now=now,
        )
