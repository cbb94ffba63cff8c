"""Rows CIMD: whatever stands behind a client_id that is a URL, nothing private is reached and nobody learns what is."""

from __future__ import annotations

import gzip
import json
import time
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm
from tests.hostile.internet import REDIRECT, World
from tests.hostile.rows import row
from tests.issuer.fetch.hosts import PUBLIC, response
from tests.issuer.fetch.test_guard import FORBIDDEN, NOT_A_NAME
from tests.support import oauth

BAD_REDIRECTS = [
    "http://client.test/cb", "javascript:alert(1)", "data:text/html,x", "https://client.test/cb#f", "//evil.test/cb",
    "https://u:p@client.test/cb", "https://client.test\\@evil.test/", "https:///evil.test", "/cb", "", "file:///x",
    "http://localhost.evil.test/cb", "https://*.client.test/cb", "http://10.0.0.1/cb", "https://client.test/a b",
]  # fmt: skip


NO_URLS = [
    "http://client.test/a.json", "https://client.test", "https://client.test/a#f", "https://client.test/a#",
    "https://u@client.test/a", "https://u:p@client.test/a", "https://client.test/./a", "https://client.test/../a",
    "https://client.test/%2e%2e/a", "https://client.test\\@evil.test/a", "https://client.test/a b", "https:///x",
    "https://client.test/\ta", "https://client.test:0/x", "https://client.test/" + "x" * 2048, "https://clïent.test/x",
    "HTTPS://client.test/a", "https://CLIENT.test/a", "https://client.test:22/a", "https://client.test:25/a",
    "https://client.test:6379/a", "https://client.test:8443/a", "https://", "https://client.test/a\r\nX-A: b",
    "file:///etc/passwd", "gopher://client.test/a", "https://client.test/%0d%0aa%zz", "https:client.test/a",
]  # fmt: skip


@row("CIMD-01")
@pytest.mark.parametrize("client_id", NO_URLS)
def test_a_url_that_is_none_is_not_fetched(world: World, client_id: str) -> None:
    before = world.happened()
    world.ask(client_id)
    assert world.happened() == before


@row("CIMD-02")
@pytest.mark.parametrize("query", ["?x=1", "?", "?client.json"])
def test_a_query_is_refused(world: World, query: str) -> None:
    before = world.happened()
    assert "a query" in world.ask(world.url() + query)
    assert world.happened() == before


@row("CIMD-03")
@row("CIMD-04")
@pytest.mark.parametrize("address", FORBIDDEN)
def test_an_address_that_is_not_public_is_not_connected_to(world: World, address: str) -> None:
    for answer in ([address], [PUBLIC, address]):
        world.names["client.test"] = [answer]
        world.write()
        before = world.happened()
        assert "must not be reached" in world.ask(world.url())
        assert [line for line in world.happened()[len(before) :] if line.startswith("connect")] == []


@row("CIMD-05")
@pytest.mark.parametrize("host", NOT_A_NAME)
def test_a_literal_address_however_spelled(world: World, host: str) -> None:
    before = world.happened()
    world.ask(f"https://{host}/x")
    world.ask(f"https://{host}:{world.proxy.port}/x")
    assert world.happened() == before
    assert not world.proxy.connections


@row("CIMD-05")
def test_a_name_below_localhost(world: World) -> None:
    world.names["foo.localhost"] = [["127.0.0.1"]]
    world.write()
    assert "must not be reached" in world.ask("https://foo.localhost/x")


@row("CIMD-06")
def test_rebinding(world: World) -> None:
    """The first answer is public, all later ones are loopback."""
    world.names["client.test"] = [[PUBLIC], ["127.0.0.1"]]
    world.write()
    before = len(world.happened())
    world.ask(world.publish(world.url()), refused=False)
    assert world.happened()[before:] == ["lookup client.test", f"connect {PUBLIC} 443"]
    assert "must not be reached" in world.ask(world.publish(world.url()))


@row("CIMD-09")
@pytest.mark.parametrize(
    "status",
    ["201 Created", "204 No Content", "206 Partial Content", "304 Not Modified", "302 Found", "404 Not Found",
     "500 Oops"],
)  # fmt: skip
def test_only_200_counts(world: World, status: str) -> None:
    url = world.publish(world.url())
    path = "/" + url.rpartition("/")[2]
    good = world.site.pages[path]
    headers = b"\r\nLocation: https://127.0.0.1/\r\nCache-Control: max-age=86400"
    world.site.pages[path] = good.replace(b"200 OK", status.encode() + headers, 1)
    assert status[:3] in world.ask(url)
    world.site.pages[path] = good
    world.ask(url, refused=False, pause=11)


@row("CIMD-09")
def test_a_flood_of_interim_answers(world: World) -> None:
    world.site.everywhere = b"HTTP/1.1 100 Continue\r\n\r\n" * 200_000
    began = time.monotonic()
    assert "too long" in world.ask(world.url())
    assert time.monotonic() - began < 5


