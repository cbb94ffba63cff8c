"""The database under a fault, either kind, and what can be done to it behind the issuer's back."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from tests.support import postgres


@dataclass(frozen=True)
class Database:
    """`cluster` runs it, if it is a PostgreSQL's; this server is the faults' own and may be stopped."""

    url: str
    cluster: postgres.Cluster | None = None

    def all(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of one statement, which is committed."""
        if self.cluster:
            return self.cluster.run(sql, self.url.rpartition("/")[2])
        with closing(sqlite3.connect(self.url, isolation_level=None, timeout=30)) as raw:
            return raw.execute(sql).fetchall()

    @contextmanager
    def locked(self, table: str) -> Iterator[None]:
        """Another process has the lock that whoever writes this table needs."""
        if self.cluster:
            with psycopg.connect(self.url) as other:
                other.execute(f"LOCK TABLE {table} IN EXCLUSIVE MODE".encode())
                yield
                other.rollback()
        else:
            with closing(sqlite3.connect(self.url, isolation_level=None, timeout=30)) as raw:
                raw.execute("BEGIN EXCLUSIVE")
                yield
                raw.execute("ROLLBACK")

    def unsound(self) -> dict[str, int]:
        """How many rows are there that can only be there when half a transaction was written."""
        half = {
            "families with two living leaves": "SELECT count(*) FROM (SELECT family FROM refresh_tokens"
            " WHERE spent_at IS NULL GROUP BY family HAVING count(*) > 1) AS forked",
            "codes spent for nothing": "SELECT count(*) FROM codes WHERE family IS NOT NULL"
            " AND NOT EXISTS (SELECT 1 FROM families WHERE families.id = codes.family)",
            "families without a token": "SELECT count(*) FROM families"
            " WHERE NOT EXISTS (SELECT 1 FROM refresh_tokens WHERE refresh_tokens.family = families.id)",
        }
        return {what: count for what, sql in half.items() if (count := self.all(sql)[0][0])}
