"""Families and their refresh tokens at rest."""

from __future__ import annotations

from dataclasses import dataclass

from issuer.model import Family, RefreshToken
from issuer.storage.connection import Connection, Row

_COLUMNS = "id, client_id, subject, scope, resources, auth_time, created_at, last_used_at, expires_at, sid, revoked_at"


def _read(row: Row) -> Family:
    id, client_id, subject, scope, resources, *rest = row
    return Family(id, client_id, subject, tuple(scope.split()), tuple(resources.split()), *rest)


@dataclass(frozen=True, slots=True)
class Families:
    db: Connection

    def add(self, family: Family) -> None:
        self.db.run(
            f"INSERT INTO families ({_COLUMNS}) VALUES (:id, :client_id, :subject, :scope, :resources, :auth_time,"
            " :created_at, :last_used_at, :expires_at, :sid, NULL)",
            id=family.id,
            client_id=family.client_id,
            subject=family.subject,
            scope=" ".join(family.scope),
            resources=" ".join(family.resources),
            auth_time=family.auth_time,
            created_at=family.created_at,
            last_used_at=family.last_used_at,
            expires_at=family.expires_at,
            sid=family.sid,
        )

    def get(self, id: str) -> Family | None:
        row = self.db.one(f"SELECT {_COLUMNS} FROM families WHERE id = :id", id=id)
        return _read(row) if row else None

    def of(self, subject: str) -> list[Family]:
        rows = self.db.all(
            f"SELECT {_COLUMNS} FROM families WHERE subject = :subject AND revoked_at IS NULL"
            " ORDER BY created_at DESC, id",
            subject=subject,
        )
        return [_read(row) for row in rows]

    def used(self, id: str, now: int) -> None:
        self.db.run("UPDATE families SET last_used_at = :now WHERE id = :id", id=id, now=now)

    def revoke(self, id: str, now: int) -> None:
        self.db.run("UPDATE families SET revoked_at = :now WHERE id = :id AND revoked_at IS NULL", id=id, now=now)

    def revoke_of(self, subject: str, now: int) -> None:
        self.db.run("DELETE FROM codes WHERE subject = :subject", subject=subject)
        self.db.run(
            "UPDATE families SET revoked_at = :now WHERE subject = :subject AND revoked_at IS NULL",
            subject=subject,
            now=now,
        )


@dataclass(frozen=True, slots=True)
class RefreshTokens:
    db: Connection

    def add(self, token: RefreshToken) -> None:
        self.db.run(
            "INSERT INTO refresh_tokens (digest, family, expires_at, parent)"
            " VALUES (:digest, :family, :expires_at, :parent)",
            digest=token.digest,
            family=token.family,
            expires_at=token.expires_at,
            parent=token.parent,
        )

    def get(self, digest: str) -> RefreshToken | None:
        row = self.db.one(
            "SELECT digest, family, expires_at, parent, spent_at, salt FROM refresh_tokens WHERE digest = :digest",
            digest=digest,
        )
        return RefreshToken(*row) if row else None

    def spend(self, digest: str, salt: bytes, now: int) -> bool:
        return (
            self.db.run(
                "UPDATE refresh_tokens SET spent_at = :now, salt = :salt WHERE digest = :digest AND spent_at IS NULL",
                digest=digest,
                salt=salt,
                now=now,
            )
            == 1
        )

    def forget_salt(self, digest: str) -> None:
        self.db.run("UPDATE refresh_tokens SET salt = NULL WHERE digest = :digest", digest=digest)
