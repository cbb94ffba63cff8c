"""Somebody else's issuer: names that end in a slash or have a path, metadata and tokens as well-known products have."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator

import httpx
import pytest
from loguru import logger
from tests.resource import stand_in
from tests.resource.running import Running, result, serving
from tests.resource.stand_in import StandIn

from resource_server.fetch import Fetcher, metadata_urls
from resource_server.issuer import Issuer

OAUTH, OPENID = "/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"
# A tenant of Auth0, of Authentik, of Keycloak and of Microsoft Entra ID: the path of its name, and its metadata
NAMES: dict[str, tuple[str, str]] = {
    "an origin": ("", OPENID),
    "an origin, RFC 8414": ("", OAUTH),
    "a slash": ("/", OPENID),
    "a slash, RFC 8414": ("/", OAUTH),
    "a path and a slash": ("/application/o/demo/", f"/application/o/demo{OPENID}"),
    "a path": ("/realms/demo", f"/realms/demo{OPENID}"),
    "a path, RFC 8414": ("/realms/demo", f"{OAUTH}/realms/demo"),
    "a path, OpenID inserted": ("/realms/demo", f"{OPENID}/realms/demo"),
    "a version": ("/8e4f0a52-tenant/v2.0", f"/8e4f0a52-tenant/v2.0{OPENID}"),
}


@pytest.fixture
def issuer() -> Iterator[StandIn]:
    with stand_in.stand_in() as started:
        yield started


def status(server: Running, token: str) -> int:
    return server.modern("tools/list", token).status_code


@pytest.mark.parametrize(("path", "metadata"), NAMES.values(), ids=NAMES)
def test_its_name_is_taken_byte_for_byte(issuer: StandIn, path: str, metadata: str) -> None:
    issuer.call(path, metadata)
    with serving(issuer) as server:
        told = httpx.get(f"{server.origin}/.well-known/oauth-protected-resource/mcp").json()
        assert told["authorization_servers"] == [issuer.origin + path]
        assert status(server, server.token()) == 200
        another = issuer.name.removesuffix("/") if path.endswith("/") else f"{issuer.name}/"
        assert status(server, server.token(iss=another)) == 401


@pytest.mark.parametrize(("ours", "theirs"), [("", "/"), ("/", "")])
def test_a_slash_too_many_or_too_few_is_no_match(issuer: StandIn, ours: str, theirs: str) -> None:
    issuer.call(theirs, OAUTH, OPENID)
    with serving(issuer, ISSUER=issuer.origin + ours) as server:
        assert status(server, server.token(iss=issuer.origin + ours)) == 503


@pytest.mark.parametrize(
    "changes",
    [{"issuer": "https://evil.example"}, {"issuer": ["x"]}, {"jwks_uri": None}, {"jwks_uri": "file:///etc/passwd"}],
)
def test_metadata_that_does_not_fit_is_an_outage(issuer: StandIn, changes: dict[str, object]) -> None:
    issuer.serve(OAUTH, {"issuer": issuer.name, "jwks_uri": f"{issuer.origin}/jwks", **changes})
    with serving(issuer) as server:
        assert status(server, server.token()) == 503


def test_keys_at_an_address_of_their_own(issuer: StandIn) -> None:
    """In containers the issuer has another address than its name."""
    issuer.call("")
    issuer.serve("/elsewhere", {"keys": [stand_in.public(issuer.key)]})
    issuer.answers.pop("/jwks")
    with serving(issuer, ISSUER="https://issuer.example", JWKS_URL=f"{issuer.origin}/elsewhere") as server:
        assert status(server, server.token(iss="https://issuer.example")) == 200
        assert status(server, server.token()) == 401


def test_where_its_metadata_is_looked_for() -> None:
    """RFC 8414 §3.1: a slash at the end goes before the path is moved."""
    for name in "https://a.example", "https://a.example/":
        assert metadata_urls(name) == [f"https://a.example{OAUTH}", f"https://a.example{OPENID}"]
    for name in "https://a.example/t/x", "https://a.example/t/x/":
        inserted = [f"https://a.example{OAUTH}/t/x", f"https://a.example{OPENID}/t/x"]
        assert metadata_urls(name) == [*inserted, f"https://a.example/t/x{OPENID}"]


def test_tokens_as_auth0_mints_them(issuer: StandIn) -> None:
    """Both of its profiles, with a second audience for UserInfo."""
    issuer.call("/", OPENID)
    issuer.serve("/jwks", {"keys": [stand_in.public(issuer.key, x5t="c29tZQ", x5c=["MIIC"])]})
    with serving(issuer) as server:
        audience = [server.mcp, f"{issuer.origin}/userinfo"]
        standard = server.token(aud=audience, sub="auth0|12")
        assert status(server, standard) == 200
        usual = {"azp": "client-1", "client_id": ..., "jti": ..., "gty": "client-credentials", "aud": audience}
        assert status(server, server.token(header={"typ": "JWT"}, **usual)) == 401
    with serving(issuer, RESOURCE_TOKEN_PROFILE="jwt") as server:
        usual["aud"] = [server.mcp, f"{issuer.origin}/userinfo"]
        answer = server.modern("tools/call", server.token(header={"typ": "JWT"}, **usual), name="whoami", arguments={})
        assert result(answer)["structuredContent"]["client_id"] == "client-1"
        id_token = {"aud": "client-1", "nonce": "n", "scope": ...}
        assert status(server, server.token(header={"typ": "JWT"}, **id_token)) == 401


def test_tokens_as_entra_mints_them(issuer: StandIn) -> None:
    """The audience is an application's id, `scp` holds the scopes, and keys do not name their algorithm."""
    tenant, application = "8e4f0a52-tenant", "11112222-bbbb-3333-cccc-4444dddd5555"
    issuer.call(f"/{tenant}/v2.0", f"/{tenant}/v2.0{OPENID}")
    issuer.serve("/jwks", {"keys": [stand_in.public(issuer.key, alg=None, x5c=["MIIC"], issuer=issuer.name)]})
    settings = {"AUDIENCE": application, "RESOURCE_TOKEN_PROFILE": "jwt", "RESOURCE_SCOPES": "access_as_user"}
    theirs = {
        "aud": application,
        "azp": "client-1",
        "nbf": int(time.time()),
        "oid": "0000",
        "scp": "access_as_user",
        "tid": tenant,
        "ver": "2.0",
        **dict.fromkeys(("client_id", "jti", "scope"), ...),
    }
    with serving(issuer, **settings) as server:
        assert status(server, server.token(header={"typ": "JWT"}, **theirs)) == 200
        assert status(server, server.token(header={"typ": "JWT"}, **{**theirs, "scp": "User.Read"})) == 403
        assert status(server, server.token(header={"typ": "JWT"}, **{**theirs, "aud": "another"})) == 401


