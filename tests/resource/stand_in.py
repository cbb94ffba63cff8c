"""An issuer to test against: keys and tokens by joserfc (a library the resource does not use), answers on demand."""

from __future__ import annotations

import contextlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from joserfc import jws
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey

LOOSE = jws.JWSRegistry(algorithms=["RS256", "RS512", "PS256", "ES256", "EdDSA", "HS256"], strict_check_header=False)


def rsa_key(kid: str = "k1", bits: int = 2048) -> RSAKey:
    return RSAKey.generate_key(bits, {"kid": kid, "use": "sig", "alg": "RS256"})


def ec_key(kid: str = "ec1") -> ECKey:
    return ECKey.generate_key("P-256", {"kid": kid, "use": "sig", "alg": "ES256"})


def ed_key(kid: str = "ed1") -> OKPKey:
    return OKPKey.generate_key("Ed25519", {"kid": kid, "use": "sig", "alg": "EdDSA"})


def public(key: Key, **changes: Any) -> dict[str, Any]:
    """The public JWK; a change to None takes the member away."""
    members = {**key.as_dict(private=False), **changes}
    return {name: value for name, value in members.items() if value is not None}


def claims(issuer: str, audience: str, **changes: Any) -> dict[str, Any]:
    """The claims of RFC 9068 §2.2; a change to `...` takes the claim away."""
    now = int(time.time())
    standard = {
        "iss": issuer,
        "sub": "alice",
        "aud": audience,
        "client_id": "client-1",
        "scope": "mcp:tools",
        "iat": now,
        "exp": now + 900,
        "jti": secrets.token_hex(8),
    }
    return {name: value for name, value in {**standard, **changes}.items() if value is not ...}


def sign(key: Key, payload: dict[str, Any] | bytes, **header: Any) -> str:
    """A compact JWS; a header value of `...` takes the parameter away."""
    full = {"alg": key.get("alg", "RS256"), "typ": "at+jwt", "kid": key.kid, **header}
    full = {name: value for name, value in full.items() if value is not ...}
    data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return jws.serialize_compact(full, data, key, registry=LOOSE)


class StandIn:
    """An issuer on a port of its own. `answers` maps a path to (status, headers, body); change it as you like.

    name: its identifier, as tokens bear it. asked: every path asked for, in order. delay: seconds before each answer.
    """

    def __init__(self) -> None:
        self.key = rsa_key()
        self.audience = ""
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.delay = 0.0
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                stand_in.asked.append(self.path)
                stand_in.headers.append({name.lower(): value for name, value in self.headers.items()})
                time.sleep(stand_in.delay)
                status, headers, body = stand_in.answers.get(self.path, (404, {}, b"{}"))
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", **headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                with contextlib.suppress(ConnectionError):
                    self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._handler = Handler
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        self.origin = f"http://127.0.0.1:{self.port}"
        self.answers: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.call("", "/.well-known/oauth-authorization-server")
        self.publish(self.key)
        self._run()

    def call(self, path: str, *metadata: str) -> None:
        """Be the issuer that is named by the origin and `path`, with its metadata at these addresses alone."""
        self.name = self.origin + path
        self.answers = {known: answer for known, answer in self.answers.items() if "well-known" not in known}
        for address in metadata:
            document = {"issuer": self.name, "jwks_uri": f"{self.origin}/jwks", "scopes_supported": ["mcp:tools"]}
            self.serve(address, document)

    def serve(self, path: str, document: Any, status: int = 200, **headers: str) -> None:
        self.answers[path] = (
            status,
            headers,
            document if isinstance(document, bytes) else json.dumps(document).encode(),
        )

    def publish(self, *keys: Key) -> None:
        """The keys of /jwks from now on."""
        self.serve("/jwks", {"keys": [public(key) for key in keys]})

    def token(self, key: Key | None = None, header: dict[str, Any] | None = None, **changes: Any) -> str:
        return sign(key or self.key, claims(self.name, self.audience, **changes), **(header or {}))

    def down(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def up(self) -> None:
        """On the same port again."""
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), self._handler)
        self._run()

    def _run(self) -> None:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()


@contextlib.contextmanager
def stand_in() -> Iterator[StandIn]:
    issuer = StandIn()
    try:
        yield issuer
    finally:
        issuer.down()
