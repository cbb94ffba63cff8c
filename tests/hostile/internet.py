"""An internet for the issuer under attack: hosts that misbehave as told, names that lead where they should not."""

from __future__ import annotations

import json
import ssl
import threading
from dataclasses import dataclass, field
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Any

import httpx
from tests.hostile.target import Target
from tests.issuer.fetch.hosts import PUBLIC, response
from tests.support import oauth

REDIRECT = "https://client.test/callback"


class Site(ThreadingTCPServer):
    """A TLS (or, without context, plain) server: `pages` by path, as bytes of whole responses; else 404."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, context: ssl.SSLContext | None) -> None:
        self.pages: dict[str, bytes] = {}
        self.everywhere: bytes | None = None
        self.requests: list[bytes] = []
        self.connections = 0
        self.context = context
        super().__init__(("127.0.0.1", 0), _Answer)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def port(self) -> int:
        port: int = self.server_address[1]
        return port

    def handle_error(self, *_: object) -> None:
        """Whoever leaves early is no error."""


class _Answer(StreamRequestHandler):
    server: Site

    def setup(self) -> None:
        self.server.connections += 1
        if self.server.context:
            self.request.settimeout(10)
            self.request = self.server.context.wrap_socket(self.request, server_side=True)
        super().setup()

    def handle(self) -> None:
        request = b""
        while not request.endswith(b"\r\n\r\n"):
            line = self.rfile.readline(65536)
            if not line:
                return
            request += line
        self.server.requests.append(request)
        path = request.split()[1].decode()
        self.wfile.write(self.server.everywhere or self.server.pages.get(path) or response(status="404 Not Found"))


@dataclass
class World:
    """The issuer under attack, its internet, and the site that is client.test at PUBLIC."""

    target: Target
    folder: Path
    clock: Path
    site: Site
    proxy: Site
    names: dict[str, list[list[str]]] = field(default_factory=dict)
    routes: dict[str, int] = field(default_factory=dict)
    count: int = 0

    def reset(self) -> None:
        """client.test at PUBLIC, and nothing else; nobody has asked too often."""
        self.later(61)
        self.site.pages.clear()
        self.site.everywhere = None
        self.names, self.routes = {"client.test": [[PUBLIC]]}, {PUBLIC: self.site.port}
        self.write()

    def write(self) -> None:
        (self.folder / "names.json").write_text(json.dumps(self.names))
        (self.folder / "routes.json").write_text(json.dumps(self.routes))

    def later(self, seconds: int) -> None:
        self.clock.write_text(str(int(self.clock.read_text()) + seconds))

    def happened(self) -> list[str]:
        path = self.folder / "happened"
        return path.read_text().splitlines() if path.exists() else []

    def url(self, host: str = "client.test") -> str:
        """A client_id that nobody has used."""
        self.count += 1
        return f"https://{host}/{self.count}.json"

    def publish(self, url: str, *, headers: dict[str, str] | None = None, **members: Any) -> str:
        """Publish a good document there, bent by `members`; None leaves one out."""
        document = {"client_id": url, "client_name": "Program", "redirect_uris": [REDIRECT], **members}
        kept = {name: value for name, value in document.items() if value is not None}
        self.site.pages["/" + url.partition("//")[2].partition("/")[2]] = response(kept, headers=headers or {})
        return url

    def ask(self, client_id: str, *, refused: bool = True, pause: int = 3) -> str:
        """An authorization request. When it must be refused: the one page, and why by the log, which comes back."""
        self.later(pause)
        parameters = oauth.Client(self.target.client, client_id, REDIRECT).parameters()
        answer = self.target.send(
            "GET",
            "/authorize",
            params=parameters,
            headers={"sec-fetch-site": "cross-site"},
            expect=400 if refused else 200,
            changes=not refused,
            json_error=False,
            may_echo=[client_id, REDIRECT],
        )
        assert refused or "Sign in" in answer.text
        lines = [line for line in self.target.log_since() if line["event"] == "request"]
        return str(lines[-1].get("reason", ""))

    def outcome(self, client_id: str) -> httpx.Response:
        """The page itself."""
        self.later(3)
        parameters = oauth.Client(self.target.client, client_id, REDIRECT).parameters()
        return self.target.client.get("/authorize", params=parameters)
