"""The clock is set, forth and back, or replicas do not agree on the time: nothing used or ended is alive again."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import httpx
from tests.faults.database import Database
from tests.faults.replicas import WITH_CLOCK, Replicas, replicas
from tests.faults.scale import Record, fault
from tests.hostile.rows import row
from tests.support import oauth

HOUR, YEAR = 3600, 365 * 86400
IDLE = 30 * 86400  # ISSUER_REFRESH_IDLE_SECONDS
CODE = 60  # ISSUER_CODE_SECONDS


def steps() -> dict[str, int]:
    return {
        "an hour on": HOUR,
        "an hour back": -HOUR,
        "ten years on": 10 * YEAR,
        "ten years back": -10 * YEAR,
        "past 19 January 2038": 2**31 - int(time.time()) + 1,
        "a leap second": 1,
    }


@dataclass
class Held:
    """What a client has from before."""

    client: oauth.Client
    code: str  # not redeemed yet
    token: str  # its latest refresh token
    redeemed: str
    revoked: str
    ended: str  # an access token that was revoked

    @classmethod
    def before(cls, http: httpx.Client) -> Held:
        client = oauth.Client.register(http)
        redeemed, gone = client.code(), client.tokens()
        revoked, token = client.tokens()["refresh_token"], client.redeem(redeemed).json()["refresh_token"]
        for ends in (revoked, gone["access_token"]):
            assert http.post("/revoke", data=client.form(token=ends)).status_code == 200
        return cls(client, client.code(), token, redeemed, revoked, gone["access_token"])

    def revived(self) -> int:
        """How much of what was used or revoked works."""
        http = self.client.http
        asked = http.post("/introspect", data=self.client.form(token=self.ended))
        return (self.client.refresh(self.revoked).status_code == 200) + bool(asked.json().get("active"))


@row("FLT-13")
@fault("the clock is set, and set right again")
def test_steps(database: Database, tmp_path: Path, record_property: Record) -> None:
    revived = lost = crashed = 0
    with replicas(tmp_path, database, command=WITH_CLOCK) as issuer, issuer.http() as http:
        http.event_hooks["response"] = [answers := Statuses()]
        for name, step in steps().items():
            held = Held.before(http)
            issuer.set_clock(0, step)
            revived += held.revived()
            spent = held.client.redeem(held.code).status_code == 200
            assert spent == (step < CODE - 5), name
            # A token that has not ended by this clock works; so does all that begins at the new time.
            renewed = held.client.refresh(held.token)
            assert (renewed.status_code == 200) == (step < IDLE), (name, renewed.text)
            fresh = held.client.tokens()
            assert abs(oauth.claims(fresh["access_token"])["iat"] - time.time() - step) < 30, name
            assert held.client.refresh(fresh["refresh_token"]).status_code == 200
            issuer.set_clock(0, 0)
            revived += held.revived()
            lost += held.client.refresh(renewed.json().get("refresh_token", held.token)).status_code != 200
            # At last, as the replay of a code ends what came of it.
            revived += held.client.redeem(held.redeemed).status_code == 200
            revived += spent and held.client.redeem(held.code).status_code == 200
        crashed = sum(status >= 500 for status in answers.seen)
    record_property("steps", ", ".join(steps()))
    record_property("used or revoked, and alive again", revived)
    record_property("living grants lost", lost)
    record_property("5xx", crashed)
    assert (revived, lost, crashed) == (0, 0, 0)


class Statuses:
    """An httpx hook that remembers each status."""

    def __init__(self) -> None:
        self.seen: list[int] = []

    def __call__(self, answer: httpx.Response) -> None:
        self.seen.append(answer.status_code)


@row("FLT-12")
@fault("a replica's clock is 30 s off, then 90 s")
def test_replicas_that_do_not_agree_on_the_time(database: Database, tmp_path: Path, record_property: Record) -> None:
    refused = {30: 0, 90: 0}
    revived = 0
    with replicas(tmp_path, database, 2, command=WITH_CLOCK) as two:
        for off in (30, -30, 90, -90):
            two.set_clock(1, off)
            refused[abs(off)] += refusals(two)
            first, second = Held.before(two.http(0)), Held.before(two.http(1))
            first.client.http, second.client.http = two.http(1), two.http(0)
            revived += first.revived() + second.revived()
    record_property("requests refused at 30 s", refused[30])
    record_property("codes refused at 90 s, which is more than their life", refused[90])
    record_property("used or revoked, and alive again", revived)
    assert refused[30] == revived == 0
    # The one whose clock is ahead takes the other one's codes for expired: refused, and asked for anew.
    assert refused[90] == 2


def refusals(two: Replicas) -> int:
    """How many of the steps of a whole grant are refused, each made by the other replica than the one before."""
    here = oauth.Client.register(two.http(0))
    there = oauth.Client(two.http(1), here.id, verifier=here.verifier)
    refused = 0
    for first, second in ((here, there), (there, here)):
        redeemed = second.redeem(first.code())
        if redeemed.status_code != 200:
            assert redeemed.json()["error"] == "invalid_grant"
            refused += 1
            continue
        token = redeemed.json()["refresh_token"]
        for client in (first, second):
            renewed = client.refresh(token)
            refused += renewed.status_code != 200
            token = renewed.json().get("refresh_token", token)
    return refused
