"""The key set over HTTP, and that what it publishes verifies what the token endpoint signs."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from joserfc import jwk, jwt
from tests.hostile.rows import row
from tests.issuer.started import Issuer, started

pytestmark = pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
PATH = "/.well-known/jwks.json"


def test_only_public_members(issuer: Issuer):
    """KEY-01."""
    answer = issuer.http.get(PATH)
    assert answer.headers["content-type"] == "application/jwk-set+json"
    (key,) = answer.json()["keys"]
    assert set(key) == {"kty", "crv", "x", "kid", "use", "alg"}
    assert not jwk.import_key(key).is_private


def test_it_verifies_what_the_issuer_signs(issuer: Issuer):
    token = issuer.http.post("/dev/token").json()["access_token"]
    keys = jwk.KeySet.import_key_set(issuer.http.get(PATH).json())
    decoded = jwt.decode(token, keys, algorithms=["EdDSA"])
    assert decoded.header["typ"] == "at+jwt"
    assert decoded.claims["iss"] == issuer.origin


def test_caches_and_other_origins(issuer: Issuer):
    answer = issuer.http.get(PATH, headers={"Origin": "https://page.test"})
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["cache-control"] == "public, max-age=300"
    again = issuer.http.get(PATH, headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", answer.headers["etag"])
    assert issuer.http.head(PATH).status_code == 200
    assert issuer.http.get(PATH + "?kid=../../etc/passwd").content == answer.content


@row("KEY-14")
def test_the_keys_need_no_database(tmp_path: Path):
    """Resources go on verifying while it is away, and start anew meanwhile."""
    with started(tmp_path) as issuer:
        before = issuer.http.get(PATH)
        asyncio.run_coroutine_threadsafe(issuer.server.store.close(), issuer.loop).result(10)
        assert issuer.http.get("/readyz").status_code == 503, "it is away"
        issuer.clock.now += 3600
        answer = issuer.http.get(PATH)
        assert (answer.status_code, answer.content) == (200, before.content)
        assert issuer.http.get(PATH, headers={"If-None-Match": answer.headers["etag"]}).status_code == 304


@pytest.mark.parametrize("path", ["/.well-known/jwks.json/", "/.well-known/jwks", "/keys", "/.well-known//jwks.json"])
def test_nothing_else_is_near_it(issuer: Issuer, path: str):
    assert issuer.http.get(path).status_code == 404
