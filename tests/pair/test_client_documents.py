"""Clients that nobody registered: each brings the URL of its metadata document, which the issuer reads (CIMD)."""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm
from tests.issuer.fetch.hosts import Authority
from tests.pair.clients.browser import Browser
from tests.pair.foreign import assert_worked
from tests.pair.test_sdks import PROGRAMS, case, drive
from tests.support import oauth, servers
from tests.support.servers import Pair

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
PORTLESS = ["http://localhost/callback", "http://127.0.0.1/callback"]


@dataclass
class Site:
    """An https site on loopback: `pages` by path, and which of them were asked for."""

    origin: str
    pages: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def publish(self, name: str, **members: Any) -> str:
        """Publish a client's document; its URL is the client_id."""
        url = f"{self.origin}/{name}.json"
        document = {"client_id": url, "client_name": f"The {name} program", "redirect_uris": PORTLESS, **members}
        self.pages[f"/{name}.json"] = document
        return url


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def site(authority: Authority) -> Iterator[Site]:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.asked.append(self.path)
            page = made.pages.get(self.path)
            self.send_response(200 if page else 404)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(page).encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    server.socket = authority.server("localhost").wrap_socket(server.socket, server_side=True)
    made = Site(f"https://localhost:{server.server_port}")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield made
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def document_pair(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """The pair as processes; the issuer trusts the site's authority and reads documents on loopback."""
    settings = {"ISSUER_CIMD_LOOPBACK": "1", "SSL_CERT_FILE": str(authority.path), "ISSUER_REGISTRATION": "off"}
    with servers.processes(tmp_path_factory.mktemp("documents"), **settings) as pair:
        yield pair


@pytest.mark.parametrize("name", [case(name, browser=True) for name in PROGRAMS])
def test_a_client_is_who_its_document_says(
    document_pair: Pair, site: Site, browser: Browser, tmp_path: Path, name: str
) -> None:
    client_id = site.publish(name, grant_types=["authorization_code", "refresh_token", "urn:example:other"])
    store = ("--store", str(tmp_path / "store"), "--document", client_id)
    first, second = (drive(name, document_pair.mcp, *store, **browser.environment()).result for _ in range(2))
    assert_worked(first, "alice")
    assert first["whoami"]["client_id"] == client_id
    assert second["whoami"] == first["whoami"]
    [visit] = browser.visits()
    assert visit["pages"] == ["Sign in", "Approve access"]
    assert not visit["problems"]
    assert site.asked.count(f"/{name}.json") == 1, "pages and tokens share one fetch"


def test_the_person_sees_who_asks(document_pair: Pair, site: Site) -> None:
    client_id = site.publish("seen")
    http = httpx.Client(base_url=document_pair.issuer)
    program = oauth.Client(http, client_id, "http://127.0.0.1:51234/callback")
    page = oauth.Person(document_pair.issuer).consent_page(program).text
    for shown in ("The seen program", ">localhost<", "127.0.0.1:51234", "Nobody has checked this name"):
        assert shown in page


CHATGPT: dict[str, dict[str, Any]] = {
    "method": {"token_endpoint_auth_method": "private_key_jwt"},
    "method-and-list": {
        "token_endpoint_auth_method": "private_key_jwt",
        "token_endpoint_auth_methods_supported": ["private_key_jwt", "none"],
    },
    "list": {"token_endpoint_auth_methods_supported": ["private_key_jwt"]},
}


@pytest.mark.parametrize("shape", CHATGPT)
def test_a_client_with_keys_proves_itself(document_pair: Pair, site: Site, shape: str) -> None:
    """The three shapes of document that ChatGPT is known by, with the key set beside it."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = {**json.loads(RSAAlgorithm.to_jwk(key.public_key())), "kid": "k1", "use": "sig", "alg": "RS256"}
    site.pages[f"/{shape}-keys.json"] = {"keys": [public]}
    client_id = site.publish(shape, jwks_uri=f"{site.origin}/{shape}-keys.json", **CHATGPT[shape])

    def assertion(signer: rsa.RSAPrivateKey) -> dict[str, str]:
        claims = {"iss": client_id, "sub": client_id, "aud": document_pair.issuer, "exp": int(time.time()) + 60}
        signed = jwt.encode({**claims, "jti": secrets.token_hex(8)}, signer, "RS256", {"kid": "k1"})
        return {"client_assertion_type": ASSERTION, "client_assertion": signed}

    program = oauth.Client(httpx.Client(base_url=document_pair.issuer), client_id, "http://127.0.0.1:40000/callback")
    person = oauth.Person(document_pair.issuer)
    code = oauth.answer_of(person.approve(person.consent_page(program)))["code"]
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    for proof in ({}, assertion(stranger)):
        refused = program.redeem(code, **proof)
        assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
    answer = program.redeem(code, **assertion(key))
    assert answer.status_code == 200, answer.text
    assert oauth.claims(answer.json()["access_token"])["client_id"] == client_id


def test_whatever_is_wrong_with_a_document_the_page_is_one(document_pair: Pair, site: Site) -> None:
    pages = set()
    wrong = [
        site.publish("other-id", client_id=site.publish("good")),
        site.publish("secret", client_secret="x" * 20),
        site.publish("unsafe", redirect_uris=["javascript:x"]),
        f"{site.origin}/absent.json",
    ]
    for url in wrong:
        program = oauth.Client(httpx.Client(base_url=document_pair.issuer), url, PORTLESS[1])
        page = program.authorize()
        assert page.status_code == 400
        title = page.text.split("<h1>")[1].split("</h1>")[0]
        pages.add(title)
        answer = program.redeem("some-code")
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert pages == {"This program cannot be identified"}


def test_discovery_says_whether_documents_are_read(document_pair: Pair, tmp_path: Path) -> None:
    def said(issuer: str) -> Any:
        document = httpx.get(f"{issuer}/.well-known/oauth-authorization-server").json()
        return document.get("client_id_metadata_document_supported")

    assert said(document_pair.issuer) is True
    port = str(servers.free_port())
    origin = f"http://127.0.0.1:{port}"
    with servers.running("issuer", tmp_path, ISSUER=origin, ISSUER_PORT=port, ISSUER_CIMD="0") as off:
        assert said(off.origin) is None
        program = oauth.Client(httpx.Client(base_url=off.origin), "https://client.test/client.json")
        assert program.authorize().status_code == 400
