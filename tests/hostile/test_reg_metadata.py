"""Rows REG-25 to REG-34 and REG-40: what a client says of itself beside its redirect URIs."""

from __future__ import annotations

import base64
import html
import re
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey
from tests.hostile import raw
from tests.hostile.rows import row
from tests.hostile.target import Target
from tests.hostile.test_net import HELD
from tests.hostile.test_reg import LOOPBACK, refused, registered
from tests.support.oauth import Client, Person

SECRETS = ("client_id", "client_secret", "registration_access_token", "registration_client_uri")
HARMLESS = [
    *(
        "<img src=x onerror=alert(1)>",
        "</title><script>alert(1)</script>",
        '"><svg onload=alert(1)>',
        "Claude",
        "💡 Ünï",
    ),
    *("{{7*7}}", "${jndi:ldap://x}", "%s%n", "名前", "' OR 1=1 --", "&lt;b&gt;", "  Claude  ", "N" * 200),
]
MISLEADING = [
    *("Claude\u202egnp.exe", "a\u200db", "a\u200bb", "a\u2066b\u2069", "\ufeffClaude", "a\u00adb", "a\u061cb"),
    *("a\nb", "a\tb", "a\0b", "a\x1b[31mb", "a\u2028b", "a\u2029b", "a\U000e0041b", "\ue000"),
    *("N" * 201, "N" * 10_240),
]


@row("REG-25")
def test_nobody_chooses_what_the_server_says(issuer: Target) -> None:
    canary = issuer.canary()
    chosen: dict[str, Any] = {
        **dict.fromkeys([*SECRETS, "__proto__", "prototype", "registration", "sub", "client_name#fr"], canary),
        **{name: {"polluted": canary} for name in ("constructor", "__class__", "__init__", "$where")},
        **{name: [canary] for name in ("introspects", "resources", "secrets")},
        **dict.fromkeys(("is_admin", "trusted"), True),
        "origin": "operator",
    }
    for method in ("none", "client_secret_basic"):
        made = registered(issuer, **{**chosen, "token_endpoint_auth_method": method})
        assert canary not in str(made)
        assert not made.keys() & (chosen.keys() - set(SECRETS))
        assert made["registration_client_uri"] == f"{issuer.origin}/register/{made['client_id']}"
        issuer.send("GET", f"/register/{made['client_id']}", expect=401, headers={"authorization": f"Bearer {canary}"})
    assert not [each for each in issuer.state() if canary in each[1]], "what was not asked for is stored"


@row("REG-25")
@HELD
@given(members=st.dictionaries(st.text(min_size=1, max_size=20), st.text(max_size=20) | st.integers() | st.booleans()))
def test_unknown_members_change_nothing(issuer: Target, members: dict[str, Any]) -> None:
    strange = {f"x{name}": value for name, value in members.items()}
    made = registered(issuer, **strange)
    assert not made.keys() & strange.keys()
    assert re.fullmatch(r"mcp_client_[A-Za-z0-9_-]{22}", made["client_id"])


@row("REG-26")
@pytest.mark.parametrize("name", HARMLESS)
def test_a_name_is_text(issuer: Target, name: str) -> None:
    made = registered(issuer, client_name=name)
    assert made["client_name"] == name.strip()
    client = Client(issuer.client, made["client_id"], LOOPBACK[0])
    page = Person(issuer.origin).consent_page(client).text
    shown = html.escape(name.strip()[:40])  # long names are cut on the page
    assert shown in page.replace("&#34;", "&quot;").replace("&#39;", "&#x27;")
    assert "<img src=x" not in page
    assert "<script>alert" not in page
    assert "<svg onload" not in page


@row("REG-26")
@pytest.mark.parametrize("name", [*MISLEADING, 1, [], {}, True, ["Claude"]])
def test_a_name_does_not_mislead(issuer: Target, name: Any) -> None:
    refused(issuer, client_name=name)


@row("REG-26")
@pytest.mark.parametrize("name", ["   ", "", "\u3000\u3000", "\u00a0"])
def test_a_name_of_blanks_is_none(issuer: Target, name: str) -> None:
    assert "client_name" not in registered(issuer, client_name=name)


