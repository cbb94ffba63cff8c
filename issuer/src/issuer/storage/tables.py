"""The schema as SQLAlchemy has it: the source of migrations, not imported while serving (it costs half a second).

Times are whole seconds, digests hexadecimal SHA-256, lists text parted by blanks, the rest of a client JSON text.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, MetaData, Table, Text, text

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
    }
)


_SALTED = text("salt IS NOT NULL")


def _table(name: str, *columns: Column[object] | Index) -> Table:
    # Keys are random text: a table clustered by them saves SQLite the second B-tree.
    return Table(name, metadata, *columns, sqlite_with_rowid=False)


def _text(name: str, **options: object) -> Column[object]:
    return Column(name, Text, nullable=False, **options)  # type: ignore[arg-type]


def _time(name: str, *, optional: bool = False) -> Column[object]:
    return Column(name, BigInteger, nullable=optional)


clients = _table(
    "clients",
    _text("id", primary_key=True),
    _text("origin"),
    _time("created_at"),
    _time("last_used_at", optional=True),
    Column("registration", Text, unique=True),
    _text("document"),
    Index("ix_clients_unused", "origin", "last_used_at", "created_at"),
)
documents = _table(
    "documents",
    Column("url", Text, ForeignKey("clients.id", ondelete="CASCADE"), primary_key=True, nullable=False),
    Column("fetched_at", BigInteger, nullable=False, index=True),
    _time("fresh_until"),
)
users = _table(
    "users",
    _text("subject", primary_key=True),
    _text("username", unique=True),
    _time("created_at"),
    Column("password_hash", Text),
    Column("name", Text),
    Column("email", Text),
    Column("disabled", Integer, nullable=False),
)
sessions = _table(
    "sessions",
    _text("digest", primary_key=True),
    _text("sid"),
    _text("subject", index=True),
    _time("auth_time"),
    _time("last_seen_at"),
    Column("expires_at", BigInteger, nullable=False, index=True),
)
families = _table(
    "families",
    _text("id", primary_key=True),
    _text("client_id", index=True),
    _text("subject", index=True),
    _text("scope"),
    _text("resources"),
    _time("auth_time"),
    _time("created_at"),
    _time("last_used_at"),
    Column("expires_at", BigInteger, nullable=False, index=True),
    Column("sid", Text),
    _time("revoked_at", optional=True),
)
codes = _table(
    "codes",
    _text("digest", primary_key=True),
    _text("client_id", index=True),
    _text("redirect_uri"),
    _text("code_challenge"),
    _text("subject", index=True),
    _text("scope"),
    _text("resources"),
    _time("auth_time"),
    Column("expires_at", BigInteger, nullable=False, index=True),
    Column("nonce", Text),
    Column("sid", Text),
    Column("family", Text),
    Column("failures", Integer, nullable=False),
)
refresh_tokens = _table(
    "refresh_tokens",
    _text("digest", primary_key=True),
    Column("family", Text, ForeignKey("families.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("expires_at", BigInteger, nullable=False, index=True),
    Column("parent", Text),
    _time("spent_at", optional=True),
    Column("salt", LargeBinary),
    Index("ix_refresh_tokens_salted", "spent_at", sqlite_where=_SALTED, postgresql_where=_SALTED),
)
consents = _table(
    "consents",
    _text("subject", primary_key=True),
    _text("client_id", primary_key=True),
    _text("redirect_uri", primary_key=True),
    _text("resource", primary_key=True),
    _text("scope"),
    _time("created_at"),
)
once = _table("once", _text("key", primary_key=True), Column("expires_at", BigInteger, nullable=False, index=True))
limits = _table(
    "limits",
    _text("key", primary_key=True),
    Column("hits", Integer, nullable=False),
    Column("ends_at", BigInteger, nullable=False, index=True),
)
denied = _table("denied", _text("jti", primary_key=True), Column("expires_at", BigInteger, nullable=False, index=True))
shared_secrets = _table("shared_secrets", _text("name", primary_key=True), Column("value", LargeBinary, nullable=False))
