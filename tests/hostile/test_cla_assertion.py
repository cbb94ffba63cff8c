"""Rows CLA-08, CLA-14 to CLA-16 and CLA-19: signatures, headers and shapes of client assertions."""

from __future__ import annotations

import hashlib
import hmac
import json
import zlib
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import ECKey, RSAKey
from tests.hostile import raw
from tests.hostile.forge import GONE, Forger, b64
from tests.hostile.rows import row
from tests.hostile.signer import ALGORITHMS, TYPE, Signer
from tests.hostile.target import Target
from tests.hostile.test_net import HELD
from tests.support.oauth import Client


def mac(header: dict[str, Any], payload: dict[str, Any], secret: bytes) -> str:
    signing = f"{b64(json.dumps(header).encode())}.{b64(json.dumps(payload).encode())}"
    return f"{signing}.{b64(hmac.digest(secret, signing.encode(), 'sha256'))}"


@row("CLA-08")
@pytest.mark.parametrize("alg", ["none", "None", "nOnE", "", GONE, None, "NONE", 0, [], ["ES256"], "es256", "ES256 "])
def test_no_algorithm(signer: Signer, alg: Any) -> None:
    whole = signer.token(header={"alg": alg})
    signed = whole.rpartition(".")[0]
    for token in (whole, f"{signed}.", signed, f"{signed}.AA", f"{signed}.{'A' * 86}"):
        signer.refused(token)


@row("CLA-08")
@pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512"])
def test_a_public_key_is_no_secret(signer: Signer, alg: str) -> None:
    public = RSAKey.import_key(signer.rsa.public_key())
    members = public.as_dict(private=False)
    for secret in (
        public.as_pem(private=False),
        public.as_pem(private=False).strip(),
        json.dumps(members).encode(),
        json.dumps(members, separators=(",", ":")).encode(),
        str(members["n"]).encode(),
        b"",
        signer.id.encode(),
    ):
        signer.refused(mac({"alg": alg}, signer.claims(), secret))


@row("CLA-08")
def test_a_client_secret_signs_nothing(issuer: Target, signer: Signer) -> None:
    secret = (issuer.pair.keys / "mcp-client.secret").read_text().strip().encode()
    for key in (secret, hashlib.sha256(secret).hexdigest().encode()):
        signer.refused(mac({"alg": "HS256"}, signer.claims(iss="mcp-client", sub="mcp-client"), key))
    signer.refused(signer.token(iss="mcp-client", sub="mcp-client"))


@row("CLA-08")
@pytest.mark.parametrize("alg", [*ALGORITHMS, "PS256", "RS384", "RS512", "RS1", "ES384", "ES512", "ES256K", "Ed25519"])
def test_keys_and_algorithms_belong_together(signer: Signer, alg: str) -> None:
    for truly in ALGORITHMS:
        token = signer.token(truly, header={"alg": alg})
        if alg != truly:
            signer.refused(token)
        else:
            signer.accepted(token)


@row("CLA-08")
def test_a_wrong_key(signer: Signer) -> None:
    stranger = Signer(
        signer.issuer,
        signer.id,
        rsa.generate_private_key(65537, 2048),
        ec.generate_private_key(ec.SECP256R1()),
        ed25519.Ed25519PrivateKey.generate(),
    )
    for alg in ALGORITHMS:
        signer.refused(stranger.token(alg))
        token = signer.token(alg)
        other = "A" if token[-10] != "A" else "B"
        signer.refused(token[:-10] + other + token[-9:])
        signer.accepted(token)
    signed = signer.token().rpartition(".")[0]
    for signature in (b"\0" * 64, b"\0" * 63 + b"\1", b"\xff" * 64, b""):
        signer.refused(f"{signed}.{b64(signature)}")