BESIDE = "/.well-known/jwks.json"


@pytest.mark.parametrize("named", ["https://issuer.invalid", "here"], ids=["beside its keys", "where its name says"])
def test_scopes_that_it_does_not_announce_are_warned_of_wherever_keys_are_fetched(issuer: StandIn, named: str) -> None:
    """In containers its name may lead nowhere, and with an address for keys nothing else needs its metadata."""
    issuer.call("", OAUTH)
    name, keys = (issuer.name, "/jwks") if named == "here" else (named, BESIDE)
    issuer.serve(BESIDE, {"keys": [stand_in.public(issuer.key)]})
    told = {"issuer": name, "jwks_uri": "https://evil.invalid/jwks", "scopes_supported": ["mcp:tools"]}
    issuer.serve(OAUTH, told)
    said: list[str] = []
    sink = logger.add(said.append, level="WARNING")
    try:
        with serving(
            issuer, ISSUER=name, JWKS_URL=f"{issuer.origin}{keys}", RESOURCE_SCOPES="mcp:tools more"
        ) as server:
            assert status(server, server.token(iss=name, scope="mcp:tools more")) == 200
            wait_for(lambda: any("does not announce" in line for line in said))
            assert status(server, server.token(iss=name, scope="mcp:tools more")) == 200
    finally:
        logger.remove(sink)
    [warning] = [line for line in said if "does not announce" in line]
    assert " more " in warning
    assert issuer.asked.count(OAUTH) == 1
    assert issuer.asked.count(keys) == 1, "keys come from JWKS_URL alone, whatever the metadata says"


def test_metadata_that_cannot_be_had_matters_to_nobody_who_has_keys(issuer: StandIn) -> None:
    issuer.call("")
    issuer.serve(BESIDE, {"keys": [stand_in.public(issuer.key)]})
    for document in b"no JSON", b'{"issuer": "https://evil.example"}', b"[]":
        issuer.serve(OAUTH, document)
        issuer.asked.clear()
        with serving(issuer, ISSUER="https://issuer.invalid", JWKS_URL=f"{issuer.origin}{BESIDE}") as server:
            assert status(server, server.token(iss="https://issuer.invalid")) == 200
            wait_for(lambda: OAUTH in issuer.asked)
            assert status(server, server.token(iss="https://issuer.invalid")) == 200


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("lists", ["fail", "never end"])
async def test_keys_wait_for_nobodys_lists(issuer: StandIn, lists: str) -> None:
    """Scopes are compared beside the keys, not before them: what a server of somebody's lists may take its time."""

    async def needed() -> list[str]:
        if lists == "fail":
            raise RuntimeError("a provider is away")
        await asyncio.Event().wait()
        return []

    fetcher = Fetcher()
    found = Issuer(issuer.name, None, needed, fetcher)
    try:
        async with asyncio.timeout(20):
            assert b"keys" in await found.keys()
            await asyncio.sleep(0.1)
            assert b"keys" in await found.keys()
    finally:
        await found.close()
        await fetcher.close()