@row("REG-26")
@HELD
@given(name=st.text(max_size=220))
def test_any_name_is_refused_or_kept_as_it_is(issuer: Target, name: str) -> None:
    document = {"redirect_uris": LOOPBACK, "client_name": name}
    answer = issuer.send("POST", "/register", expect={201, 400}, changes=True, json=document, may_echo={name})
    if answer.status_code == 400:
        assert len(name) > 200 or any(unicodedata.category(c)[0] in "CZ" for c in name)
    else:
        assert answer.json().get("client_name", "") == name.strip()
        assert not any(unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp") for c in name)


@row("REG-27")
@pytest.mark.parametrize(
    "name", ["logo_uri", "client_uri#zh-Hans-CN", "tos_uri", "tos_uri#fr", "policy_uri", "logo_uri#"]
)
def test_addresses_for_people_are_https(issuer: Target, name: str) -> None:
    for uri in (
        *("javascript:alert(1)", "data:image/svg+xml,<svg onload=alert(1)>", "http://app.test/logo.png", "/rel", "rel"),
        *("//app.test/x", "HTTPS:app.test", "https:///x", "https://a@evil.test/", r"https://a\b", "https://a b"),
        *("https://app.test/\n", 1, [], ["https://app.test"], "https://a/" + "x" * 3000),
    ):
        refused(issuer, **{name: uri})
    assert registered(issuer, **{name: "https://app.test/x"})


@row("REG-27")
def test_a_logo_is_not_loaded_by_the_consent_page(issuer: Target) -> None:
    client = Client.register(issuer.client, logo_uri="https://logo-host.test/logo.png")
    assert "logo-host.test" not in Person(issuer.origin).consent_page(client).text


RSA = RSAKey.generate_key(2048).as_dict(private=True)
EC = ECKey.generate_key("P-256").as_dict(private=True)
OKP = OKPKey.generate_key("Ed25519").as_dict(private=True)
PRIVATE = ("d", "p", "q", "dp", "dq", "qi", "oth", "k")


def public(key: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {**{name: value for name, value in key.items() if name not in PRIVATE}, **more}


def number(value: int) -> str:
    return base64.urlsafe_b64encode(value.to_bytes((value.bit_length() + 7) // 8 or 1)).rstrip(b"=").decode()


BAD_KEYS: dict[str, Any] = {
    "a symmetric key": OctKey.generate_key(256).as_dict(private=True),
    "a symmetric key beside": {"kty": "oct"},
    **{f"RSA of {bits} bits": {"kty": "RSA", "n": number(2**bits - 159), "e": "AQAB"} for bits in (512, 1024, 2040)},
    **{f"e={e}": public(RSA, e=number(e)) for e in (0, 1, 2, 4, 65536)},
    "alg of another type": public(RSA, alg="ES256"),
    "alg HS256": public(RSA, alg="HS256"),
    "alg none": public(EC, alg="none"),
    "for encryption": public(RSA, use="enc"),
    "to sign with": public(EC, key_ops=["sign"]),
    "off the curve": public(EC, x=public(EC)["y"], y=public(EC)["x"]),
    "the point at infinity": public(EC, x="AA", y="AA"),
    "another curve's name": public(EC, crv="P-521"),
    "no curve": {name: value for name, value in public(EC).items() if name != "crv"},
    "a short Ed25519": public(OKP, x="AAAA"),
    "a kid of a list": public(EC, kid=["a"]),
    "a long kid": public(EC, kid="k" * 257),
    "not base64": public(RSA, n="***"),
    "an unknown type": {"kty": "XYZ"},
    "nothing": {},
    "no object": "key",
}


@row("REG-28")
@pytest.mark.parametrize("method", ["private_key_jwt", "none", "client_secret_basic"])
def test_keys_by_value_or_by_address(issuer: Target, method: str) -> None:
    both = {"jwks": {"keys": [public(EC)]}, "jwks_uri": "https://app.test/jwks"}
    refused(issuer, token_endpoint_auth_method=method, **both)


@row("REG-29")
@pytest.mark.parametrize("name", BAD_KEYS)
@pytest.mark.parametrize("method", ["private_key_jwt", "none"])
def test_keys_that_prove_nothing(issuer: Target, name: str, method: str) -> None:
    for keys in ([BAD_KEYS[name]], [public(EC), BAD_KEYS[name]]):
        refused(issuer, token_endpoint_auth_method=method, jwks={"keys": keys})


@row("REG-29")
@pytest.mark.parametrize("key", [RSA, EC, OKP], ids=["RSA", "EC", "OKP"])
@pytest.mark.parametrize("name", PRIVATE)
def test_private_parts_are_not_kept(issuer: Target, key: dict[str, Any], name: str) -> None:
    """Neither stored nor logged: the harness looks for canaries, and for the true private members below."""
    refused(issuer, jwks={"keys": [public(key, **{name: issuer.canary()})]})
    issuer.canaries |= {value for part in PRIVATE if len(value := str(key.get(part, ""))) > 20}
    refused(issuer, token_endpoint_auth_method="private_key_jwt", jwks={"keys": [key]})


@row("REG-29")
@pytest.mark.parametrize(
    "jwks",
    [
        *(None, [], "x", 1, {}, {"keys": {}}, {"keys": []}, {"keys": None}, {"keys": [None]}, {"keys": "x"}),
        *(
            {"keys": [public(EC, kid="a"), public(RSA, kid="a")]},
            {"keys": [public(EC, kid=str(n)) for n in range(1000)]},
        ),
    ],
    ids=lambda value: str(value)[:20],
)
def test_sets_that_are_none(issuer: Target, jwks: Any) -> None:
    body = {"redirect_uris": LOOPBACK, "token_endpoint_auth_method": "private_key_jwt", "jwks": jwks}
    issuer.send("POST", "/register", expect={400, 413}, json=body)


@row("REG-30")
@pytest.mark.parametrize(
    "metadata",
    [
        {"token_endpoint_auth_method": "private_key_jwt"},
        {"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": "http://app.test/jwks"},
        {"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": "https://a@app.test/jwks"},
        {"token_endpoint_auth_method": "none", "grant_types": ["client_credentials"]},
        {"token_endpoint_auth_method": "none", "grant_types": ["authorization_code", "client_credentials"]},
        {"token_endpoint_auth_method": "client_secret_basic", "grant_types": ["client_credentials"]},
        *(
            {"token_endpoint_auth_method": method}
            for method in (
                "client_secret_jwt",
                "tls_client_auth",
                "None",
                "self_signed_tls_client_auth",
                1,
                [],
                ["none"],
            )
        ),
    ],
)
def test_authentication_that_cannot_work(issuer: Target, metadata: dict[str, Any]) -> None:
    refused(issuer, **metadata)


@row("REG-31")
@pytest.mark.parametrize(
    "metadata",
    [
        *(
            {"grant_types": grants}
            for grants in (
                *(
                    ["implicit"],
                    ["password"],
                    ["urn:ietf:params:oauth:grant-type:jwt-bearer"],
                    ["refresh_token"],
                    "x",
                    [1],
                ),
                *(["authorization_code", "implicit"], ["authorization_code", "password"], {"authorization_code": 1}),
                ["authorization_code", "urn:ietf:params:oauth:grant-type:token-exchange"],
            )
        ),
        *(
            {"response_types": types}
            for types in (
                ["token"],
                ["id_token"],
                ["code id_token"],
                ["code", "token"],
                ["none"],
                "code",
                [None],
                ["CODE"],
            )
        ),
        {"grant_types": ["refresh_token"], "response_types": ["code"]},
        {
            "grant_types": ["client_credentials"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "client_secret_post",
        },
    ],
)
def test_nobody_registers_a_grant_that_is_not_open(issuer: Target, metadata: dict[str, Any]) -> None:
    refused(issuer, **metadata)


@row("REG-34")
def test_addresses_in_the_metadata_are_not_fetched(issuer: Target) -> None:
    names = ["sector_identifier_uri", "initiate_login_uri", "backchannel_logout_uri", "frontchannel_logout_uri"]
    with raw.listener() as (address, hits):
        for target in (address, address.replace("http:", "https:"), "http://169.254.169.254/latest/meta-data/"):
            for name in (*names, "request_uris", "jwks_uri"):
                document: dict[str, Any] = {"redirect_uris": LOOPBACK, "token_endpoint_auth_method": "none"}
                document[name] = [target] if name == "request_uris" else target
                issuer.send("POST", "/register", expect={201, 400}, changes=True, json=document)
    assert not hits


@row("REG-40")
@pytest.mark.parametrize(
    "statement", ["eyJhbGciOiJub25lIn0.eyJzY29wZSI6ImFkbWluIn0.", "x", "a.b.c", 1, {}, "e30.e30.e30"]
)
def test_a_software_statement_counts_for_nothing(issuer: Target, statement: Any) -> None:
    made = registered(issuer, software_statement=statement)
    assert "software_statement" not in made
    assert made.keys() == registered(issuer).keys()