@row("CLA-14")
def test_keys_are_the_registered_ones(signer: Signer) -> None:
    """Whatever the header offers: no fetch, and no key but the client's own."""
    mine = ec.generate_private_key(ec.SECP256R1())
    thief = Signer(signer.issuer, signer.id, signer.rsa, mine, signer.okp)
    public = ECKey.import_key(mine.public_key()).as_dict(private=False)
    with raw.listener() as (address, hits):
        offers: list[dict[str, Any]] = [{name: address} for name in ("jku", "x5u", "x5c", "jwk", "jwks", "jwks_uri")]
        offers += [{"jwk": public}, {"x5c": ["AAAA"]}, {"jwk": public, "kid": "x"}, {"jku": address, "kid": "x"}]
        for header in offers:
            signer.refused(thief.token(header=header))
    assert not hits


@row("CLA-14")
@pytest.mark.parametrize(
    "kid",
    [
        "../../../../etc/passwd",
        "/dev/null",
        "' or 1=1 --",
        "a\0b",
        "k" * 10_240,
        [],
        ["a"],
        {},
        1,
        True,
        "http://127.0.0.1:1/",
    ],
    ids=lambda value: str(value)[:30],
)
def test_names_of_keys(signer: Signer, kid: Any) -> None:
    thief = Signer(signer.issuer, signer.id, signer.rsa, ec.generate_private_key(ec.SECP256R1()), signer.okp)
    signer.refused(thief.token(header={"kid": kid}))


@row("CLA-15")
@pytest.mark.parametrize(
    "header",
    [
        *({"crit": ["x"]}, {"crit": []}, {"crit": "exp"}, {"crit": ["exp"]}, {"crit": None}, {"crit": 1}, {"crit": {}}),
        *({"b64": False}, {"b64": False, "crit": ["b64"]}, {"b64": True}, {"b64": True, "crit": ["b64"]}),
    ],
    ids=str,
)
def test_extensions(signer: Signer, header: dict[str, Any]) -> None:
    signer.refused(signer.token(header=header))


@row("CLA-15")
def test_compressed(signer: Signer) -> None:
    packed = zlib.compress(json.dumps(signer.claims()).encode())
    signer.refused(signer.sign(b'{"alg":"ES256","zip":"DEF"}', packed))
    signer.refused(signer.sign(b'{"alg":"ES256","enc":"A256GCM","zip":"DEF"}', packed))


@row("CLA-15")
def test_shapes_that_are_no_compact_jws(signer: Signer) -> None:
    token = signer.token()
    header, payload, signature = token.split(".")
    flattened = json.dumps({"protected": header, "payload": payload, "signature": signature})
    general = json.dumps({"payload": payload, "signatures": [{"protected": header, "signature": signature}]})
    jwe = b64(b'{"alg":"dir","enc":"A256GCM"}') + "..AAAA.AAAA.AAAA"
    for bent in (
        *(flattened, general, jwe, f"{token}.", f"{token}.AA", f"{token}.AA.AA", f".{token}", "..", "a.b.c", "x"),
        *(
            f"{header}=.{payload}.{signature}",
            f"{header}.{payload}==.{signature}",
            f"{token}=",
            f"{header} .{payload}.{signature}",
        ),
        *(
            f"{header}\n.{payload}.{signature}",
            f"{token}\n",
            f" {token}",
            f"{token} ",
            token.replace(".", "\n.\n"),
            token * 2,
        ),
        *(
            f"{header}..{signature}",
            f"{header}.{payload}",
            f".{payload}.{signature}",
            token.replace(".", "%2e"),
            f"{token},{token}",
        ),
        *(
            "A" * 100_000,
            "." * 60_000,
            f"{header}.{'A' * 20_000}.{signature}",
            f"{header}.{payload}.{'A' * 20_000}",
            "é.é.é",
        ),
    ):
        signer.refused(bent, expect={400, 401, 413}, error={"invalid_client", "invalid_request"})
    signer.accepted(token)


