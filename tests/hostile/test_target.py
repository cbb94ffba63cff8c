"""The harness itself: a server with one flaw at a time, and each flaw is found."""

from __future__ import annotations

import json
import os
import secrets
import sqlite3
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from tests.hostile import target
from tests.hostile.target import Target
from tests.support import overheard
from tests.support.servers import Pair, Service

hoard: list[bytes] = []
ERROR = {"error": "invalid_request", "error_description": "no"}


class Flawed(BaseHTTPRequestHandler):
    """Answers /good as it should, and every other path with the flaw that the path names."""

    folder: Path
    broken = False

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        flaw, sent = url.path.strip("/"), parse_qs(url.query).get("value", [""])[0]
        status, body, headers = 400, dict(ERROR), {}
        match flaw:
            case "healthz":
                status, body = (500 if self.broken else 200), {"status": "ok"}
            case "fails":
                status, body = 500, {"error": "server_error", "error_description": "no"}
            case "shapeless":
                body = {"detail": "no"}
            case "quotes":
                body["error_description"] = 'he said "no"'
            case "null":
                body["error_uri"] = cast(Any, None)
            case "echoes":
                body["error_description"] = f"not {sent}"
            case "leaks":
                body["error_description"] = "Traceback (most recent call last)"
            case "names_itself":
                headers["Server"] = "Python"
            case "redirects":
                status, headers["Location"] = 302, "https://evil.example/"
            case "stores":
                with sqlite3.connect(self.folder / ".data" / "issuer.db") as database:
                    database.execute("INSERT INTO things VALUES (?)", (sent,))
            case "grows":
                hoard.append(b"x" * (target.MOST_GROWTH + 2**20))
            case "breaks":
                type(self).broken = True
        for _ in range({"silent": 0, "chatty": 2}.get(flaw, 1)):
            line: dict[str, Any] = {"event": "request", "request_id": self.headers["x-request-id"]}
            line["path"] = self.path if flaw == "tells_secrets" else flaw
            with (self.folder / "issuer.log").open("a") as log:
                log.write(json.dumps(line) + "\n")
        raw = json.dumps(body).encode()
        self.send_response_only(status)
        for name, value in {**headers, "Content-Type": "application/json", "Content-Length": str(len(raw))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw)


@pytest.fixture
def flawed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Target]:
    (tmp_path / ".data").mkdir()
    (tmp_path / "issuer.log").touch()
    (tmp_path / "clock").write_text("0")
    with sqlite3.connect(tmp_path / ".data" / "issuer.db") as database:
        database.execute("CREATE TABLE things (name TEXT)")
    handler = type("Handler", (Flawed,), {"folder": tmp_path})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        origin = f"http://127.0.0.1:{server.server_port}"
        process = cast(Any, SimpleNamespace(pid=os.getpid()))
        service = Service("issuer", origin, (tmp_path / "issuer.log").read_text, server.shutdown, tmp_path, process)
        pair = Pair("processes", origin, origin, tmp_path, {"issuer": service})

        def works(client: httpx.Client, headers: dict[str, str]) -> None:
            assert client.get("/healthz", headers=headers).status_code == 200

        yield Target(pair, service, works)
        server.shutdown()
    hoard.clear()


def test_a_good_refusal_passes(flawed: Target) -> None:
    flawed.send("GET", "/good", expect=400, params={"value": "something-long-enough"})


@pytest.mark.parametrize(
    "flaw",
    [
        *("fails", "shapeless", "quotes", "null", "echoes", "leaks", "names_itself", "redirects", "stores", "grows"),
        *("breaks", "silent", "chatty", "tells_secrets"),
    ],
)
def test_each_flaw_is_found(flawed: Target, flaw: str) -> None:
    with pytest.raises(AssertionError):
        flawed.send("GET", f"/{flaw}", expect={400, 500}, params={"value": flawed.canary()})


@pytest.mark.parametrize("name", sorted(overheard.NAMES))
def test_a_secret_that_was_used_is_found_too(flawed: Target, name: str) -> None:
    flawed.keeps_secrets()
    flawed.client.get("/tells_secrets", params={name: secrets.token_urlsafe(20)})
    with pytest.raises(AssertionError):
        flawed.keeps_secrets()
