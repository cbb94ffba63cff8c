"""All verbs on one connection, and the sweep of what no longer matters."""

from __future__ import annotations

from issuer.storage.clients import Clients
from issuer.storage.codes import Codes
from issuer.storage.connection import Connection
from issuer.storage.counters import Denied, Limits, Once
from issuer.storage.documents import Documents
from issuer.storage.families import Families, RefreshTokens
from issuer.storage.people import Consents, Sessions, Users

# Each table with the condition under which a row may go, in an order that keeps references whole. What says that
# something was used or revoked stays for a day more: a clock that was ahead and is set back must not undo it.
# A spent refresh token stays for all of its life, however many have followed it: where a thief has used it and all that
# followed, the program that was robbed comes with it one day, and only this row then says that the family must end.
_SWEEPS = (
    ("codes", "digest", "expires_at < :now - 86400"),
    ("refresh_tokens", "digest", "expires_at < :now"),
    ("families", "id", "expires_at < :now"),
    (
        "clients",
        "id",
        "origin = 'dynamic' AND ((last_used_at IS NULL AND created_at < :now - 86400) OR (last_used_at < :now - 7776000"
        " AND NOT EXISTS (SELECT 1 FROM families WHERE families.client_id = clients.id AND revoked_at IS NULL)))",
    ),
    (
        "clients",
        "id",
        "origin = 'document'"
        " AND NOT EXISTS (SELECT 1 FROM documents WHERE url = clients.id AND fetched_at >= :now - 86400)"
        " AND NOT EXISTS (SELECT 1 FROM families WHERE families.client_id = clients.id AND revoked_at IS NULL)",
    ),
    ("sessions", "digest", "expires_at < :now"),
    ("once", "key", "expires_at < :now - 86400"),
    ("limits", "key", "ends_at < :now"),
    ("denied", "jti", "expires_at < :now - 86400"),
)


class Transaction:
    """Made once for a connection and used for every transaction on it."""

    def __init__(self, db: Connection) -> None:
        self._db = db
        self.clients = Clients(db)
        self.documents = Documents(db)
        self.codes = Codes(db)
        self.families = Families(db)
        self.refresh_tokens = RefreshTokens(db)
        self.sessions = Sessions(db)
        self.users = Users(db)
        self.consents = Consents(db)
        self.once = Once(db)
        self.limits = Limits(db)
        self.denied = Denied(db)

    def shared_secret(self, name: str, fresh: bytes) -> bytes:
        self._db.run(
            "INSERT INTO shared_secrets (name, value) VALUES (:name, :fresh) ON CONFLICT (name) DO NOTHING",
            name=name,
            fresh=fresh,
        )
        row = self._db.one("SELECT value FROM shared_secrets WHERE name = :name", name=name)
        assert row is not None  # the statement before has made it
        return bytes(row[0])

    def sweep(self, now: int, most: int) -> int:
        """Delete up to `most` rows that no longer matter; how many were deleted."""
        # A retry is honest for a minute: after that nothing may compute a successor again.
        left = most - self._db.run(
            "UPDATE refresh_tokens SET salt = NULL WHERE digest IN"
            " (SELECT digest FROM refresh_tokens WHERE salt IS NOT NULL AND spent_at < :now - 60 LIMIT :most)",
            now=now,
            most=most,
        )
        for table, key, condition in _SWEEPS:
            if left > 0:
                left -= self._db.run(
                    f"DELETE FROM {table} WHERE {key} IN (SELECT {key} FROM {table} WHERE {condition} LIMIT :most)",
                    now=now,
                    most=left,
                )
        return most - left
