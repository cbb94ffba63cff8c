"""Rows KEY-01, KEY-13 and KEY-14: the published key set, and what leads nowhere near it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import httpx
import pytest
from joserfc.jwk import KeySet, RSAKey
from tests.hostile.rows import row
from tests.hostile.target import Target

PATH = "/.well-known/jwks.json"
PUBLIC = {"kty", "kid", "use", "alg", "n", "e"}


@row("KEY-01")
def test_only_what_is_public_and_strong(issuer: Target) -> None:
    """With a second key, so that there are two kids to tell apart."""
    (first,) = issuer.send("GET", PATH, expect=200).json()["keys"]
    issuer.command("key", "new")
    deadline = time.monotonic() + 60
    while len(keys := (answer := issuer.send("GET", PATH, expect=200)).json()["keys"]) < 2:
        assert time.monotonic() < deadline, "the new key is not published"
        time.sleep(0.2)
    assert answer.headers["content-type"] in ("application/json", "application/jwk-set+json")
    assert "max-age=" in answer.headers["cache-control"]
    assert answer.headers["etag"]
    assert len({key["kid"] for key in keys}) == len(keys)
    for key in keys:
        assert set(key) == PUBLIC
        assert (key["kty"], key["use"], key["alg"]) == ("RSA", "sig", "RS256")
    for known in KeySet.import_key_set(answer.json()).keys:
        assert isinstance(known, RSAKey)
        assert not known.is_private
        assert known.raw_value.key_size >= 2048
    for key in keys:
        if key["kid"] != first["kid"]:
            issuer.command("key", "revoke", key["kid"])
    while issuer.client.get(PATH).json()["keys"] != [first]:  # what other tests meet is as it was
        assert time.monotonic() < deadline, "the revoked key is still published"
        time.sleep(0.2)


TRICKS = [
    "/jwks/../../etc/passwd",
    f"{PATH}/../../../../etc/passwd",
    f"{PATH}/..%2f..%2fetc%2fpasswd",
    f"{PATH}%2f..%2f..%2fetc%2fpasswd",
    f"{PATH}/%2e%2e/%2e%2e/keys",
    f"{PATH}%00",
    f"{PATH}%00.pem",
    f"{PATH};/../../keys",
    f"{PATH}/../keys/mcp-client.secret",
    "/keys/mcp-client.secret",
    "/.well-known/..%5c..%5ckeys",
    "//etc/passwd",
    "/jwks/' OR 1=1 --".replace(" ", "%20"),
]


@row("KEY-13")
@pytest.mark.parametrize("path", TRICKS)
def test_a_path_is_no_way_to_a_file(issuer: Target, path: str) -> None:
    answer = issuer.raw(f"GET {path} HTTP/1.1\r\nHost: {issuer.host}\r\n\r\n".encode(), expect={400, 404})
    assert b"root:" not in answer.body


@row("KEY-13")
@pytest.mark.parametrize("kid", ["../../x", "..%2f..%2fetc%2fpasswd", "%00", "'%20OR%201=1--", "x" * 2000])
def test_a_kid_in_the_query_changes_nothing(issuer: Target, kid: str) -> None:
    usual = issuer.send("GET", PATH, expect=200)
    assert issuer.send("GET", f"{PATH}?kid={kid}", expect=200).content == usual.content


@row("KEY-14")
def test_a_thousand_questions_cost_little(issuer: Target, record_property: Callable[[str, object], None]) -> None:
    """That they need no database is tested where it can be taken away: tests/issuer/endpoints/test_jwks.py."""
    first = issuer.send("GET", PATH, expect=200)
    assert json.loads(first.content)
    seconds: list[float] = []

    def ask(**headers: str) -> httpx.Response:
        started = time.perf_counter()
        answer = issuer.client.get(PATH, headers=headers)
        seconds.append(time.perf_counter() - started)
        return answer

    with issuer.holds(events=None, inputs=1000):
        for _ in range(500):
            assert ask().content == first.content
            unchanged = ask(**{"If-None-Match": first.headers["etag"], "Accept-Encoding": "gzip, br"})
            assert (unchanged.status_code, unchanged.content) == (304, b"")
            assert "content-encoding" not in unchanged.headers
    early, late = sorted(seconds[:200])[100], sorted(seconds[-200:])[100]
    record_property("milliseconds for the key set, median of 1000", round(sorted(seconds)[500] * 1000, 2))
    assert late < 10 * early, "it becomes slower"