@row("CLA-15")
def test_json_with_two_readings(signer: Signer) -> None:
    claims = json.dumps(signer.claims())
    deep = {opened: opened * 1000 for opened in ("[", '{"a":')}
    for payload in (
        *(
            claims[:-1] + ', "sub": "mcp-client"}',
            claims[:-1] + ', "exp": 99999999999}',
            claims + "{}",
            f"[{claims}]",
            "null",
            "1",
        ),
        *(claims[:-1] + f', "x": {nested}}}' for nested in deep.values()),
        *(
            claims[:-1] + ', "x": ' + "[" * 1000 + "]" * 1000 + ', "jti": "again"}',
            claims[:-1] + ', "x": NaN}',
            "",
            "{",
            "\ufeff" + claims,
        ),
        *(claims[:-1] + r', "x": "\ud800"}', claims[:-1] + ', "x": ' + "9" * 5000 + "}"),
    ):
        signer.refused(signer.sign(b'{"alg":"ES256"}', payload.encode()))
    for header in (
        b'{"alg":"ES256","alg":"none"}',
        b'{"alg":"ES256","x":' + b"[" * 1000,
        b"[]",
        b"null",
        b'"ES256"',
        b"",
        b"{",
    ):
        signer.refused(signer.sign(header, claims.encode()))
    for encoding in ("utf-16", "utf-32", "utf-8-sig"):
        signer.refused(signer.sign(b'{"alg":"ES256"}', claims.encode(encoding)))


@row("CLA-15")
@HELD
@given(text=st.text(max_size=120), parts=st.lists(st.binary(max_size=30), min_size=1, max_size=5))
def test_no_text_is_an_assertion(signer: Signer, text: str, parts: list[bytes]) -> None:
    errors = {"invalid_client", "invalid_request"}
    for token in (text, ".".join(b64(part) for part in parts)):
        sent = signer.form(token)
        signer.issuer.send("POST", "/token", expect={400, 401}, error=errors, data=sent, may_echo={text})


@row("CLA-16")
@pytest.mark.parametrize(
    "kind", [GONE, "", "x", TYPE.upper(), TYPE + " ", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"]
)
def test_the_type_of_an_assertion(signer: Signer, kind: Any) -> None:
    signer.refused(signer.token(), client_assertion_type=kind)


@row("CLA-16")
def test_the_type_without_an_assertion(signer: Signer) -> None:
    signer.refused("", expect={400, 401}, error={"invalid_request", "invalid_client"})


@row("CLA-16")
def test_what_a_token_says_it_is(signer: Signer) -> None:
    for good in (GONE, "JWT", "jwt", "client-authentication+jwt", "application/client-authentication+jwt"):
        signer.accepted(signer.token(header={"typ": good}))
    for bad in (
        "at+jwt",
        "application/at+jwt",
        "dpop+jwt",
        "logout+jwt",
        "secevent+jwt",
        "JWS",
        "",
        1,
        [],
        ["JWT"],
        "JWT ",
    ):
        signer.refused(signer.token(header={"typ": bad}))


@row("CLA-19")
def test_keys_of_others(issuer: Target, signer: Signer) -> None:
    """Signed by the issuer's own key, and tokens that the issuer gave to this or another client."""
    forger = Forger(issuer.pair)
    for header in (forger.header(typ="JWT"), forger.header(typ=GONE, kid=GONE)):
        signer.refused(forger.signed(header, json.dumps(signer.claims()).encode()))
    access = signer.post(signer.token()).json()["access_token"]
    person = Client.register(issuer.client).tokens(scope="openid mcp:tools")
    for token in (
        access,
        person["access_token"],
        person["id_token"],
        issuer.pair.token(sub=signer.id, client_id=signer.id),
    ):
        signer.refused(token)


@row("CLA-19")
def test_one_client_for_another(issuer: Target, signer: Signer) -> None:
    """The right key of one client signs nothing for another, which has keys too."""
    jwks = {"keys": [ECKey.generate_key("P-256").as_dict(private=False)]}
    metadata = {"token_endpoint_auth_method": "private_key_jwt", "jwks": jwks}
    other = Client.register(issuer.client, **metadata)
    signer.refused(signer.token(iss=other.id, sub=other.id), grant_type="refresh_token", refresh_token="x")
