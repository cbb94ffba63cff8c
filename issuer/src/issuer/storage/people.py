"""People at rest: users, their sessions, what they consented to."""

from __future__ import annotations

from dataclasses import dataclass

from issuer.model import Scope, Session, User
from issuer.storage.connection import Connection, Row

_USER = "subject, username, created_at, password_hash, name, email, disabled"
_SESSION = "digest, sid, subject, auth_time, last_seen_at, expires_at"


def _user(row: Row) -> User:
    subject, username, created_at, password_hash, name, email, disabled = row
    return User(subject, username, created_at, password_hash, name, email, bool(disabled))


def hold(subject: str, db: Connection) -> None:
    """Whoever changes or removes this person meanwhile comes before or after what is being added for them."""
    db.hold("UPDATE users SET disabled = disabled WHERE subject = :subject", subject=subject)


@dataclass(frozen=True, slots=True)
class Users:
    db: Connection

    def add(self, user: User) -> bool:
        return (
            self.db.run(
                f"INSERT INTO users ({_USER}) VALUES (:subject, :username, :created_at, :password_hash, :name,"
                " :email, :disabled) ON CONFLICT DO NOTHING",
                subject=user.subject,
                username=user.username,
                created_at=user.created_at,
                password_hash=user.password_hash,
                name=user.name,
                email=user.email,
                disabled=int(user.disabled),
            )
            == 1
        )

    def get(self, subject: str) -> User | None:
        row = self.db.one(f"SELECT {_USER} FROM users WHERE subject = :subject", subject=subject)
        return _user(row) if row else None

    def named(self, username: str) -> User | None:
        row = self.db.one(f"SELECT {_USER} FROM users WHERE username = :username", username=username)
        return _user(row) if row else None

    def all(self) -> list[User]:
        return [_user(row) for row in self.db.all(f"SELECT {_USER} FROM users ORDER BY username")]

    def put(self, user: User) -> None:
        self.db.run(
            "UPDATE users SET username = :username, password_hash = :password_hash, name = :name, email = :email,"
            " disabled = :disabled WHERE subject = :subject",
            subject=user.subject,
            username=user.username,
            password_hash=user.password_hash,
            name=user.name,
            email=user.email,
            disabled=int(user.disabled),
        )

    def remove(self, subject: str) -> None:
        for table in ("sessions", "consents", "codes", "families"):
            self.db.run(f"DELETE FROM {table} WHERE subject = :subject", subject=subject)
        self.db.run("DELETE FROM users WHERE subject = :subject", subject=subject)


@dataclass(frozen=True, slots=True)
class Sessions:
    db: Connection

    def add(self, session: Session) -> None:
        self.db.run(
            f"INSERT INTO sessions ({_SESSION})"
            " VALUES (:digest, :sid, :subject, :auth_time, :last_seen_at, :expires_at)",
            digest=session.digest,
            sid=session.sid,
            subject=session.subject,
            auth_time=session.auth_time,
            last_seen_at=session.last_seen_at,
            expires_at=session.expires_at,
        )
        hold(session.subject, self.db)

    def get(self, digest: str) -> Session | None:
        row = self.db.one(f"SELECT {_SESSION} FROM sessions WHERE digest = :digest", digest=digest)
        return Session(*row) if row else None

    def seen(self, digest: str, now: int) -> None:
        self.db.run("UPDATE sessions SET last_seen_at = :now WHERE digest = :digest", digest=digest, now=now)

    def remove(self, digest: str) -> None:
        self.db.run("DELETE FROM sessions WHERE digest = :digest", digest=digest)

    def remove_of(self, subject: str) -> None:
        self.db.run("DELETE FROM sessions WHERE subject = :subject", subject=subject)


@dataclass(frozen=True, slots=True)
class Consents:
    db: Connection

    def covers(self, subject: str, client: str, redirect_uri: str, resource: str, scope: Scope) -> bool:
        row = self.db.one(
            "SELECT scope FROM consents WHERE subject = :subject AND client_id = :client"
            " AND redirect_uri = :redirect_uri AND resource = :resource",
            subject=subject,
            client=client,
            redirect_uri=redirect_uri,
            resource=resource,
        )
        return row is not None and set(scope) <= set(row[0].split())

    def add(self, subject: str, client: str, redirect_uri: str, resource: str, scope: Scope, now: int) -> None:
        self.db.run(
            "INSERT INTO consents (subject, client_id, redirect_uri, resource, scope, created_at)"
            " VALUES (:subject, :client, :redirect_uri, :resource, :scope, :now)"
            " ON CONFLICT (subject, client_id, redirect_uri, resource)"
            " DO UPDATE SET scope = excluded.scope, created_at = excluded.created_at",
            subject=subject,
            client=client,
            redirect_uri=redirect_uri,
            resource=resource,
            scope=" ".join(scope),
            now=now,
        )

    def remove(self, subject: str, client: str) -> None:
        self.db.run(
            "DELETE FROM consents WHERE subject = :subject AND client_id = :client",
            subject=subject,
            client=client,
        )

    def forget(self, client: str) -> None:
        self.db.run("DELETE FROM consents WHERE client_id = :client", client=client)
