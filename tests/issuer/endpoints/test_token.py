"""The token endpoint over HTTP: who a client is, in each of the ways it may prove it, and how refusals look."""

from __future__ import annotations

import base64
import dataclasses
import secrets
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey
from tests.issuer.endpoints.conftest import MACHINE_SECRET, operator_client
from tests.issuer.started import Issuer, started
from tests.support.oauth import Client, claims

from issuer.model import Secret
from issuer.protocol import secret
from issuer.web import client_auth

KEY = ECKey.generate_key("P-256")
JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def machine(issuer: Issuer, /, **changes: object) -> str:
    """A client for client_credentials, another for each test; by Basic unless changed."""
    usual = {"grant_types": ("client_credentials",), "auth_method": "client_secret_basic", "scope": ("mcp:tools",)}
    return operator_client(issuer, f"machine-{secrets.token_hex(4)}", **{**usual, **changes}).id


def basic(id: str, plain: str = MACHINE_SECRET) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{id}:{plain}".encode()).decode()}


def ask(issuer: Issuer, headers: dict[str, str] | None = None, /, **form: str) -> httpx.Response:
    return issuer.http.post("/token", data={"grant_type": "client_credentials", **form}, headers=headers)


def test_a_machine_gets_a_token(issuer: Issuer):
    id = machine(issuer)
    answer = ask(issuer, basic(id))
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"] == "application/json"
    response = answer.json()
    assert set(response) == {"access_token", "token_type", "expires_in", "scope"}
    found = claims(response["access_token"])
    assert (found["sub"], found["client_id"], found["aud"]) == (id, id, "http://127.0.0.1:8000/mcp")


@pytest.mark.parametrize("plain", ["a+b%20c/d=e:f-0123", "no-utf-8-%ff-here", "\u00e9" * 8])
def test_basic_with_and_without_percent_encoding(issuer: Issuer, plain: str):
    """RFC 6749 §2.3.1 encodes id and secret, and many clients do not."""
    id = machine(issuer, secrets=(Secret(secret.digest(plain)),))
    assert ask(issuer, basic(id, plain)).status_code == 200
    assert ask(issuer, basic(id, quote(plain, safe=""))).status_code == 200
    assert ask(issuer, basic(quote(id, safe=""), quote(plain, safe="")), client_id=id).status_code == 200
    assert ask(issuer, basic(id, plain + "x")).status_code == 401


def test_the_operators_secret_may_be_sent_either_way_and_must_be_sent(issuer: Issuer):
    for method in ("client_secret_basic", "client_secret_post"):
        id = machine(issuer, auth_method=method)
        assert ask(issuer, basic(id)).status_code == 200
        assert ask(issuer, client_id=id, client_secret=MACHINE_SECRET).status_code == 200
        answer = ask(issuer, client_id=id)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def test_a_client_that_registered_itself_authenticates_as_it_chose(issuer: Issuer):
    for method in ("client_secret_basic", "client_secret_post", "none"):
        client = Client.register(issuer.http, token_endpoint_auth_method=method)
        plain = client.secret or "x"
        form = {"grant_type": "refresh_token", "refresh_token": "x"}
        known = {
            "client_secret_basic": ask(issuer, basic(client.id, plain), **form),
            "client_secret_post": ask(issuer, client_id=client.id, client_secret=plain, **form),
            "none": ask(issuer, client_id=client.id, **form),
        }
        assert {name for name, answer in known.items() if answer.json()["error"] == "invalid_grant"} == {method}
        assert {answer.json()["error"] for answer in known.values()} == {"invalid_grant", "invalid_client"}


def test_nobody_learns_whether_a_client_exists(issuer: Issuer):
    unknown, wrong = ask(issuer, basic("nobody")), ask(issuer, basic(machine(issuer), "wrong"))
    assert (unknown.status_code, unknown.content) == (wrong.status_code, wrong.content)
    assert unknown.headers["www-authenticate"] == wrong.headers["www-authenticate"]
    assert unknown.headers["www-authenticate"].startswith("Basic ")


