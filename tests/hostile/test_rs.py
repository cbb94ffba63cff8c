"""Rows RS: tokens at the resource that are wrong in one thing, signed by the issuer's own key where that helps them."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.hostile.forge import GONE, Forger, b64
from tests.hostile.rows import row
from tests.hostile.target import Target
from tests.support import servers

BODY = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
HEADERS = {"Accept": "application/json, text/event-stream"}
Make = Callable[[Forger], str]


@pytest.fixture(scope="module")
def forger(attacked: servers.Pair) -> Forger:
    return Forger(attacked)


def refused(resource: Target, token: str | bytes, *, status: int = 401) -> httpx.Response:
    """A token is refused in the way of RFC 6750 §3.1, and nothing of it comes back."""
    value = b"Bearer " + (token.encode() if isinstance(token, str) else token)
    answer = resource.send("POST", "/mcp", expect=status, json=BODY, headers=[("Authorization", value)])
    challenge = answer.headers["www-authenticate"]
    assert challenge.startswith('Bearer error="')
    assert ("invalid_token" if status == 401 else "insufficient_scope") in challenge
    assert "resource_metadata=" in challenge
    assert "scope=" in challenge
    assert answer.headers["cache-control"] == "no-store"
    return answer


def accepted(resource: Target, token: str) -> None:
    headers = {**HEADERS, "Authorization": f"Bearer {token}", "MCP-Protocol-Version": "2025-11-25"}
    answer = resource.client.post("/mcp", json=BODY, headers=headers)
    assert answer.status_code == 400, "past the gate: there is no session yet"
    assert "session" in answer.text.lower()


@row("RS-01")
@pytest.mark.parametrize("value", [None, "", "Basic eDp5", "Bearer", "Bearer\tx", "BearerX", "Negotiate x", "Bearer,x"])
def test_without_bearer_credentials_the_challenge_is_bare(resource: Target, value: str | None) -> None:
    headers = {} if value is None else {"Authorization": value}
    for method in ("POST", "GET", "DELETE"):
        answer = resource.send(method, "/mcp", expect=401, headers=headers)
        metadata = f"{resource.origin}/.well-known/oauth-protected-resource/mcp"
        assert answer.headers["www-authenticate"] == f'Bearer resource_metadata="{metadata}", scope="mcp:tools"'


@row("RS-01")
def test_the_scheme_is_read_in_any_case(resource: Target, forger: Forger) -> None:
    token = forger.token()
    for scheme in ("Bearer ", "bearer ", "BEARER ", "bEaReR  "):
        headers = {**HEADERS, "Authorization": scheme + token}
        assert resource.client.post("/mcp", json=BODY, headers=headers).status_code == 400


@row("RS-02")
@pytest.mark.parametrize(
    "alg", ["none", "None", "NONE", "nOnE", "", "none ", None, [], {}, 0, False, GONE, "RS384", "PS256"]
)
@pytest.mark.parametrize("signature", ["", "right"])
def test_no_algorithm_but_those_configured(resource: Target, forger: Forger, alg: Any, signature: str) -> None:
    token = forger.headed(alg=alg)
    refused(resource, token if signature else token.rpartition(".")[0] + ".")


@row("RS-03")
@pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512"])
def test_a_public_key_is_no_secret(resource: Target, forger: Forger, alg: str) -> None:
    jwks = resource.client.get(f"{forger.pair.issuer}/.well-known/jwks.json").content
    public = json.loads(jwks)["keys"][0]
    pem, der = forger.jwk.as_pem(private=False), forger.jwk.as_der(private=False)
    unsigned = f"{b64(json.dumps(forger.header(alg=alg)).encode())}.{b64(json.dumps(forger.claims()).encode())}"
    for secret in (pem, pem.strip(), der, jwks, json.dumps(public).encode(), public["n"].encode(), b""):
        mac = hmac.digest(secret, unsigned.encode(), f"sha{alg[2:]}")
        refused(resource, f"{unsigned}.{b64(mac)}")


def every(claim: str, values: tuple[Any, ...]) -> dict[str, Make]:
    return {f"{claim} {value!r:.40}": lambda f, v=value: f.token(**{claim: v}) for value in values}  # type: ignore[misc]


ISS: tuple[Any, ...] = (GONE, None, "", 1, [], {}, "https://evil.example")
AUD: tuple[Any, ...] = (
    GONE,
    None,
    "",
    1,
    [],
    {},
    [1],
    "https://evil.example/mcp",
    ["https://evil.example"],
    "mcp",
    "/mcp",
)


@row("RS-05")
@pytest.mark.parametrize("make", every("iss", ISS).values(), ids=every("iss", ISS))
def test_another_issuer(resource: Target, forger: Forger, make: Make) -> None:
    refused(resource, make(forger))


@row("RS-05")
def test_an_issuer_that_looks_alike(resource: Target, forger: Forger) -> None:
    iss = forger.pair.issuer
    for like in (iss + "/", iss[:-1], iss + "x", iss.upper(), "https" + iss[4:], [iss], {"iss": iss}, f" {iss}"):
        refused(resource, forger.token(iss=like))


@row("RS-06")
@pytest.mark.parametrize("make", every("aud", AUD).values(), ids=every("aud", AUD))
def test_another_audience(resource: Target, forger: Forger, make: Make) -> None:
    refused(resource, make(forger))


@row("RS-06")
def test_an_audience_that_looks_alike(resource: Target, forger: Forger) -> None:
    aud = forger.pair.mcp
    for like in (
        aud + "/",
        aud + "/x",
        aud[:-1],
        aud.upper(),
        "https" + aud[4:],
        aud.removesuffix("/mcp"),
        f"{aud} x",
        [[aud]],
    ):
        refused(resource, forger.token(aud=like))
    accepted(resource, forger.token(aud=["https://other.example", aud]))


@row("RS-07")
@pytest.mark.parametrize(
    "typ", ["JWT", GONE, None, "", "logout+jwt", "id_token", "dpop+jwt", "oauth-id-jag+jwt", ["at+jwt"], 1]
)
def test_only_access_tokens(resource: Target, forger: Forger, typ: Any) -> None:
    refused(resource, forger.headed(typ=typ))


@row("RS-07")
@pytest.mark.parametrize("typ", ["at+jwt", "AT+JWT", "application/at+jwt", "Application/At+JWT"])
def test_every_spelling_of_the_type(resource: Target, forger: Forger, typ: str) -> None:
    accepted(resource, forger.headed(typ=typ))


@row("RS-08")
def test_an_id_token_for_us_is_no_access_token(resource: Target, forger: Forger) -> None:
    digest = b64(hashlib.sha256(b"x").digest()[:16])
    claims = forger.claims(nonce="n", at_hash=digest, auth_time=1, sid="s", azp="forger", client_id=GONE, scope=GONE)
    for typ in ("JWT", "at+jwt", GONE):
        refused(resource, forger.signed(forger.header(typ=typ), json.dumps(claims).encode()))
    refused(resource, forger.token(nonce="n"))


@row("RS-09")
def test_a_token_without_an_end(resource: Target, forger: Forger) -> None:
    refused(resource, forger.token(exp=GONE))


TIMES: tuple[Any, ...] = ("123", True, None, [], {}, -1, "", 1e300, 2**70)


@row("RS-11")
@pytest.mark.parametrize("claim", ["exp", "nbf", "iat"])
@pytest.mark.parametrize("value", TIMES, ids=lambda value: repr(value)[:20])
def test_a_time_that_is_none(resource: Target, forger: Forger, claim: str, value: Any) -> None:
    refused(resource, forger.token(**{claim: value}))


@row("RS-11")
@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e309", "-1e309", "1" * 5000, "0x10", "1_0", "+1"])
def test_a_time_that_json_cannot_write(resource: Target, forger: Forger, text: str) -> None:
    payload = json.dumps(forger.claims(exp="@")).replace('"@"', text)
    refused(resource, forger.over(json.dumps(forger.header()).encode(), payload.encode()))


NO_CRIT: tuple[Any, ...] = ([], "x", None, 1)
EXTRAS: dict[str, Any] = {
    "crit": ["x"], "crit ": ["b64"], "b64": False, "zip": "DEF", "jku": "http://127.0.0.1:1/jwks", "cty": "JWT",
    "x5u": "http://127.0.0.1:1/c", "jwk": {"kty": "RSA", "n": "AQAB", "e": "AQAB"}, "x5c": ["MIIB"], "enc": "A128GCM",
}  # fmt: skip


@row("RS-13")
@pytest.mark.parametrize("name", EXTRAS)
def test_a_header_that_changes_the_rules(resource: Target, forger: Forger, name: str) -> None:
    refused(resource, forger.headed(**{name.strip(): EXTRAS[name]}))
    for crit in NO_CRIT:
        refused(resource, forger.headed(crit=crit))


KIDS: list[Any] = [None, 1, [], {}, "", "../../../etc/passwd", "k" * 65_536, "a\x00b", "' OR 1=1;--", "é", "\ud800"]


@row("RS-14")
@pytest.mark.parametrize("kid", KIDS, ids=lambda kid: repr(kid)[:20])
def test_a_key_name_is_a_name(resource: Target, forger: Forger, kid: Any) -> None:
    refused(resource, forger.headed(kid=kid))


@row("RS-15")
@pytest.mark.parametrize("opener", [b"[", b'{"a":', b'[{"a":'])
@pytest.mark.parametrize("times", [33, 1000, 1300])
def test_a_header_nested_without_end(resource: Target, opener: bytes, times: int) -> None:
    for part in (f"{b64(opener * times)}.e30.AAAA", f"e30.{b64(opener * times)}.AAAA"):
        refused(resource, part)


PAYLOADS: dict[str, bytes] = {
    "a list": b"[]", "a text": b'"x"', "a number": b"1", "nothing": b"null", "empty": b"", "half": b'{"a":',
    "a byte order mark": b"\xef\xbb\xbf{}", "more after it": b"{}{}", "UTF-16": '{"a":1}'.encode("utf-16"),
    "invalid UTF-8": b'{"a":"\xff"}',
}  # fmt: skip


@row("RS-16")
@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS)
def test_a_payload_that_is_no_object(resource: Target, forger: Forger, payload: bytes) -> None:
    refused(resource, forger.over(json.dumps(forger.header()).encode(), payload))
    refused(resource, forger.over(payload, json.dumps(forger.claims()).encode()))


@row("RS-16")
@pytest.mark.parametrize("member", ["exp", "aud", "scope", "iss"])
def test_a_member_written_twice(resource: Target, forger: Forger, member: str) -> None:
    claims = forger.claims()
    payload = json.dumps(claims)[:-1] + f',"{member}":{json.dumps(claims[member])}}}'
    refused(resource, forger.over(json.dumps(forger.header()).encode(), payload.encode()))
    header = json.dumps(forger.header())[:-1] + ',"alg":"RS256"}'
    refused(resource, forger.over(header.encode(), json.dumps(claims).encode()))


SPELLINGS: dict[str, Callable[[str], str]] = {
    "five parts": lambda t: t + ".x.y", "padding": lambda t: t + "=", "a blank inside": lambda t: t[:30] + " " + t[30:],
    "another alphabet": lambda t: t + "+/", "two parts": lambda t: t.rpartition(".")[0],
    "100 kB": lambda t: t + "A" * 100_000, "twice": lambda t: f"{t},{t}", "in quotes": lambda t: f'"{t}"',
    "one bit more": lambda t: t[:-1] + chr(ord(t[-1]) + 1),
}  # fmt: skip


@row("RS-16")
@row("RS-27")
@pytest.mark.parametrize("change", SPELLINGS.values(), ids=SPELLINGS)
def test_a_good_token_spelled_otherwise(resource: Target, forger: Forger, change: Callable[[str], str]) -> None:
    accepted(resource, token := forger.token())
    refused(resource, change(token))


@row("RS-27")
def test_an_authorization_header_of_a_megabyte(resource: Target) -> None:
    head = f"POST /mcp HTTP/1.1\r\nHost: {resource.host}\r\nAuthorization: Bearer ".encode()
    resource.raw(head + b"A" * 1_000_000 + b"\r\n\r\n", expect=[431])
    refused(resource, "A" * 65_536)


@row("RS-28")
@pytest.mark.parametrize("scope", ["", "openid", "mcp", "mcp:tool", "mcp:tools2", "MCP:TOOLS", GONE])
def test_too_little_scope_is_403(resource: Target, forger: Forger, scope: Any) -> None:
    answer = refused(resource, forger.token(scope=scope), status=403)
    assert 'scope="mcp:tools"' in answer.headers["www-authenticate"]


NO_SCOPES = [
    ["mcp:tools"],
    [{"mcp:tools": 1}],
    1,
    True,
    None,
    "mcp:tools  x",
    " mcp:tools",
    "mcp:tools\t",
    "mcp:tools é",
]
NO_SCOPES += [" ".join(f"s{n}" for n in range(300)) + " mcp:tools"]


@row("RS-30")
@pytest.mark.parametrize("scope", NO_SCOPES, ids=lambda scope: repr(scope)[:20])
def test_a_scope_that_is_none_grants_nothing(resource: Target, forger: Forger, scope: Any) -> None:
    refused(resource, forger.token(scope=scope), status=403)
    refused(resource, forger.token(scope=GONE, scp="mcp:tools"), status=403)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)


@row("RS-16")
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(claim=st.sampled_from(["iss", "aud", "exp", "iat", "nbf", "sub", "jti", "client_id", "typ", "kid"]), value=JSON)
def test_whatever_stands_in_a_claim(resource: Target, forger: Forger, claim: str, value: Any) -> None:
    token = forger.headed(**{claim: value}) if claim in ("typ", "kid") else forger.token(**{claim: value})
    answer = resource.client.post("/mcp", json=BODY, headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code in (401, 400, 406), answer.text
