"""Two issuers, one name, one database: any of them answers any request, and what may happen once happens once."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from tests.faults.database import Database
from tests.faults.replicas import Replicas, replicas
from tests.faults.scale import Record, fault, size
from tests.hostile.rows import row
from tests.support import oauth

CODES, TRIES = size((20, 10), (200, 50))
FAMILIES, GENERATIONS, AT_ONCE = size((20, 5, 4), (200, 10, 4))


@pytest.fixture
def two(database: Database, tmp_path: Path) -> Iterator[Replicas]:
    with replicas(tmp_path, database, 2) as running:
        yield running


def race(two: Replicas, forms: list[dict[str, Any]]) -> list[httpx.Response]:
    """Post all of them to /token at once, in turns to each replica, on 2 x 20 connections."""

    async def run() -> list[httpx.Response]:
        clients = [httpx.AsyncClient(base_url=origin, timeout=60, trust_env=False) for origin in two.origins]
        # A turn for each connection, as httpx takes ever longer the more requests wait for one.
        turns = [asyncio.Semaphore(20) for _ in clients]

        async def post(number: int, form: dict[str, Any]) -> httpx.Response:
            async with turns[number % 2]:
                return await clients[number % 2].post("/token", data=form)

        async with clients[0], clients[1]:
            return await asyncio.gather(*(post(number, form) for number, form in enumerate(forms)))

    return asyncio.run(run())


@row("FLT-11")
def test_they_publish_the_same_keys_and_metadata(two: Replicas) -> None:
    first, second = two.http(0), two.http(1)
    metadata = first.get("/.well-known/oauth-authorization-server").json()
    assert second.get("/.well-known/oauth-authorization-server").json() == metadata
    jwks = urlsplit(metadata["jwks_uri"]).path
    deadline = time.monotonic() + 30  # each looks for new keys every five seconds
    while (keys := first.get(jwks).json()["keys"]) != second.get(jwks).json()["keys"]:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert keys


@row("FLT-11")
def test_every_step_may_happen_on_another_one(two: Replicas) -> None:
    first, second = two.http(0), two.http(1)
    here = oauth.Client.register(first)
    there = oauth.Client(second, here.id, verifier=here.verifier)
    answer = here.redeem(there.code())
    assert answer.status_code == 200, answer.text
    before = answer.json()["refresh_token"]
    after = there.refresh(before).json()["refresh_token"]
    # A retry is honest for a minute, on either: the same successor.
    assert here.refresh(before).json()["refresh_token"] == after
    last = here.refresh(after).json()["refresh_token"]
    # From its use on, what came before is theft, wherever it comes, and all ends, everywhere.
    assert there.refresh(before).json()["error"] == "invalid_grant"
    for client in (here, there):
        assert client.refresh(last).json()["error"] == "invalid_grant"
    revoked = here.tokens()["refresh_token"]
    assert second.post("/revoke", data=there.form(token=revoked)).status_code == 200
    assert here.refresh(revoked).json()["error"] == "invalid_grant"


@row("FLT-11")
def test_a_person_is_asked_by_one_and_answers_another(two: Replicas) -> None:
    client = oauth.Client.register(two.http(0))
    first, second = oauth.Person(two.origins[0]), oauth.Person(two.origins[1])
    page = first.consent_page(client)
    # One browser, whose requests a balancer deals out: it knows nothing but the issuer's one name.
    second.http.cookies, second.origin = first.http.cookies, two.name
    answer = second.post(oauth.form_of(page), decision="approve", scope=["mcp:tools"])
    code = oauth.answer_of(answer)["code"]
    assert first.post(oauth.form_of(page), decision="approve", scope=["mcp:tools"]).status_code == 403, "used before"
    assert client.redeem(code).status_code == 200


@row("FLT-11")
@fault("two replicas: each code redeemed many times at once", minutes=10)
def test_racing_redemptions_have_one_winner_for_each_code(two: Replicas, record_property: Record) -> None:
    client = oauth.Client.register(two.http())
    winners: Counter[str] = Counter()
    refusals: Counter[str] = Counter()
    for _ in range(max(1, CODES // 50)):
        # Fifty at a time: a code lives for a minute.
        codes = [client.code() for _ in range(min(CODES, 50))]
        forms = [client.redemption(code) for _ in range(TRIES) for code in codes]
        answers = race(two, forms)
        winners.update(form["code"] for form, answer in zip(forms, answers, strict=True) if answer.status_code == 200)
        refusals.update(answer.json()["error"] for answer in answers if answer.status_code != 200)
    record_property("codes", CODES)
    record_property("redemptions", CODES * TRIES)
    record_property("winners", winners.total())
    record_property("codes with more than one", sum(count > 1 for count in winners.values()))
    assert len(winners) == winners.total() == CODES
    assert refusals == {"invalid_grant": CODES * (TRIES - 1)}


@row("FLT-11")
@fault("two replicas: each refresh token used several times at once", minutes=10)
def test_racing_refreshes_fork_no_family_and_sign_nobody_out(
    two: Replicas, database: Database, record_property: Record
) -> None:
    client = oauth.Client.register(two.http())
    tokens = [client.tokens()["refresh_token"] for _ in range(FAMILIES)]
    forked = refused = 0
    for _ in range(GENERATIONS):
        forms = [client.form(grant_type="refresh_token", refresh_token=t) for _ in range(AT_ONCE) for t in tokens]
        answers = race(two, forms)
        successors: dict[str, set[str]] = {token: set() for token in tokens}
        for form, answer in zip(forms, answers, strict=True):
            if answer.status_code == 200:
                successors[form["refresh_token"]].add(answer.json()["refresh_token"])
            else:
                refused += 1
        forked += sum(len(found) > 1 for found in successors.values())
        tokens = [token for found in successors.values() for token in found]
    alive = sum(client.refresh(token).status_code == 200 for token in tokens)
    record_property("races", FAMILIES * GENERATIONS)
    record_property("requests", FAMILIES * GENERATIONS * AT_ONCE)
    record_property("forked families", forked)
    record_property("honest requests refused", refused)
    record_property("clients signed out", FAMILIES - alive)
    assert (forked, refused, alive) == (0, 0, FAMILIES)
    assert not database.unsound()