BODIES = {
    "not JSON": response(b"<html>"),
    "an array": response(b"[]"),
    "null": response(b"null"),
    "NaN": response(b'{"client_id": NaN}'),
    "deep": response(b'{"a":' + b"[" * 1000 + b"]" * 1000 + b"}"),
    "a mark": response(b'\xef\xbb\xbf{"a": 1}'),
    "UTF-16": response('{"a": 1}'.encode("utf-16")),
    "HTML by type": response({}, kind="text/html"),
    "no type": response({}, kind=None),
    "huge": response(b"{" + b" " * 30_000_000 + b"}"),
    "just too long": response(b"{" + b" " * 5119 + b"}"),
    "a bomb": response(gzip.compress(b" " * 10_000_000), headers={"Content-Encoding": "gzip"}),
    "cut": b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 4000\r\n\r\n{",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{} ",
    "no HTTP": b"SSH-2.0-OpenSSH_9.2\r\n",
}


@row("CIMD-12")
@pytest.mark.parametrize("body", BODIES)
def test_bodies_that_are_no_document(world: World, body: str) -> None:
    url = world.url()
    world.site.everywhere = BODIES[body]
    assert world.ask(url)
    world.site.everywhere = None
    world.ask(world.publish(url), refused=False, pause=11)


@row("CIMD-12")
def test_a_member_that_stands_twice_and_a_type_of_its_own(world: World) -> None:
    url = world.url()
    document = {"client_id": url, "client_name": "P", "redirect_uris": [REDIRECT]}
    twice = json.dumps(document)[:-1] + f', "client_id": "{url}"}}'
    world.site.pages["/" + url.rpartition("/")[2]] = response(twice.encode())
    assert "twice" in world.ask(url)
    world.site.pages["/" + url.rpartition("/")[2]] = response(document, kind="application/foo+json")
    world.ask(url, refused=False, pause=11)


@row("CIMD-13")
@pytest.mark.parametrize("bend", ["other", "case", "port", "slash", "missing", "list", "number"])
def test_the_client_id_inside_must_be_the_url(world: World, bend: str) -> None:
    url = world.url()
    bent: dict[str, Any] = {
        "other": "https://client.test/other.json",
        "case": url.replace("client", "Client"),
        "port": url.replace(".test", ".test:443"),
        "slash": url + "/",
        "missing": None,
        "list": [url],
        "number": 1,
    }
    assert "client_id must be the very URL" in world.ask(world.publish(url, client_id=bent[bend]))


KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PRIVATE_JWK = json.loads(RSAAlgorithm.to_jwk(KEY))


@row("CIMD-15")
@pytest.mark.parametrize(
    "members",
    [
        {"jwks": {"keys": [PRIVATE_JWK]}},
        {"jwks": {"keys": [{"kty": "oct", "k": "c2VjcmV0c2VjcmV0"}]}},
        {"jwks_uri": "https://10.0.0.1/jwks"}, {"jwks_uri": "http://client.test/jwks"}, {"jwks_uri": "https://127.1/jwks"},
        {"jwks_uri": "https://client.test:6379/jwks"}, {"jwks_uri": ["https://client.test/jwks"]},
        {"jwks": {"keys": []}, "jwks_uri": "https://client.test/jwks"}, {"client_secret": "secret-secret"},
        {"token_endpoint_auth_method": "private_key_jwt"}, {"token_endpoint_auth_method": "client_secret_post"},
    ],
)  # fmt: skip
def test_keys_and_secrets_that_must_not_be_there(world: World, members: dict[str, Any]) -> None:
    assert world.ask(world.publish(world.url(), **members))


@row("CIMD-15")
def test_a_logo_is_neither_fetched_nor_shown(world: World) -> None:
    logo = "https://169.254.169.254/logo.png"
    url = world.publish(world.url(), logo_uri=logo, tos_uri="https://client.test/tos", policy_uri="https://a.test/p")
    before = len(world.happened())
    world.ask(url, refused=False)
    person = oauth.Person(world.target.origin)
    assert "169.254" not in person.consent_page(oauth.Client(world.target.client, url, REDIRECT)).text
    assert world.happened()[before:] == ["lookup client.test", f"connect {PUBLIC} 443"]


@row("CIMD-16")
@pytest.mark.parametrize(
    "uris", [None, [], "https://client.test/callback", [REDIRECT, 1], *([REDIRECT, uri] for uri in BAD_REDIRECTS)]
)
def test_redirect_uris_as_at_registration(world: World, uris: object) -> None:
    assert "redirect" in world.ask(world.publish(world.url(), redirect_uris=uris))


@row("CIMD-16")
def test_a_redirect_uri_elsewhere_is_shown_with_a_warning(world: World) -> None:
    url = world.publish(world.url(), redirect_uris=[REDIRECT, "https://other.example/cb"])
    person = oauth.Person(world.target.origin)
    page = person.consent_page(oauth.Client(world.target.client, url, "https://other.example/cb")).text
    for shown in (">client.test<", ">other.example<", "Nobody has checked this name"):
        assert shown in page
