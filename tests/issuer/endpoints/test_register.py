"""Registration (RFC 7591, RFC 7592): who may register, what is answered, and who may change it afterwards."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.issuer.started import Issuer, started
from tests.support.oauth import Client, Person, answer_of, claims

from issuer.errors import InvalidToken
from issuer.protocol import secret
from issuer.store import Transaction
from issuer.web import invitation

PUBLIC = {"redirect_uris": ["http://127.0.0.1/callback"], "token_endpoint_auth_method": "none"}
SECRET = {"redirect_uris": ["https://app.test/cb"], "grant_types": ["authorization_code", "refresh_token"]}


def register(issuer: Issuer, document: Any = PUBLIC, **headers: str) -> httpx.Response:
    return issuer.http.post("/register", json=document, headers=headers)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_a_public_client_gets_no_secret_and_nothing_that_is_absent(issuer: Issuer):
    answer = register(issuer)
    assert answer.status_code == 201
    assert (answer.headers["cache-control"], answer.headers["pragma"]) == ("no-store", "no-cache")
    made = answer.json()
    assert made == {
        **PUBLIC,
        "client_id": made["client_id"],
        "client_id_issued_at": issuer.clock.now,
        "grant_types": ["authorization_code"],
        "response_types": ["code"],
        "registration_access_token": made["registration_access_token"],
        "registration_client_uri": f"{issuer.origin}/register/{made['client_id']}",
    }
    assert made["client_id"].startswith(secret.CLIENT_ID)


def test_a_secret_is_told_once_and_kept_as_a_hash(issuer: Issuer):
    made = register(issuer, SECRET).json()
    assert made["client_secret"].startswith(secret.CLIENT_SECRET)
    assert made["client_secret_expires_at"] == 0
    stored = issuer.run(lambda tx: tx.clients.get(made["client_id"]))
    assert stored is not None
    assert [one.digest for one in stored.secrets] == [secret.digest(made["client_secret"])]
    assert stored.registration == secret.digest(made["registration_access_token"])
    shown = issuer.http.get(made["registration_client_uri"], headers=bearer(made["registration_access_token"]))
    assert "client_secret" not in shown.json()


def test_two_that_look_alike_are_two(issuer: Issuer):
    assert register(issuer).json()["client_id"] != register(issuer).json()["client_id"]


@pytest.mark.parametrize(
    ("document", "error"),
    [
        ({**PUBLIC, "redirect_uris": ["http://evil.test/cb"]}, "invalid_redirect_uri"),
        ({**PUBLIC, "redirect_uris": ["https://[x]/cb"]}, "invalid_redirect_uri"),
        ({**PUBLIC, "redirect_uris": ["com.example.app://[x"]}, "invalid_redirect_uri"),
        ({**PUBLIC, "client_uri": "https://["}, "invalid_client_metadata"),
        ({**PUBLIC, "scope": 'a"b'}, "invalid_client_metadata"),
        ({**PUBLIC, "jwks": {"keys": [{"kty": "RSA", "key_ops": 5}]}}, "invalid_client_metadata"),
        ({**PUBLIC, "jwks_uri": "https://10.0.0.1/jwks"}, "invalid_client_metadata"),
        ({**PUBLIC, "jwks_uri": "https://keys.test:8443/jwks"}, "invalid_client_metadata"),
        ({**PUBLIC, "jwks_uri": "https://keys.test/#k"}, "invalid_client_metadata"),
        ({**PUBLIC, "grant_types": ["client_credentials"]}, "invalid_client_metadata"),
        ([], "invalid_client_metadata"),
        (None, "invalid_client_metadata"),
    ],
)
def test_what_cannot_be_registered(issuer: Issuer, document: Any, error: str):
    answer = register(issuer, document)
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("application/json", 201),
        ("application/json; charset=utf-8", 201),
        ('Application/JSON;charset="UTF-8"', 201),
        ("application/vnd.client+json", 201),
        ("application/json; charset=utf-16", 400),
        ("application/json, text/html", 400),
        ("text/plain", 400),
        ("application/x-www-form-urlencoded", 400),
        ("</><script>", 400),
        ("", 400),
    ],
)
def test_metadata_comes_as_json(issuer: Issuer, kind: str, status: int):
    body = b'{"redirect_uris": ["https://app.test/cb"]}'
    answer = issuer.http.post("/register", content=body, headers={"content-type": kind})
    assert answer.status_code == status
    assert status == 201 or answer.json()["error"] == "invalid_client_metadata"


# -- who may register ------------------------------------------------------------------------------------


def test_an_invitation_lets_one_client_in_once(tmp_path: Path):
    with started(tmp_path, ISSUER_REGISTRATION="token") as issuer:
        ends = issuer.clock.now + 100
        once, many = (invitation.write(issuer.server.secret, expires_at=ends, many=many) for many in (False, True))
        assert re.fullmatch(r"[A-Za-z0-9._~+/-]+=*", once), "the syntax of RFC 6750 §2.1"
        for headers in ({}, bearer("x"), bearer(once + "x"), bearer(once[:-1]), {"Authorization": f"Basic {once}"}):
            answer = register(issuer, **headers)
            assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")
            assert answer.headers["www-authenticate"].startswith("Bearer")
        assert register(issuer, {"redirect_uris": []}, **bearer(once)).status_code == 400
        assert register(issuer, **bearer(once)).status_code == 201
        assert register(issuer, **bearer(once)).status_code == 401
        assert [register(issuer, **bearer(many)).status_code for _ in range(3)] == [201] * 3
        assert issuer.http.get("/register/x", headers=bearer(many)).status_code == 401
        issuer.clock.now += 100
        assert register(issuer, **bearer(many)).status_code == 401


def test_so_many_a_minute_from_one_address(tmp_path: Path):
    with started(tmp_path, ISSUER_REGISTRATIONS_PER_MINUTE="3") as issuer:
        assert [register(issuer).status_code for _ in range(5)] == [201] * 3 + [429] * 2
        closed = register(issuer)
        assert closed.json()["error"] == "slow_down"
        issuer.clock.now += int(closed.headers["retry-after"])
        assert register(issuer).status_code == 201


def test_so_many_in_all(tmp_path: Path):
    with started(tmp_path, ISSUER_MOST_CLIENTS="2", ISSUER_REGISTRATIONS_PER_MINUTE="1000") as issuer:
        for _ in range(2):
            assert register(issuer).status_code == 201
        issuer.clock.now += 61  # the count is taken now and then
        full = register(issuer)
        assert (full.status_code, full.json()["error"]) == (503, "temporarily_unavailable")
        assert full.headers["retry-after"]


# -- RFC 7592 --------------------------------------------------------------------------------------------


def made_by(issuer: Issuer, document: Any = PUBLIC) -> tuple[str, dict[str, str], dict[str, Any]]:
    made = register(issuer, document).json()
    return made["registration_client_uri"], bearer(made["registration_access_token"]), made


def test_a_client_reads_changes_and_removes_itself(issuer: Issuer):
    uri, token, made = made_by(issuer)
    assert issuer.http.get(uri, headers=token).json() == made
    changed = {**PUBLIC, "client_id": made["client_id"], "client_name": "New name"}
    answer = issuer.http.put(uri, headers=token, json=changed)
    assert (answer.status_code, answer.json()["client_name"]) == (200, "New name")
    assert answer.headers["cache-control"] == "no-store"
    assert issuer.http.get(uri, headers=token).json() == answer.json()
    gone = issuer.http.delete(uri, headers=token)
    assert (gone.status_code, gone.content) == (204, b"")
    assert issuer.http.get(uri, headers=token).status_code == 401
    assert Client(issuer.http, made["client_id"]).authorize().status_code == 400


def test_a_change_is_the_whole_of_it(issuer: Issuer):
    uri, token, made = made_by(issuer, {**PUBLIC, "client_name": "Name", "contacts": ["a@a.test"]})
    answer = issuer.http.put(uri, headers=token, json={**PUBLIC, "client_id": made["client_id"]}).json()
    assert not {"client_name", "contacts"} & set(answer)


def test_a_client_that_becomes_confidential_gets_a_secret_and_loses_it_again(issuer: Issuer):
    uri, token, made = made_by(issuer)
    confidential = {"redirect_uris": PUBLIC["redirect_uris"], "client_id": made["client_id"]}
    plain = issuer.http.put(uri, headers=token, json=confidential).json()["client_secret"]
    kept = issuer.http.put(uri, headers=token, json={**confidential, "client_secret": plain})
    assert (kept.status_code, "client_secret" in kept.json()) == (200, False)
    chosen = issuer.http.put(uri, headers=token, json={**confidential, "client_secret": "chosen-by-itself"})
    assert (chosen.status_code, chosen.json()["error"]) == (400, "invalid_client_metadata")
    issuer.http.put(uri, headers=token, json={**PUBLIC, "client_id": made["client_id"]})
    stored = issuer.run(lambda tx: tx.clients.get(made["client_id"]))
    assert stored is not None
    assert stored.secrets == ()


@pytest.mark.parametrize(
    "change",
    [
        {"client_id": "another"},
        {"client_id": None},
        {"client_id_issued_at": 1},
        {"registration_access_token": "x"},
        {"redirect_uris": ["http://evil.test"]},
        {"grant_types": ["client_credentials"]},
    ],
)
def test_what_a_client_cannot_change(issuer: Issuer, change: dict[str, Any]):
    uri, token, made = made_by(issuer)
    answer = issuer.http.put(uri, headers=token, json={**PUBLIC, "client_id": made["client_id"], **change})
    assert answer.status_code == 400
    assert issuer.http.get(uri, headers=token).json() == made


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_a_token_that_is_tried_on_another_client_has_leaked(issuer: Issuer, method: str):
    uri, token, _ = made_by(issuer)
    other, others, made = made_by(issuer)
    answer = issuer.http.request(method, other, headers=token, json=PUBLIC)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")
    assert issuer.http.get(uri, headers=token).status_code == 401
    assert issuer.http.get(other, headers=others).json() == made


def rename(tx: Transaction, id: str) -> None:
    found = tx.clients.get(id)
    assert found is not None
    tx.clients.put(dataclasses.replace(found, name="Renamed"))


def remove(tx: Transaction, id: str) -> None:
    tx.clients.remove(id)


@pytest.mark.parametrize(("meanwhile", "left"), [(rename, ("Renamed", None)), (remove, None)])
def test_a_leaked_token_ends_and_nothing_else_is_undone(
    issuer: Issuer,
    monkeypatch: pytest.MonkeyPatch,
    meanwhile: Callable[[Transaction, str], None],
    left: tuple[str, None] | None,
):
    """It ends in a second transaction: what the first one read of its client may be old by then."""
    (_, token, made), (other, _, _) = made_by(issuer), made_by(issuer)
    store = issuer.server.store
    write = store.write

    async def write_and_go_on(work: Any) -> Any:
        try:
            return await write(work)
        except InvalidToken:
            await write(lambda tx: meanwhile(tx, made["client_id"]))
            raise

    with monkeypatch.context() as patch:
        patch.setattr(store, "write", write_and_go_on)
        assert issuer.http.get(other, headers=token).status_code == 401
    found = issuer.run(lambda tx: tx.clients.get(made["client_id"]))
    assert (found and (found.name, found.registration)) == left


@pytest.mark.parametrize("token", ["x", "a b", "x" * 5000])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_nobody_else_reaches_a_registration(issuer: Issuer, method: str, token: str):
    uri, own, made = made_by(issuer)
    for headers in (bearer(token), {}, {"Authorization": own["Authorization"].replace("Bearer", "Basic")}):
        answer = issuer.http.request(method, uri, headers=headers, json=PUBLIC)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")
    assert issuer.http.get(uri, headers=own).json() == made


def test_removing_a_client_ends_what_it_was_granted(issuer: Issuer, person: Person):
    uri, token, made = made_by(issuer, {**PUBLIC, "grant_types": ["authorization_code", "refresh_token"]})
    client = Client(issuer.http, made["client_id"])
    tokens = client.redeem(answer_of(person.approve(person.consent_page(client, scope="openid")))["code"]).json()
    asked = bearer(tokens["access_token"])
    assert issuer.http.get("/userinfo", headers=asked).json()["sub"] == claims(tokens["access_token"])["sub"]
    issuer.http.delete(uri, headers=token)
    assert issuer.http.get("/userinfo", headers=asked).status_code == 401
    assert client.refresh(tokens["refresh_token"]).json()["error"] == "invalid_client"
