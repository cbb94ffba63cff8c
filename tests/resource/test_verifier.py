"""The rules for access tokens (RFC 9068 §4, RFC 8725): what is accepted, and all that is not."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.requirements import requirement
from tests.resource import stand_in

from resource_server.jwk import Key, parse_set
from resource_server.verifier import Identity, Rejected, Rules, accept, read

ISSUER, AUDIENCE, NOW = "https://issuer.example", "https://mcp.example/mcp", 1_800_000_000
RULES = Rules(ISSUER, AUDIENCE)
JWT = Rules(ISSUER, AUDIENCE, profile="jwt")
RSA, EC, ED = stand_in.rsa_key(), stand_in.ec_key(), stand_in.ed_key()
KEYS = parse_set(json.dumps({"keys": [stand_in.public(key) for key in (RSA, EC, ED)]}).encode(), RULES.algorithms)


def claims(**changes: Any) -> dict[str, Any]:
    return stand_in.claims(ISSUER, AUDIENCE, **{"iat": NOW, "exp": NOW + 900, **changes})


def verify(token: str, rules: Rules = RULES, keys: tuple[Key, ...] = KEYS, now: float = NOW) -> Identity:
    candidate = read(token, rules, now)
    return accept(candidate, [key for key in keys if candidate.kid in (None, key.kid)])


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@pytest.mark.parametrize("key", [RSA, EC, ED], ids=["RS256", "ES256", "EdDSA"])
def test_a_good_token_is_accepted_and_told_apart(key: Any) -> None:
    found = verify(stand_in.sign(key, claims(scope="mcp:tools notes:read", jti="j1")))
    assert (found.subject, found.client_id, found.jti) == ("alice", "client-1", "j1")
    assert found.scopes == ("mcp:tools", "notes:read")
    assert found.expires_at == NOW + 900


@pytest.mark.parametrize("typ", ["at+jwt", "AT+JWT", "application/at+jwt", "Application/AT+JWT"])
def test_every_spelling_of_the_type(typ: str) -> None:
    assert verify(stand_in.sign(RSA, claims(), typ=typ)).subject == "alice"


GOOD: dict[str, dict[str, Any]] = {
    "one of several audiences": {"aud": ["https://other.example", AUDIENCE]},
    "expired within the leeway": {"exp": NOW - 29},
    "not before within the leeway": {"nbf": NOW + 29},
    "issued ahead within the leeway": {"iat": NOW + 29},
    "a fraction of a second": {"exp": NOW + 0.5},
    "claims of its own": {"email": "a@b", "act": {"sub": "x"}},
    "no scope at all": {"scope": ...},
    "deep but bounded claims": {"x": [[[[[[[[1]]]]]]]]},
}


@pytest.mark.parametrize("changes", GOOD.values(), ids=GOOD)
def test_accepted(changes: dict[str, Any]) -> None:
    assert verify(stand_in.sign(RSA, claims(**changes))).subject == "alice"


MISSING: Any = ...
NOT_STRINGS: tuple[Any, ...] = (None, 1, True, [], {}, "", ["x"], {"x": 1}, "\n", "a\x00b", "x" * 1025)
ABSENT_OR_NO_STRING: tuple[Any, ...] = (MISSING, *NOT_STRINGS)
NOT_TIMES: tuple[Any, ...] = (None, True, "1800000900", [], {}, -1, 1e30, 2**60, "")
NOT_OURS: tuple[Any, ...] = (..., None, 1, [ISSUER], {"x": ISSUER}, ISSUER + "/", ISSUER[:-1], "")
NOT_FOR_US: tuple[Any, ...] = (..., None, 1, [], {}, [1, AUDIENCE], [None], AUDIENCE + "/", AUDIENCE + "/x")
BAD: dict[str, dict[str, Any]] = {
    **{f"iss {v!r}": {"iss": v} for v in NOT_OURS},
    "iss in upper case": {"iss": ISSUER.upper()},
    **{f"aud {v!r}": {"aud": v} for v in NOT_FOR_US},
    "aud of another scheme": {"aud": AUDIENCE.replace("https", "http")},
    "aud as a substring": {"aud": f"{AUDIENCE} https://x"},
    "aud nested": {"aud": [[AUDIENCE]]},
    **{f"exp {v!r}": {"exp": v} for v in (MISSING, *NOT_TIMES)},
    **{f"nbf {v!r}": {"nbf": v} for v in NOT_TIMES},
    **{f"iat {v!r}": {"iat": v} for v in (MISSING, *NOT_TIMES)},
    "expired": {"exp": NOW - 30},
    "not yet": {"nbf": NOW + 31},
    "from the future": {"iat": NOW + 31},
    **{f"{n} {v!r:.20}": {n: v} for n, v in product(("sub", "client_id", "jti"), ABSENT_OR_NO_STRING)},
    **{f"an ID token with {name}": {name: "x"} for name in ("nonce", "at_hash", "c_hash", "s_hash")},
    "a logout token": {"events": {"http://schemas.openid.net/event/backchannel-logout": {}}},
    **{f"bound to a key by {name}": {"cnf": {name: "x"}} for name in ("jkt", "x5t#S256")},
    "claims nested too deeply": {"x": json.loads("[" * 40 + "]" * 40)},
}


@pytest.mark.parametrize("changes", BAD.values(), ids=BAD)
def test_refused_for_its_claims(changes: dict[str, Any]) -> None:
    token = stand_in.sign(RSA, claims(**changes))
    with pytest.raises(Rejected):
        verify(token)


BAD_HEADERS: dict[str, dict[str, Any]] = {
    **{f"typ {v!r}": {"typ": v} for v in (..., "JWT", "logout+jwt", "id_token", "at+jwt+x", "", "application/jwt")},
    **{f"kid {v!r:.20}": {"kid": v} for v in ("", "../../etc/passwd", "' OR 1=1 --", "k" * 300, "K1")},
    **{name: {name: value} for name, value in {
        "jku": "https://evil.example/jwks", "x5u": "https://evil.example/cert", "jwk": stand_in.public(RSA),
        "x5c": ["MIIB"], "zip": "DEF", "cty": "JWT", "enc": "A256GCM",
    }.items()},
}  # fmt: skip


@requirement("rfc8725-3.11")
@pytest.mark.parametrize("header", BAD_HEADERS.values(), ids=BAD_HEADERS)
def test_refused_for_its_header(header: dict[str, Any]) -> None:
    token = stand_in.sign(RSA, claims(), **header)
    with pytest.raises(Rejected):
        verify(token)


def forged(header: Any, payload: Any = None, signature: bytes | None = None) -> str:
    """A token made by hand: header and payload as given, the signature of a good one."""
    good = stand_in.sign(RSA, claims())
    parts = good.split(".")
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    body = parts[1] if payload is None else b64(payload if isinstance(payload, bytes) else json.dumps(payload).encode())
    return f"{b64(text)}.{body}.{parts[2] if signature is None else b64(signature)}"


HEADER = {"alg": "RS256", "typ": "at+jwt", "kid": "k1"}
ALGS: tuple[Any, ...] = (
    "none", "None", "NONE", "nOnE", "", None, 1, [], "HS256", "RS512", "PS256", "rs256", "RS256 ", "EdDSA",
)  # fmt: skip
NO_KID: tuple[Any, ...] = (None, 1, [], {}, True)
FORGED: dict[str, Callable[[], str]] = {
    **{f"alg {v!r}": partial(forged, {**HEADER, "alg": v}, signature=b"")
       for v in ALGS},
    "no alg": lambda: forged({"typ": "at+jwt", "kid": "k1"}),
    "no signature": lambda: forged(HEADER, signature=b"").rstrip("."),
    "crit": lambda: forged({**HEADER, "crit": ["x"], "x": 1}),
    "crit empty": lambda: forged({**HEADER, "crit": []}),
    "b64 false": lambda: forged({**HEADER, "b64": False}),
    **{f"kid {v!r}": partial(forged, {**HEADER, "kid": v}) for v in NO_KID},
    "a thousand brackets": lambda: forged(b"[" * 1000),
    "a hundred thousand brackets": lambda: forged(b"[" * 100_000),
    "deep in the payload": lambda: forged(HEADER, b"[" * 1500),
    "a doubled alg": lambda: forged(b'{"alg":"none","alg":"RS256","typ":"at+jwt","kid":"k1"}'),
    "a doubled claim": lambda: forged(HEADER, b'{"exp":1,"exp":2}'),
    "a header that is no object": lambda: forged([]),
    "a payload that is no object": lambda: forged(HEADER, b'"x"'),
    "NaN": lambda: forged(HEADER, b'{"exp":NaN}'),
    "Infinity": lambda: forged(HEADER, b'{"exp":Infinity}'),
    "1e309": lambda: forged(HEADER, b'{"exp":1e309}'),
    "a number of 5000 digits": lambda: forged(HEADER, b'{"exp":%s}' % (b"9" * 5000)),
    "invalid UTF-8": lambda: forged(HEADER, b'{"sub":"\xff"}'),
    "a byte order mark": lambda: forged(HEADER, b"\xef\xbb\xbf{}"),
    "half a surrogate pair": lambda: forged(HEADER, b'{"sub":"\\ud800"}'),
    "text after the object": lambda: forged(HEADER, b"{} {}"),
    "another payload": lambda: forged(HEADER, claims(sub="mallory")),
    "another signature": lambda: forged(HEADER, signature=b"x" * 256),
    "a huge signature": lambda: forged(HEADER, signature=b"x" * 4096),
    "a huge header": lambda: forged({**HEADER, "x": "y" * 4096}),
}  # fmt: skip


@pytest.mark.parametrize("make", FORGED.values(), ids=FORGED)
def test_refused_because_forged_or_malformed(make: Callable[[], str]) -> None:
    token = make()
    with pytest.raises(Rejected):
        verify(token)


@pytest.mark.parametrize("change", [
    lambda t: t + ".x", lambda t: t + "=", lambda t: t[:20] + "\n" + t[20:], lambda t: t.replace(".", " . "),
    lambda t: t + "x" * 9000, lambda t: t.replace(".", ".."), lambda t: "", lambda t: ".", lambda t: "..",
    lambda t: "." + t, lambda t: t[1:], lambda t: t[:-1], lambda t: t.encode().hex(), lambda t: "é" + t,
    lambda t: t.replace("-", "+").replace("_", "/") + "/", lambda t: " " + t, lambda t: t + "\x00",
])  # fmt: skip
def test_a_good_token_spelled_otherwise_is_refused(change: Callable[[str], str]) -> None:
    good = stand_in.sign(RSA, claims())
    assert verify(good).subject == "alice"
    with pytest.raises(Rejected):
        verify(change(good))


def test_the_last_character_has_one_spelling() -> None:
    """Trailing bits of base64 may be anything to a lenient decoder: 256 signature bytes leave four of them."""
    good = stand_in.sign(RSA, claims())
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    twin = alphabet[alphabet.index(good[-1]) + 1]
    with pytest.raises(Rejected, match="canonical"):
        verify(good[:-1] + twin)


def test_a_key_is_used_for_its_own_algorithm_alone() -> None:
    unsigned = f"{b64(json.dumps({**HEADER, 'alg': 'HS256'}).encode())}.{b64(json.dumps(claims()).encode())}"
    for secret in (
        RSA.as_pem(private=False),
        RSA.as_der(private=False),
        json.dumps(stand_in.public(RSA)).encode(),
        b"",
    ):
        mac = hmac.digest(secret, unsigned.encode(), hashlib.sha256)
        with pytest.raises(Rejected, match="algorithm"):
            verify(f"{unsigned}.{b64(mac)}")
    with pytest.raises(Rejected):  # an EC signature, said to be RS256 by the RSA key
        verify(forged(HEADER, signature=b"\0" * 64))


@requirement("rfc8725-3.1")
def test_only_configured_algorithms() -> None:
    token = stand_in.sign(EC, claims())
    with pytest.raises(Rejected, match="algorithm"):
        verify(token, Rules(ISSUER, AUDIENCE, algorithms=("RS256",)))


NO_SCOPES: tuple[Any, ...] = ("", "a  b", " a", "a ", "a\tb", "é", 'a "b"', ["a"], [{"a": 1}], 1, None, {})
SCOPES: dict[str, tuple[Any, tuple[str, ...]]] = {
    "parted by one blank": ("a b c", ("a", "b", "c")),
    "doubled": ("a b a", ("a", "b")),
    **{f"{v!r:.30}": (v, ()) for v in NO_SCOPES},
    "ten thousand": (" ".join(f"s{n}" for n in range(1000)), ()),
}


@pytest.mark.parametrize(("value", "granted"), SCOPES.values(), ids=SCOPES)
def test_what_is_no_scope_grants_nothing(value: Any, granted: tuple[str, ...]) -> None:
    assert verify(stand_in.sign(RSA, claims(scope=value))).scopes == granted


class TestOtherIssuers:
    """The profile `jwt`: typ JWT, azp, scp, no jti and no iat; still no ID token, still an audience and a scope."""

    @pytest.mark.parametrize("changes", [
        {}, {"client_id": ..., "azp": "client-1"}, {"scope": ..., "scp": ["mcp:tools"]}, {"jti": ..., "iat": ...},
        {"scope": ["mcp:tools"]}, {"scope": ..., "scp": "mcp:tools"},
    ])  # fmt: skip
    def test_accepted(self, changes: dict[str, Any]) -> None:
        found = verify(stand_in.sign(RSA, claims(**changes), typ="JWT"), JWT)
        assert found.client_id == "client-1"
        assert found.scopes == ("mcp:tools",)

    @pytest.mark.parametrize("changes", [
        {"nonce": "x"}, {"at_hash": "x"}, {"scope": ...}, {"aud": ...}, {"client_id": ...}, {"exp": ...}, {"sub": ...},
        {"events": {}}, {"aud": "client-1"}, {"iat": "x"}, {"jti": 1}, {"client_id": 1, "azp": "client-1"},
    ])  # fmt: skip
    def test_refused(self, changes: dict[str, Any]) -> None:
        token = stand_in.sign(RSA, claims(**changes), typ="JWT")
        with pytest.raises(Rejected):
            verify(token, JWT)

    def test_no_type_is_refused(self) -> None:
        with pytest.raises(Rejected):
            verify(stand_in.sign(RSA, claims(), typ=...), JWT)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda x: st.lists(x) | st.dictionaries(st.text(), x),
)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from([*HEADER, "crit", "b64", "jwk", "x"]), JSON), st.dictionaries(st.text(), JSON))
def test_no_header_and_no_payload_makes_anything_but_a_refusal(header: dict[str, Any], payload: dict[str, Any]) -> None:
    token = forged(json.dumps(header).encode(), json.dumps(payload).encode())
    with pytest.raises(Rejected):
        verify(token)


@settings(max_examples=300, deadline=None)
@given(st.text())
@example("\ud800")
@example("a.b.c")
def test_no_text_makes_anything_but_a_refusal(token: str) -> None:
    with pytest.raises(Rejected):
        verify(token)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(["iss", "aud", "exp", "iat", "sub", "jti", "client_id"]), JSON)
def test_a_signed_token_with_any_value_is_judged_without_an_accident(name: str, value: Any) -> None:
    token = stand_in.sign(RSA, json.dumps(claims(**{name: value})).encode())
    try:
        found = verify(token)
    except Rejected:
        return
    assert found.issuer == ISSUER
    assert found.expires_at + 30 > NOW
