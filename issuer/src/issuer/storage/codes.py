"""Authorization codes at rest."""

from __future__ import annotations

from dataclasses import dataclass

from issuer.model import Code
from issuer.storage.connection import Connection
from issuer.storage.people import hold

_COLUMNS = (
    "digest, client_id, redirect_uri, code_challenge, subject, scope, resources, auth_time, expires_at,"
    " nonce, sid, family, failures"
)


@dataclass(frozen=True, slots=True)
class Codes:
    db: Connection

    def add(self, code: Code) -> None:
        self.db.run(
            f"INSERT INTO codes ({_COLUMNS}) VALUES (:digest, :client_id, :redirect_uri, :code_challenge, :subject,"
            " :scope, :resources, :auth_time, :expires_at, :nonce, :sid, NULL, 0)",
            digest=code.digest,
            client_id=code.client_id,
            redirect_uri=code.redirect_uri,
            code_challenge=code.code_challenge,
            subject=code.subject,
            scope=" ".join(code.scope),
            resources=" ".join(code.resources),
            auth_time=code.auth_time,
            expires_at=code.expires_at,
            nonce=code.nonce,
            sid=code.sid,
        )
        hold(code.subject, self.db)

    def get(self, digest: str) -> Code | None:
        row = self.db.one(f"SELECT {_COLUMNS} FROM codes WHERE digest = :digest", digest=digest)
        if row is None:
            return None
        digest, client_id, redirect_uri, challenge, subject, scope, resources, *rest = row
        granted = (tuple(scope.split()), tuple(resources.split()))
        return Code(digest, client_id, redirect_uri, challenge, subject, *granted, *rest)

    def spend(self, digest: str, family: str) -> bool:
        return (
            self.db.run(
                "UPDATE codes SET family = :family WHERE digest = :digest AND family IS NULL",
                digest=digest,
                family=family,
            )
            == 1
        )

    def failed(self, digest: str, most: int) -> None:
        self.db.run(
            "UPDATE codes SET failures = failures + 1 WHERE digest = :digest AND family IS NULL",
            digest=digest,
        )
        self.db.run(
            "DELETE FROM codes WHERE digest = :digest AND family IS NULL AND failures >= :most",
            digest=digest,
            most=most,
        )
