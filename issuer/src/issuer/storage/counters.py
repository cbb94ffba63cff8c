"""What is counted or happens once: spent ids, limits, denied tokens."""

from __future__ import annotations

from dataclasses import dataclass

from issuer.storage.connection import Connection


@dataclass(frozen=True, slots=True)
class Once:
    db: Connection

    def spend(self, key: str, expires_at: int) -> bool:
        return (
            self.db.run(
                "INSERT INTO once (key, expires_at) VALUES (:key, :expires_at) ON CONFLICT (key) DO NOTHING",
                key=key,
                expires_at=expires_at,
            )
            == 1
        )


@dataclass(frozen=True, slots=True)
class Limits:
    db: Connection

    def count(self, key: str, now: int) -> tuple[int, int]:
        row = self.db.one("SELECT hits, ends_at FROM limits WHERE key = :key AND ends_at > :now", key=key, now=now)
        return (row[0], row[1]) if row else (0, 0)

    def hit(self, key: str, window: int, now: int) -> int:
        row = self.db.one(
            "INSERT INTO limits (key, hits, ends_at) VALUES (:key, 1, :ends_at) ON CONFLICT (key) DO UPDATE SET"
            " hits = CASE WHEN limits.ends_at > :now THEN limits.hits + 1 ELSE 1 END,"
            " ends_at = CASE WHEN limits.ends_at > :now THEN limits.ends_at ELSE excluded.ends_at END RETURNING hits",
            key=key,
            now=now,
            ends_at=now + window,
        )
        return int(row[0]) if row else 0

    def clear(self, key: str) -> None:
        self.db.run("DELETE FROM limits WHERE key = :key", key=key)


@dataclass(frozen=True, slots=True)
class Denied:
    db: Connection

    def add(self, jti: str, expires_at: int) -> None:
        self.db.run(
            "INSERT INTO denied (jti, expires_at) VALUES (:jti, :expires_at) ON CONFLICT (jti) DO NOTHING",
            jti=jti,
            expires_at=expires_at,
        )

    def has(self, jti: str) -> bool:
        return self.db.one("SELECT 1 FROM denied WHERE jti = :jti", jti=jti) is not None
