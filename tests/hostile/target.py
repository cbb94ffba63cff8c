"""A service under attack, and the seven things that must hold after every input."""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import os
import re
import secrets
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from typing import Any

import httpx
import psutil
from tests.hostile import raw
from tests.support import overheard
from tests.support.servers import Pair, Service

MOST_GROWTH = 96 * 2**20  # bytes of memory over a whole run, however many inputs
NOT_STATE = {"limits", "alembic_version"}  # counters of attempts are meant to change
A_DAY = 86_400  # after which the sweep takes a client that was never used
OWN_WORDS = set(
    "refresh_token authorization_code client_credentials response_type redirect_uri private_key_jwt client_secret_post"
    " client_secret_basic token_endpoint_auth_method".split()
)
DESCRIPTION = re.compile(r"[\x20-\x21\x23-\x5b\x5d-\x7e]+")  # RFC 6749 §5.2
LEAKS = ("Traceback", 'File "', "site-packages", "sqlite3", "RuntimeError", "0x7f")
OUR_CHECK = "harness-check-"
ANSWERABLE = (501, 503)  # an unknown method (RFC 9110 §15.6.2) and a dependency that is down, where a test says so
targets: list[Target] = []  # all that run, for the evidence


class Target:
    """One service of a running pair. `tried` counts inputs by the row under test."""

    def __init__(self, pair: Pair, service: Service, works: Callable[[httpx.Client, dict[str, str]], None]) -> None:
        self.pair, self.service, self.origin = pair, service, service.origin
        self.host = service.origin.removeprefix("http://")
        hooks = {"response": [overheard.listen]}
        self.client = httpx.Client(base_url=service.origin, timeout=30, trust_env=False, event_hooks=hooks)
        self.tried: Counter[str] = Counter()
        self.rows: list[str] = []
        self.canaries: set[str] = set()
        self.database = pair.services["issuer"].folder / ".data" / "issuer.db"
        self.log = service.folder / f"{service.name}.log"
        self._works, self._number, self._read, self._searched = works, itertools.count(), 0, 0
        self._check_works()
        self._baseline = self.memory()

    # -- attacks -------------------------------------------------------------------------------------------

    def send(
        self,
        method: str,
        path: str,
        *,
        expect: int | Collection[int],
        error: str | Collection[str] = (),
        changes: bool = False,
        json_error: bool = True,
        may_echo: Collection[str] = (),
        **request: Any,
    ) -> httpx.Response:
        """One hostile request by httpx, judged. `expect`: the statuses that are right, `error`: the codes.

        changes: a right answer may store something. json_error: an error is OAuth's JSON (else a page).
        """
        expected = {expect} if isinstance(expect, int) else set(expect)
        identity = f"input-{next(self._number)}"
        headers = httpx.Headers(request.pop("headers", None))
        headers["x-request-id"] = identity
        with self.holds(changes=changes, identity=identity):
            answer = self.client.request(method, path, headers=headers, follow_redirects=False, **request)
        told = f"{method} {path[:80]} answered {answer.status_code}: {answer.text[:300]}"
        assert answer.status_code in expected, told
        assert answer.status_code < 500 or answer.status_code in ANSWERABLE, told
        self.judge(answer.status_code, dict(answer.headers), answer.content, json_error and method != "HEAD")
        if error:
            assert answer.json()["error"] in ({error} if isinstance(error, str) else error), told
        if answer.status_code >= 400:
            self._nothing_echoed(answer.text, path, request, may_echo)
        return answer

    def raw(self, sent: bytes, *, expect: Collection[int], events: int | None = 1, patience: float = 1.0) -> raw.Answer:
        """One hostile request as bytes, judged. `expect`: the statuses that are right, 0 for no answer at all."""
        with self.holds(events=events):
            answer = raw.exchange(self.origin, sent, patience, events or 1)
        assert answer.status in expect, f"{sent[:200]!r} was answered {answer.wire[:300]!r}"
        assert answer.status < 500 or answer.status in ANSWERABLE, answer.wire[:300]
        if answer.status:
            assert answer.headers.get("x-request-id"), answer.wire[:300]
            self.judge(answer.status, answer.headers, answer.body, json_error=not sent.startswith(b"HEAD"))
            self._nothing_echoed(answer.wire.decode("latin-1"), "", {}, ())
        return answer

    def canary(self) -> str:
        """A value to put where a secret belongs; it must turn up in no answer and no log."""
        value = f"cnry{secrets.token_hex(10)}"
        self.canaries.add(value)
        return value

    # -- what must hold ------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def holds(
        self,
        *,
        changes: bool = False,
        events: int | None = 1,
        identity: str | None = None,
        inputs: int = 1,
    ) -> Iterator[None]:
        """Whatever happens inside: state, memory and service are as before, the log has `events` lines for it."""
        for name in self.rows:
            self.tried[name] += inputs
        self._skip_log()
        before = self.state()
        yield
        self._logged(events, identity)
        if not changes:
            changed = {each for each in self.state() ^ before if each[2] > self.now()}
            assert not changed, f"a refused input changed what is stored: {changed}"
        self._check_works()
        grown = self.memory() - self._baseline
        assert grown < MOST_GROWTH, f"memory grew by {grown // 2**20} MB"

    def keeps_secrets(self) -> None:
        """No secret that anybody sent or was given is in what was logged since the last look."""
        self._skip_log()
        with self.log.open("rb") as log:
            log.seek(self._searched)
            lines = log.read(self._read - self._searched).decode("utf-8", "replace").splitlines()
        self._searched = self._read
        told = [line for line in lines if overheard.found(line)]
        assert not told, f"{len(told)} lines of the log tell secrets, as this one: {told[0]}"

    @staticmethod
    def judge(status: int, headers: dict[str, str], body: bytes, json_error: bool = True) -> None:
        """An error has OAuth's shape; no answer tells what the server is made of."""
        text = body.decode("utf-8", "replace")
        assert "server" not in headers, "the Server header names a product"
        assert not [leak for leak in LEAKS if leak in text], text[:500]
        if status < 400 or not json_error:
            return
        assert headers.get("content-type", "").startswith("application/json"), (status, headers, text[:200])
        error = json.loads(text)
        if error.get("jsonrpc") == "2.0":
            assert isinstance(error["error"]["code"], int)
            assert error["error"]["message"]
            return
        assert re.fullmatch(r"[a-z_]+", error.get("error", "")), text[:300]
        assert DESCRIPTION.fullmatch(error.get("error_description", "")), text[:300]
        assert None not in error.values()

    def state(self) -> set[tuple[str, str, float]]:
        """Everything the issuer stores, counters of attempts apart: table, row, and when the sweep may take it."""
        found = set()
        with contextlib.closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as database:
            tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            for (table,) in tables:
                cursor = database.execute(f'SELECT * FROM "{table}"')
                names = [column[0] for column in cursor.description]
                if table in NOT_STATE:
                    continue
                for each in cursor:
                    row = dict(zip(names, each, strict=True))
                    row.pop("salt", None)  # of a spent refresh token: the sweep erases it after a minute
                    unused = row["created_at"] + A_DAY if table == "clients" else math.inf
                    found.add((table, repr(tuple(row.values())), row.get("expires_at", unused)))
        return found

    def now(self) -> float:
        """The issuer's clock."""
        return time.time() + int((self.service.folder / "clock").read_text())

    def forget(self, statement: str, *values: object) -> None:
        """Change the database behind the issuer's back, as an operator's command would."""
        with contextlib.closing(sqlite3.connect(self.database, timeout=10)) as database:
            database.execute(statement, values)
            database.commit()

    def command(self, *arguments: str) -> str:
        """What an operator's `mcp-issuer ...` prints, run where the issuer runs."""
        running = psutil.Process(self._pid())
        done = subprocess.run(
            [sys.executable, "-m", "issuer", *arguments],
            cwd=running.cwd(),
            env=running.environ(),
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    def _pid(self) -> int:
        assert self.service.process is not None
        return self.service.process.pid

    def memory(self) -> int:
        rss: int = psutil.Process(self._pid()).memory_info().rss
        return rss

    def _check_works(self) -> None:
        """The correct request still works."""
        self._works(self.client, {"x-request-id": f"{OUR_CHECK}{next(self._number)}"})

    def _skip_log(self) -> None:
        # A line is written just after its answer; another answer means that the lines before it are there.
        self.client.get("/healthz", headers={"x-request-id": f"{OUR_CHECK}{next(self._number)}"})
        with self.log.open("rb") as log:
            self._read = log.seek(0, os.SEEK_END)
            while self._read and log.seek(self._read - 1) and log.read(1) != b"\n":
                self._read = log.seek(0, os.SEEK_END)  # a long line comes in two pieces

    def text_since(self) -> str:
        """What was logged since the input was sent."""
        with self.log.open("rb") as log:
            log.seek(self._read)
            return log.read().decode("utf-8", "replace")

    def log_since(self) -> list[dict[str, Any]]:
        """The whole lines of it, without those of the harness."""
        lines = [json.loads(line) for line in self.text_since().split("\n") if line.endswith("}")]
        return [line for line in lines if not str(line.get("request_id", "")).startswith(OUR_CHECK)]

    def _logged(self, events: int | None, identity: str | None) -> None:
        deadline = time.monotonic() + 10  # a busy machine writes its log late
        while events is not None:
            found = [
                line
                for line in self.log_since()
                if (line["event"] == "request" or line["event"].startswith("Refused"))
                and (identity is None or line.get("request_id") == identity)
            ]
            if len(found) > events:  # the resource looks at the issuer's keys every few minutes, now of all times
                found = [line for line in found if line.get("path") != "/.well-known/jwks.json"]
            assert len(found) <= events, found
            if len(found) == events:
                break
            assert time.monotonic() < deadline, f"{len(found)} log lines for one input: {self.log_since()}"
            time.sleep(0.005)
        text = self.text_since()
        assert not [value for value in self.canaries if value in text], "a secret is in the log"

    def _nothing_echoed(self, text: str, path: str, request: dict[str, Any], may_echo: Collection[str]) -> None:
        assert not [value for value in self.canaries if value in text], "a secret came back"
        for value in _leaves([path.partition("?")[2].split("&"), list(request.values())]):
            ours = value in OWN_WORDS or value in may_echo or value.startswith(self.pair.issuer)
            if len(value) >= 12 and not ours:
                assert value not in text, f"the input came back: {value[:100]!r}"


def _leaves(value: Any) -> Iterator[str]:
    """Every string inside nested lists, tuples and dictionaries."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, bytes):
        yield value.decode("latin-1")
    elif isinstance(value, dict):
        for member in value.values():
            yield from _leaves(member)
    elif isinstance(value, list | tuple | set):
        for member in value:
            yield from _leaves(member)
