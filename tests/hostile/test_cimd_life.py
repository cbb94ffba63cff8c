"""Rows CIMD: documents that change, last, fail and flood; what a fetch tells, and what a failure tells."""

from __future__ import annotations

import re
import ssl
import time
import warnings
from pathlib import Path

import pytest
from tests.hostile.internet import REDIRECT, Site, World
from tests.hostile.rows import row
from tests.issuer.fetch.hosts import PUBLIC, Authority, response
from tests.support import oauth


@row("CIMD-18")
def test_a_changed_document_counts_and_asks_again(world: World) -> None:
    url = world.publish(world.url(), headers={"Cache-Control": "max-age=60"})
    person, program = oauth.Person(world.target.origin), oauth.Client(world.target.client, url, REDIRECT)
    assert oauth.answer_of(person.approve(person.consent_page(program)))["code"]
    world.publish(url, client_name="Renamed", headers={"Cache-Control": "max-age=60"})
    world.later(61)
    page = person.open(program)
    assert "Renamed" in page.text
    assert "Approve" in page.text
    world.publish(url, redirect_uris=["https://client.test/elsewhere"])
    world.later(61)
    assert person.approve(page).status_code == 400, "a page that waited: nobody had the document fetched before"
    assert person.open(program).status_code == 400


@row("CIMD-19")
@pytest.mark.parametrize(
    ("cache", "least", "most"),
    [
        ("no-store", 60, 60), ("max-age=0", 60, 60), ("max-age=-10", 60, 60), ("max-age=1000000000000", 86400, 86400),
        ("max-age=86400\r\nCache-Control: max-age=0", 60, 60), ("x\r\nExpires: garbage", 60, 60),
        ("max-age=" + "9" * 4000, 60, 86400),
    ],
    ids=["no-store", "zero", "negative", "endless", "two", "expires", "long"],
)  # fmt: skip
def test_a_document_holds_for_a_minute_at_least_and_a_day_at_most(
    world: World, cache: str, least: int, most: int
) -> None:
    url = world.publish(world.url(), headers={"Cache-Control": cache})
    world.ask(url, refused=False)
    fetched = len(world.site.requests)
    world.ask(url, refused=False, pause=least - 10)
    assert len(world.site.requests) == fetched
    world.ask(url, refused=False, pause=most - least + 11)
    assert len(world.site.requests) == fetched + 1


@row("CIMD-21")
def test_tokens_while_the_document_is_out_of_reach(world: World) -> None:
    grants = ["authorization_code", "refresh_token"]
    url = world.publish(world.url(), grant_types=grants, headers={"Cache-Control": "max-age=60"})
    person, program = oauth.Person(world.target.origin), oauth.Client(world.target.client, url, REDIRECT)
    code = oauth.answer_of(person.approve(person.consent_page(program)))["code"]
    token = program.redeem(code).json()["refresh_token"]

    world.site.everywhere = response(status="503 Busy")
    world.later(3600)
    token = program.refresh(token).json()["refresh_token"]
    world.later(86400)
    busy = program.refresh(token)
    assert (busy.status_code, busy.json()["error"]) == (503, "temporarily_unavailable")
    assert int(busy.headers["retry-after"]) > 0

    world.site.everywhere = None
    world.later(11)
    token = program.refresh(token).json()["refresh_token"]
    world.site.pages.clear()
    world.later(61)
    gone = program.refresh(token)
    assert (gone.status_code, gone.json()["error"]) == (401, "invalid_client")


@row("CIMD-21")
def test_the_token_endpoint_fetches_nothing_new(world: World) -> None:
    before = world.happened()
    form = {"grant_type": "refresh_token", "refresh_token": "x", "client_id": world.publish(world.url())}
    world.target.send("POST", "/token", data=form, expect=401, error="invalid_client")
    assert world.happened() == before


@row("CIMD-22")
def test_a_thousand_documents_at_one_host(world: World) -> None:
    """Asked for from one address: it may have 30 a minute, whatever the host would bear."""
    client = world.target.client
    fetched, began = len(world.site.requests), time.monotonic()
    with world.target.holds(events=None, inputs=1000):
        for _ in range(1000):
            asked = oauth.Client(client, world.url(), REDIRECT).parameters()
            assert client.get("/authorize", params=asked).status_code == 400
    minutes = 1 + (time.monotonic() - began) / 60
    assert 0 < len(world.site.requests) - fetched <= 30 * (minutes + 1)