@pytest.mark.parametrize(
    "header",
    [
        *("Basic", "Basic !!!", "Basic bm9jb2xvbg==", "Basic OnNlY3JldA==", "Basic AGE6Yg==", "Basic //86/w=="),
        *("Bearer abc", "Digest username=x", "x", "Basic " + base64.b64encode(b"a:" + b"x" * 5000).decode()),
    ],
)
def test_headers_that_are_no_credentials(issuer: Issuer, header: str):
    answer = issuer.http.post("/token", data={"grant_type": "client_credentials"}, headers={"Authorization": header})
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert "www-authenticate" in answer.headers


def test_two_proofs_are_a_bad_request(issuer: Issuer):
    id = machine(issuer)
    for form in (
        {"client_secret": MACHINE_SECRET},
        {"client_id": "another"},
        {"client_assertion": "x", "client_assertion_type": JWT_BEARER},
    ):
        answer = ask(issuer, basic(id), **form)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert ask(issuer, basic(id), client_id=id).status_code == 200


def test_no_client_at_all(issuer: Issuer):
    answer = ask(issuer)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def test_twenty_wrong_secrets_close_the_pair_for_a_while(tmp_path: Path):
    with started(tmp_path) as issuer:
        id, other = machine(issuer), machine(issuer)
        for _ in range(20):
            assert ask(issuer, basic(id, "wrong")).status_code == 401
        closed = ask(issuer, basic(id))
        assert (closed.status_code, closed.json()["error"]) == (429, "slow_down")
        assert closed.headers["cache-control"] == "no-store"
        assert ask(issuer, basic(other)).status_code == 200
        issuer.clock.now += int(closed.headers["retry-after"])
        assert ask(issuer, basic(id)).status_code == 200


def heard(answer: httpx.Response) -> tuple[int, bytes, dict[str, str]]:
    """All that tells one refusal from another."""
    return (
        answer.status_code,
        answer.content,
        {n: v for n, v in answer.headers.items() if n not in ("date", "x-request-id")},
    )


def test_invented_ids_leave_few_rows(tmp_path: Path):
    with started(tmp_path) as issuer:
        for number in range(200):
            assert ask(issuer, basic(f"invented-{number}", "wrong")).status_code == 401
        with closing(sqlite3.connect(issuer.server.settings.ISSUER_DATABASE)) as raw:
            (rows,) = raw.execute("SELECT count(*) FROM limits").fetchone()
        assert 0 < rows <= client_auth._DOORS


def test_guessing_does_not_tell_a_client_from_an_invented_one(tmp_path: Path):
    with started(tmp_path) as issuer:
        known = machine(issuer)
        for _ in range(2):
            for _ in range(25):
                real, invented = (ask(issuer, basic(id, "wrong")) for id in (known, "invented"))
                assert heard(real) == heard(invented)
            assert (real.status_code, real.headers["retry-after"]) == (429, "300")
            assert ask(issuer, basic(known)).status_code == 429
            issuer.clock.now += 300
            assert ask(issuer, basic(known)).status_code == 200


def test_where_invented_ids_have_closed_the_door_a_right_secret_gets_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(client_auth, "_DOORS", 1)
    with started(tmp_path) as issuer:
        known = machine(issuer)
        for number in range(20):
            assert ask(issuer, basic(f"invented-{number}", "wrong")).status_code == 401
            issuer.clock.now += 1
        real, invented = (ask(issuer, basic(id, "wrong")) for id in (known, "another"))
        assert heard(real) == heard(invented)
        assert (real.status_code, real.headers["retry-after"]) == (429, "280")
        assert ask(issuer, basic(known)).status_code == 200
        # Behind a door that others closed guesses count all the same; and the client opens with its door, not later.
        for _ in range(20):
            assert ask(issuer, basic(known, "wrong")).status_code == 429
        assert ask(issuer, basic(known)).status_code == 429
        issuer.clock.now += 280
        assert ask(issuer, basic(known)).status_code == 200
        real, invented = (ask(issuer, basic(id, "wrong")) for id in (known, "another"))
        assert heard(real) == heard(invented)
        assert real.status_code == 401


