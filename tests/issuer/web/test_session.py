"""Sign-ins: what ends one, and what is kept of one."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from tests.issuer.database import Database

from issuer import settings
from issuer.model import Session, User
from issuer.protocol import secret
from issuer.web import session

NOW = 1_800_000_000
SETTINGS = settings.load({"ISSUER_SESSION_IDLE_SECONDS": "100", "ISSUER_SESSION_TOTAL_SECONDS": "1000"})
ALICE = User(subject="u1", username="alice", created_at=NOW)


@pytest.fixture
def db(tmp_path: Path) -> Database:
    database = Database(tmp_path)
    database.run(lambda tx: tx.users.add(ALICE))
    return database


def signed_in(db: Database) -> Session:
    _, made = session.make(ALICE, SETTINGS, NOW)
    db.run(lambda tx: tx.sessions.add(made))
    return made


def current(db: Database, digest: str | None, now: int) -> session.SignedIn | None:
    return db.run(lambda tx: session.current(digest, tx, SETTINGS, now))


def test_the_cookie_is_a_secret_of_which_only_the_hash_is_kept(db: Database):
    value, made = session.make(ALICE, SETTINGS, NOW)
    assert value.startswith(secret.SESSION)
    assert made == Session(
        digest=secret.digest(value),
        sid=made.sid,
        subject="u1",
        auth_time=NOW,
        last_seen_at=NOW,
        expires_at=NOW + 1000,
    )
    assert made.sid not in value
    assert session.make(ALICE, SETTINGS, NOW)[1].sid != made.sid


def test_a_sign_in_ends_by_idleness(db: Database):
    made = signed_in(db)
    assert current(db, made.digest, NOW + 99) == session.SignedIn(ALICE, made)
    assert current(db, made.digest, NOW + 100) is None
    db.run(lambda tx: tx.sessions.seen(made.digest, NOW + 99))
    assert current(db, made.digest, NOW + 198) is not None
    assert current(db, made.digest, NOW + 199) is None


def test_a_sign_in_ends_by_age_however_used(db: Database):
    made = signed_in(db)
    db.run(lambda tx: tx.sessions.seen(made.digest, NOW + 990))
    assert current(db, made.digest, NOW + 999) is not None
    assert current(db, made.digest, NOW + 1000) is None


def test_a_sign_in_ends_with_its_person(db: Database):
    made = signed_in(db)
    db.run(lambda tx: tx.users.put(dataclasses.replace(ALICE, disabled=True)))
    assert current(db, made.digest, NOW) is None
    db.run(lambda tx: tx.users.put(ALICE))
    assert current(db, made.digest, NOW) is not None
    db.run(lambda tx: tx.users.remove("u1"))
    assert current(db, made.digest, NOW) is None


@pytest.mark.parametrize("digest", [None, "", "x", secret.digest("")])
def test_nobody_is_signed_in_by_anything_else(db: Database, digest: str | None):
    signed_in(db)
    assert current(db, digest, NOW) is None


def test_its_use_is_written_down_once_a_minute(db: Database):
    made = signed_in(db)
    person = session.SignedIn(ALICE, made)
    assert [session.worth_noting(person, NOW + later) for later in (0, 59, 60, 61)] == [False, False, True, True]