@row("CIMD-22")
def test_a_request_that_is_wrong_anyway_causes_no_fetch(world: World) -> None:
    url, before = world.publish(world.url()), world.happened()
    for bent in ({"redirect_uri": "javascript:alert(1)"}, {"redirect_uri": "https://a.test/#f"}):
        asked = oauth.Client(world.target.client, url, REDIRECT).parameters(**bent)
        world.target.send(
            "GET", "/authorize", params=asked, expect=400, json_error=False, may_echo=[url, *bent.values()]
        )
    assert world.happened() == before


@row("CIMD-23")
def test_every_failure_shows_the_same_page(world: World, authority: Authority) -> None:
    other = Site(authority.server("other.test"))
    world.names |= {
        f"n{n}.client.test": [[address]] for n, address in enumerate(("93.184.215.90", "10.0.0.1", "93.184.215.91"))
    }
    world.routes |= {"93.184.215.91": other.port}
    world.write()
    urls = {
        "closed port": "https://n0.client.test/x", "private": "https://n1.client.test/x", "certificate": "https://n2.client.test/x",
        "no name": "https://n3.client.test/x", "404": world.url(), "not JSON": world.url(), "no URL": "https://127.0.0.1/x",
        "own port": f"https://127.0.0.1:{world.target.service.origin.rpartition(':')[2]}/x",
    }  # fmt: skip
    world.site.pages["/" + urls["not JSON"].rpartition("/")[2]] = response(b"<html>")
    pages = {name: world.outcome(url) for name, url in urls.items()}
    assert {page.status_code for page in pages.values()} == {400}
    texts = {re.sub(re.escape(page.headers["x-request-id"]), "ID", page.text) for page in pages.values()}
    assert len(texts) == 1, texts
    other.shutdown()


@row("CIMD-24")
@pytest.mark.parametrize("wrong", ["expired", "self-signed", "other name", "TLS 1.1"])
def test_tls_must_be_right(world: World, authority: Authority, tmp_path: Path, wrong: str) -> None:
    contexts = {
        "expired": lambda: authority.server("client.test", days=-1),
        "self-signed": lambda: Authority(tmp_path).server("client.test"),
        "other name": lambda: authority.server("other.test", PUBLIC),
        "TLS 1.1": lambda: _old(authority.server("client.test")),
    }
    bad = Site(contexts[wrong]())
    bad.everywhere = response({})
    world.routes[PUBLIC] = bad.port
    world.write()
    assert re.search("certificate|tls|ssl", world.ask(world.url()), re.IGNORECASE)
    assert bad.connections == 1
    assert not bad.requests
    bad.shutdown()


def _old(context: ssl.SSLContext) -> ssl.SSLContext:
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    return context


@row("CIMD-25")
@row("CIMD-26")
def test_a_fetch_takes_no_proxy_and_says_nothing_of_us(world: World) -> None:
    """The issuer under attack was started with four proxy variables."""
    world.ask(world.publish(world.url(), headers={"Set-Cookie": "a=b"}), refused=False)
    url = world.publish(world.url())
    world.ask(url, refused=False)
    line, *headers = world.site.requests[-1].decode().rstrip().lower().split("\r\n")
    assert line == f"get /{url.rpartition('/')[2]} http/1.1"
    assert sorted(header.partition(":")[0] for header in headers) == [
        "accept", "accept-encoding", "connection", "host", "user-agent",
    ]  # fmt: skip
    assert not world.proxy.connections


@row("CIMD-27")
def test_no_registration_looks_like_a_url(world: World) -> None:
    wanted = {"client_id": "https://client.test/mine.json"}
    for _ in range(20):
        assert re.fullmatch(r"[A-Za-z0-9_-]+", oauth.Client.register(world.target.client, **wanted).id)


@row("CIMD-28")
@pytest.mark.parametrize("path", ["/healthz", "/.well-known/jwks.json", "/authorize"])
def test_the_server_does_not_fetch_from_itself(world: World, path: str) -> None:
    before = world.happened()
    world.ask(world.target.origin + path)
    world.ask(world.target.origin.replace("http:", "https:") + path)
    world.names["self.client.test"] = [["127.0.0.1"]]
    world.write()
    assert "must not be reached" in world.ask("https://self.client.test" + path)
    assert not [line for line in world.happened()[len(before) :] if line.startswith("connect")]