def test_an_old_secret_goes_on_until_its_moment(issuer: Issuer):
    both = (Secret(secret.digest("old-secret"), issuer.clock.now + 100), Secret(secret.digest("new-secret")))
    id = machine(issuer, secrets=both)
    issuer.clock.now += 99
    assert ask(issuer, basic(id, "old-secret")).status_code == 200
    issuer.clock.now += 1
    assert ask(issuer, basic(id, "old-secret")).status_code == 401
    assert ask(issuer, basic(id, "new-secret")).status_code == 200


# -- private_key_jwt -------------------------------------------------------------------------------------


def signing_machine(issuer: Issuer) -> str:
    jwks = {"keys": [KEY.as_dict(private=False)]}
    return machine(issuer, auth_method="private_key_jwt", secrets=(), metadata={"jwks": jwks})


def assertion(issuer: Issuer, id: str, **changes: Any) -> dict[str, str]:
    usual = {"iss": id, "sub": id, "aud": issuer.origin, "exp": issuer.clock.now + 60, "jti": secrets.token_hex(8)}
    signed = jwt.encode({"alg": "ES256"}, {**usual, **changes}, KEY)
    return {"client_assertion_type": JWT_BEARER, "client_assertion": signed}


def test_a_client_that_signs_is_known_and_each_assertion_counts_once(issuer: Issuer):
    id = signing_machine(issuer)
    form = assertion(issuer, id)
    assert ask(issuer, **form).status_code == 200
    again = ask(issuer, **form)
    assert (again.status_code, again.json()["error"]) == (401, "invalid_client")
    assert ask(issuer, **assertion(issuer, id), client_id=id).status_code == 200
    assert ask(issuer, **assertion(issuer, id), client_id="another").status_code == 401
    assert ask(issuer, **assertion(issuer, id, aud=issuer.origin + "/token")).status_code == 401
    assert ask(issuer, **{**assertion(issuer, id), "client_assertion_type": "x"}).status_code == 401
    assert ask(issuer, client_id=id).status_code == 401
    assert ask(issuer, basic(id)).status_code == 401


def test_an_assertion_of_a_client_that_does_not_sign_proves_nothing(issuer: Issuer):
    for id in (machine(issuer), "nobody"):
        assert ask(issuer, **assertion(issuer, id)).status_code == 401


def test_a_refused_assertion_is_not_used_up(issuer: Issuer):
    """Its jti counts once a genuine one carried it, so a forger cannot spend it first."""
    id = signing_machine(issuer)
    form = assertion(issuer, id)
    header, payload, signature = form["client_assertion"].split(".")
    forged = {**form, "client_assertion": ".".join((header, payload, signature[::-1]))}
    assert ask(issuer, **forged).status_code == 401
    assert ask(issuer, **form).status_code == 200


# -- what is asked ---------------------------------------------------------------------------------------


def test_grants_that_are_not_there_or_not_this_clients(issuer: Issuer):
    id = machine(issuer)
    for grant, error in (
        ("password", "unsupported_grant_type"),
        ("CLIENT_CREDENTIALS", "unsupported_grant_type"),
        ("refresh_token", "unauthorized_client"),
        ("authorization_code", "unauthorized_client"),
    ):
        answer = ask(issuer, basic(id), grant_type=grant)
        assert (answer.status_code, answer.json()["error"]) == (400, error)
        assert answer.headers["cache-control"] == "no-store"
    assert ask(issuer, basic("nobody"), grant_type="password").json()["error"] == "invalid_client"


def test_pages_of_any_origin_may_use_it_without_cookies(issuer: Issuer):
    answer = ask(issuer, {**basic(machine(issuer)), "Origin": "https://page.test"})
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in answer.headers
    asked = {"Origin": "https://page.test", "Access-Control-Request-Method": "POST"}
    preflight = issuer.http.options("/token", headers={**asked, "Access-Control-Request-Headers": "authorization"})
    assert preflight.status_code == 200


def test_a_removed_client_has_no_tokens(issuer: Issuer):
    id = machine(issuer)
    assert ask(issuer, basic(id)).status_code == 200
    found = issuer.run(lambda tx: tx.clients.get(id))
    assert found is not None
    issuer.run(lambda tx: tx.clients.put(dataclasses.replace(found, secrets=())))
    assert ask(issuer, basic(id)).status_code == 401
    issuer.run(lambda tx: tx.clients.remove(id))
    assert ask(issuer, basic(id)).status_code == 401
